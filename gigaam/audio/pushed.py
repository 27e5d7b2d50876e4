"""Sound as it comes, in pieces of any length → float32 mono samples at 16 kHz.

The pieces give the samples that all of them together would give as one recording: PCM is decoded
and resampled as in `gigaam.audio.recording`, only without a beginning and an end in each piece.

Legend: n samples, c channels. Rates are in Hz.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.audio.arrays import Array, as_array, checked_rate, frames_of, scaled, without_rate
from gigaam.audio.recording import SAMPLE_RATE, Waveform, as_floats
from gigaam.audio.resampling import LAYOUTS, Resampler
from gigaam.errors import AudioError, AudioWarning

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame

__all__ = ["SAMPLE_FORMATS", "Piece", "PushedAudio"]

SAMPLE_FORMATS = {
    "s16le": 2,
    "s16be": 2,
    "s24le": 3,
    "s24be": 3,
    "s32le": 4,
    "s32be": 4,
    "f32le": 4,
    "f32be": 4,
    "f64le": 8,
    "f64be": 8,
    "u8": 1,
    "mulaw": 1,
    "alaw": 1,
}
"""PCM by FFmpeg's names, and its bytes per sample."""

_FLOATS = {"f32le": "<f4", "f32be": ">f4", "f64le": "<f8", "f64be": ">f8"}

Piece: TypeAlias = bytes | bytearray | memoryview | Array | tuple[Array, int] | tuple[int, Array]
"""Samples of one moment: bytes, an array or tensor, or a pair of such an array and its rate."""


