"""A recording, opened once: its channels, its length, and its samples in blocks.

Everything goes one way: source → frames → one swresample conversion → blocks of samples.

Legend: n samples, c channels. Samples are float32 of full scale ±1, rates are in Hz.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from gigaam.audio.arrays import (
    Array,
    Samples,
    array_chunks,
    as_array,
    channels_first,
    checked_rate,
    without_rate,
)
from gigaam.audio.containers import Track
from gigaam.errors import AudioError

__all__ = ["SAMPLE_RATE", "AudioSource", "Recording", "Waveform", "as_floats"]

SAMPLE_RATE = 16_000
BLOCK_S = 30.0

AudioSource: TypeAlias = Union[
    str, "os.PathLike[str]", bytes, BinaryIO, Array, tuple[Array, int], tuple[int, Array]
]
Waveform: TypeAlias = NDArray[np.float32]

_INT16_SCALE = np.float32(1 / 32768)


class Recording:
    """What a source holds, found out and read without opening it twice.

    The samples of a file can be taken once, in one of the three ways.
    """

    def __init__(
        self,
        source: AudioSource,
        *,
        input_rate: int | None = None,
        track: int | None = None,
        live: bool = False,
    ) -> None:
        """Open a source.

        Args:
            source: As in `gigaam.audio.read_audio`.
            input_rate: The rate of an array.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
            live: Whether a stream is to be decoded while it arrives: its header is believed, where
                its first seconds might tell more.

        Raises:
            AudioFileNotFoundError: No such file (or a URL, which is never fetched).
            AudioDecodingError: FFmpeg finds no audio in the source.
            AudioError: No samples, no such track, or what cannot be sound as it is.
        """
        plain, self._input_rate = without_rate(source, input_rate)
        array = as_array(plain, track)
        self._samples = None if array is None else channels_first(array)
        self._track = Track(plain, track, live=live) if array is None else None

    @property
    def n_channels(self) -> int:
        """Channels, as a file's header states them; an `AudioError` if it does not."""
        if self._track is not None:
            return self._track.n_channels
        assert self._samples is not None
        count: int = self._samples.shape[0]
        return count

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, as a file's header states it; None if it does not."""
        if self._track is not None:
            return self._track.stated_s
        assert self._samples is not None
        length: int = self._samples.shape[1]
        return length / checked_rate("input_rate", self._input_rate)

    def close(self) -> None:
        """Let go of the file; whoever takes all of its blocks need not."""
        if self._track is not None:
            self._track.close()

    def blocks(
        self, block_s: float = BLOCK_S, *, sample_rate: int = SAMPLE_RATE
    ) -> Iterator[Waveform]:
        """All channels, mixed.

        Args:
            block_s: Seconds in every block but the last, which may be shorter. Not much more of a
                file is decoded for a block than what is in it.
            sample_rate: The rate wanted.

        Returns:
            An iterator of float32 ``[n]``. Arguments are checked before the first block is asked
            for; an error in the middle of a file comes in its place.
        """
        size, sample_rate = _checked_size(block_s, sample_rate)
        chunks: Iterator[Samples]
        if self._track is not None:
            chunks = self._track.chunks(sample_rate, None, block_s)
        else:
            assert self._samples is not None
            chunks = array_chunks(self._samples, self._input_rate, sample_rate)
        return _only_row(_blocks(_as_rows(chunks), size, 1))

    def blocks_of_channel(
        self, channel: int, block_s: float = BLOCK_S, *, sample_rate: int = SAMPLE_RATE
    ) -> Iterator[Waveform]:
        """One channel, from 0; as `blocks` in all else."""
        size, sample_rate = _checked_size(block_s, sample_rate)
        if not 0 <= channel < self.n_channels:
            raise AudioError(
                f"channel={channel}, but the recording has {self.n_channels}, counted from 0"
            )
        chunks: Iterator[Samples]
        if self._track is not None:
            chunks = self._track.chunks(sample_rate, channel, block_s)
        else:
            assert self._samples is not None
            row = self._samples[channel : channel + 1]
            chunks = array_chunks(row, self._input_rate, sample_rate)
        return _only_row(_blocks(_as_rows(chunks), size, 1))

    def blocks_apart(
        self, block_s: float = BLOCK_S, *, sample_rate: int = SAMPLE_RATE
    ) -> Iterator[list[Waveform]]:
        """All channels, each by itself, decoded together.

        Args:
            block_s: As for `blocks`.
            sample_rate: The rate wanted.

        Returns:
            An iterator of lists of one float32 ``[n]`` per channel, all of one length; see
            `blocks`.
        """
        size, sample_rate = _checked_size(block_s, sample_rate)
        n_channels = self.n_channels
        if self._track is not None:
            apart = self._track.chunks_apart(sample_rate, n_channels, block_s)
            return _blocks(apart, size, n_channels)
        assert self._samples is not None
        each = [
            array_chunks(self._samples[c : c + 1], self._input_rate, sample_rate)
            for c in range(n_channels)
        ]
        return _blocks(zip(*each, strict=True), size, n_channels)


def as_floats(chunk: NDArray[Any]) -> Waveform:
    """Samples [n], int16 or float32, as float32 of full scale ±1."""
    scale = _INT16_SCALE if chunk.dtype == np.int16 else np.float32(1)
    floats: Waveform = chunk.astype(np.float32, copy=False) * scale
    return floats


def _checked_size(block_s: float, sample_rate: int) -> tuple[int, int]:
    """Samples of a block, and their rate."""
    rate = checked_rate("sample_rate", sample_rate)
    if not (math.isfinite(block_s) and block_s * rate >= 1):
        raise AudioError(f"block_s={block_s!r} must be a length in seconds, above 0")
    return round(block_s * rate), rate


def _as_rows(chunks: Iterable[Samples]) -> Iterator[tuple[Samples]]:
    return zip(chunks, strict=True)


def _only_row(blocks: Iterator[list[Waveform]]) -> Iterator[Waveform]:
    for (block,) in blocks:
        yield block


def _blocks(
    chunks: Iterable[Sequence[Any]], size: int, n_channels: int
) -> Iterator[list[Waveform]]:
    """Cut chunks of any length into float32 blocks of ``size`` samples and one shorter rest.

    Args:
        chunks: Of each channel one, ``[n]``, all of one length.
        size: Samples of a block.
        n_channels: The number of channels.
    """

    def new() -> list[Waveform]:
        return [np.empty(size, np.float32) for _ in range(n_channels)]

    blocks = new()
    filled = 0
    found = False
    for rows in chunks:
        scale = _INT16_SCALE if rows[0].dtype == np.int16 else np.float32(1)
        start, length = 0, rows[0].size
        if filled + length < size:  # as most do
            for block, row in zip(blocks, rows, strict=True):
                np.multiply(row, scale, out=block[filled : filled + length])
            filled += length
            continue
        while start < length:
            end = min(length, start + size - filled)
            for block, row in zip(blocks, rows, strict=True):
                np.multiply(row[start:end], scale, out=block[filled : filled + end - start])
            filled += end - start
            start = end
            if filled == size:
                yield blocks
                found = True
                blocks, filled = new(), 0
    if filled:
        yield [block[:filled].copy() for block in blocks]
    elif not found:
        raise AudioError("the recording holds no samples")
