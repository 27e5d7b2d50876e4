"""Streams of live sound: raw PCM, and containers, decoded while they arrive.

A source is opened and read in the thread of a `gigaam.live.reader.Reader`: both may have to wait.
"""

from __future__ import annotations

import warnings
import wave
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from gigaam.audio.headers import is_open_ended
from gigaam.audio.pushed import SAMPLE_FORMATS
from gigaam.audio.recording import SAMPLE_RATE, Recording
from gigaam.audio.resampling import LAYOUTS
from gigaam.audio.sources import is_seekable
from gigaam.errors import AudioDecodingError, AudioError, AudioWarning

__all__ = ["PIECE_S", "Container", "LiveSource", "Pieces", "RawSound", "SoundFormat"]

PIECE_S = 0.1
"""The length of a piece, in seconds; those of raw sound may be shorter."""

# By their bytes. Of wider ones files are rounded to 16 bits, pushed PCM is not.
_WAV_SAMPLES = {1: "u8", 2: "s16le"}


@dataclass(frozen=True)
class SoundFormat:
    """What the bytes of a stream are.

    Attributes:
        rate: Samples per second.
        sample_format: One of `gigaam.audio.pushed.SAMPLE_FORMATS`.
        n_channels: Interleaved.
    """

    rate: int = SAMPLE_RATE
    sample_format: str = "s16le"
    n_channels: int = 1

    @property
    def bytes_per_s(self) -> int:
        """How many bytes a second has."""
        return self.rate * self.n_channels * SAMPLE_FORMATS[self.sample_format]

    @property
    def piece_bytes(self) -> int:
        """How many bytes a piece has, at most."""
        return max(1, round(self.bytes_per_s * PIECE_S))


Pieces: TypeAlias = Generator[bytes, None, None]


class LiveSource(Protocol):
    """What live sound is read from."""

    def open(self) -> tuple[SoundFormat, Pieces]:
        """What the sound is, and its pieces as they come.

        Raises:
            AudioError: There is no sound; or, from the pieces, no more of it can be read.
        """
        ...


@dataclass(frozen=True)
class RawSound:
    """Raw PCM from a binary file object.

    Attributes:
        file: Gives what there is when it is read, which may be less than was asked for.
        sound: What it gives.
    """

    file: Any
    sound: SoundFormat

    def open(self) -> tuple[SoundFormat, Pieces]:
        """The format and the pieces."""
        return self.sound, self._pieces()

    def _pieces(self) -> Pieces:
        is_empty = True
        while data := self.file.read(self.sound.piece_bytes):
            is_empty = False
            yield data
        if is_empty:
            raise AudioError("the stream holds no samples: it is at its end")


@dataclass(frozen=True)
class Container:
    """Any file or stream that FFmpeg decodes, from a binary file object.

    Attributes:
        file: As for `RawSound`. One that can go back is read as a file.
        apart: Whether its channels are given, not their mix.
        track: Which audio track, from 0; by default the one that ``ffmpeg`` takes.
    """

    file: Any
    apart: bool = False
    track: int | None = None

    def open(self) -> tuple[SoundFormat, Pieces]:
        """The format and the pieces."""
        if is_seekable(self.file):
            return self._decoded(self.file)
        stream = _Beginning(self.file)
        if not self.track and (wav := _wav(stream)) is not None:
            return wav
        stream.rewind()
        is_mp4 = stream.read(8)[4:] == b"ftyp"
        stream.rewind()
        stream.keeps = False
        try:
            sound, pieces = self._decoded(stream)
        except AudioDecodingError as error:
            raise (_without_index(error) if is_mp4 else error) from error
        return sound, _of_mp4(pieces) if is_mp4 else pieces

    def _decoded(self, file: Any) -> tuple[SoundFormat, Pieces]:
        recording = Recording(file, track=self.track, live=True)
        n_channels = recording.n_channels if self.apart else 1
        return SoundFormat(SAMPLE_RATE, "f32le", n_channels), self._pieces(recording)

    def _pieces(self, recording: Recording) -> Pieces:
        if self.apart:
            for blocks in recording.blocks_apart(PIECE_S):
                yield np.stack(blocks, axis=1).astype("<f4").tobytes()
        else:
            for block in recording.blocks(PIECE_S):
                yield block.astype("<f4").tobytes()


class _Beginning:
    """A stream, the beginning of which may be read several times.

    Attributes:
        name: How messages call it.
        keeps: Whether what is read now can be read again. Reading then waits for all that is
            asked for.
    """

    def __init__(self, file: Any) -> None:
        self.name = getattr(file, "name", "")
        self.keeps = True
        self._file = file
        self._kept = b""
        self._position = 0

    @property
    def head(self) -> bytes:
        """What was kept."""
        return self._kept

    def read(self, size: int) -> bytes:
        """At most as many bytes, none at the end."""
        end = self._position + size
        while self.keeps and len(self._kept) < end:
            more = self._file.read(end - len(self._kept))
            if not more:
                break
            self._kept += more
        data = self._kept[self._position : end]
        self._position += len(data)
        return data or self._file.read(size)

    def rewind(self) -> None:
        """Go back to the start."""
        self._position = 0


def _wav(stream: _Beginning) -> tuple[SoundFormat, Pieces] | None:
    """The samples of a WAV of 8 or 16 bits; None where it is anything else.

    FFmpeg looks at 64 KiB of one before it gives a sample: two seconds at 16 kHz.
    """
    try:
        with wave.open(stream, "rb") as header:  # type: ignore[call-overload]  # it only reads
            stated = header.getparams()
    except (wave.Error, EOFError):
        return None
    if stated.sampwidth not in _WAV_SAMPLES or stated.nchannels > len(LAYOUTS):
        return None
    stream.keeps = False
    sound = SoundFormat(stated.framerate, _WAV_SAMPLES[stated.sampwidth], stated.nchannels)
    if is_open_ended(stream.head):
        return RawSound(stream, sound).open()
    return sound, _counted(stream, sound, stated.nframes * stated.nchannels * stated.sampwidth)


def _counted(stream: _Beginning, sound: SoundFormat, n_left: int) -> Pieces:
    """The bytes that a header counts; other data may follow them."""
    while n_left and (data := stream.read(min(n_left, sound.piece_bytes))):
        n_left -= len(data)
        yield data
    if n_left:
        missing_s = n_left / sound.bytes_per_s
        warnings.warn(
            f"the recording is cut short: {missing_s:.2f} s are missing", AudioWarning, stacklevel=2
        )


def _of_mp4(pieces: Pieces) -> Pieces:
    try:
        yield from pieces
    except AudioDecodingError as error:
        raise _without_index(error) from error


def _without_index(error: AudioDecodingError) -> AudioDecodingError:
    return AudioDecodingError(
        f"{error} (the index of an MP4 may stand at its end: such a file cannot be read while it "
        "arrives)"
    )