class PushedAudio:
    """One stream of sound, mixed or channel by channel."""

    def __init__(
        self,
        input_rate: int | None = None,
        *,
        sample_format: str = "s16le",
        n_channels: int = 1,
        apart: bool = False,
    ) -> None:
        """A stream of which nothing has come.

        Args:
            input_rate: Of all pieces; None where the first one tells, as a pair with its rate.
            sample_format: Of pieces that are bytes, one of `SAMPLE_FORMATS`.
            n_channels: Of all pieces, interleaved.
            apart: Whether each channel is given by itself, not their mix.

        Raises:
            AudioError: There is no such format, rate, or number of channels.
        """
        if not 1 <= n_channels <= len(LAYOUTS):
            raise AudioError(f"n_channels={n_channels!r} must be 1 to {len(LAYOUTS)}")
        self._rate = None if input_rate is None else checked_rate("input_rate", input_rate)
        self._n_channels = n_channels
        self._chosen: Sequence[int | None] = range(n_channels) if apart else (None,)
        self._decoder = _PcmDecoder(sample_format, n_channels)
        self._floats = _FLOATS.get(sample_format)
        self._rest = b""  # less than one sample of each channel
        self._resamplers: list[Resampler] = []
        self._format = ""

    @property
    def n_outputs(self) -> int:
        """How many channels are given."""
        return len(self._chosen)

    def push(self, piece: Piece, input_rate: int | None = None) -> list[Waveform]:
        """The samples that this piece made ready, float32 [n] of each output, all of one length.

        Args:
            piece: Bytes, cut anywhere; or samples [n] or [n, c], integers or floats of full scale
                ±1, or a pair of them and their rate.
            input_rate: The rate again, if it is to be checked.

        Raises:
            AudioError: The rate or the number of channels is not that of the pieces before, or
                this is no sound. The piece is then left out, and others can follow.
        """
        samples, told_rate = without_rate(piece, input_rate)
        rate = self._checked_rate(told_rate)
        if isinstance(samples, bytes | bytearray | memoryview):
            frames: Iterable[AudioFrame] = self._decoded(bytes(samples), rate)
        else:
            frames = self._framed(samples, rate)
        self._rate = rate
        return self._joined([self._converted(frame) for frame in frames])

    def finish(self) -> list[Waveform]:
        """The last samples, once all pieces were pushed."""
        n_left, self._rest = len(self._rest), b""
        if n_left:  # told first: were it an error, the samples could still be had
            told = f"the sound ends within a sample: {n_left} bytes are left over"
            warnings.warn(told, AudioWarning, stacklevel=2)
        return self._joined(self._flushed())

    def _checked_rate(self, rate: int | None) -> int:
        if self._rate is None:
            return checked_rate("input_rate", rate)
        if rate not in (None, self._rate):
            raise AudioError(f"the stream is of {self._rate} Hz, this is of {rate} Hz")
        return self._rate

    def _decoded(self, data: bytes, rate: int) -> Iterable[AudioFrame]:
        data = self._rest + data
        width = self._decoder.block_bytes
        n_whole = len(data) // width * width
        self._rest = data[n_whole:]
        if not n_whole:
            return ()
        if self._floats is not None:  # which are checked: NaN would go on for ever in nets' states
            rows = np.frombuffer(data[:n_whole], self._floats).reshape(-1, self._n_channels).T
            return frames_of(scaled(rows), rate)
        return self._decoder.decode(data[:n_whole], rate)

    def _framed(self, piece: Any, rate: int) -> Iterable[AudioFrame]:
        samples = as_array(piece)
        if samples is None:
            raise AudioError(
                "sound is pushed as bytes, a numpy array or a torch tensor, not "
                f"{type(piece).__name__}"
            )
        if not samples.size:
            return ()
        rows = self._rows(samples)
        return frames_of(scaled(rows), rate)

    def _rows(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The samples as [c, n]."""
        if samples.ndim == 1 and self._n_channels == 1:
            return samples[np.newaxis]
        if samples.ndim != 2 or samples.shape[1] != self._n_channels:
            wanted = "[n]" if self._n_channels == 1 else f"[n, {self._n_channels}]"
            raise AudioError(
                f"an array of shape {samples.shape} is not {wanted}, samples of {self._n_channels}"
                " channels (n_channels)"
            )
        rows: NDArray[Any] = samples.T
        return rows

    def _converted(self, frame: AudioFrame) -> list[list[NDArray[Any]]]:
        """The chunks of each output that a frame makes ready."""
        before: list[list[NDArray[Any]]] = [[] for _ in self._chosen]
        if frame.format.name != self._format:
            if self._resamplers:
                before = [each.flush() for each in self._resamplers]
            sample_fmt = "s16" if frame.format.bytes <= 2 else "flt"
            self._format = frame.format.name
            self._resamplers = [
                Resampler(frame, SAMPLE_RATE, sample_fmt, channel, queue_s=0.0)
                for channel in self._chosen
            ]
        ready = [each.push(frame) for each in self._resamplers]
        return [[*old, *new] for old, new in zip(before, ready, strict=True)]

    def _flushed(self) -> list[list[list[NDArray[Any]]]]:
        resamplers, self._resamplers, self._format = self._resamplers, [], ""
        return [[each.flush() for each in resamplers]] if resamplers else []

    def _joined(self, parts: Sequence[Sequence[Sequence[NDArray[Any]]]]) -> list[Waveform]:
        """The chunks of each output as one."""
        return [
            np.concatenate(
                [np.empty(0, np.float32), *(as_floats(c) for part in parts for c in part[output])]
            )
            for output in range(self.n_outputs)
        ]


class _PcmDecoder:
    """FFmpeg's decoder of one kind of PCM.

    Attributes:
        block_bytes: One sample of each channel.
    """

    def __init__(self, sample_format: str, n_channels: int) -> None:
        if sample_format not in SAMPLE_FORMATS:
            known = ", ".join(SAMPLE_FORMATS)
            raise AudioError(f"sample_format={sample_format!r} must be one of {known}")
        context: Any = av.CodecContext.create(f"pcm_{sample_format}", "r")
        context.layout = LAYOUTS[n_channels - 1]
        self._context: AudioCodecContext = context
        self.block_bytes = n_channels * SAMPLE_FORMATS[sample_format]

    def decode(self, data: bytes, rate: int) -> list[AudioFrame]:
        """The frame of whole samples."""
        if not self._context.sample_rate:
            self._context.sample_rate = rate
        return self._context.decode(av.Packet(data))
