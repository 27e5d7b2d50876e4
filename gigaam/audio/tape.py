"""The stretch of a long recording that is still needed, and how loud it is.

Positions are samples at 16 kHz from the start of the recording.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gigaam.audio.recording import SAMPLE_RATE

Levels = Callable[[int, int], NDArray[np.float32]]
"""Levels of a stretch ``(start, end)``: RMS of its frames of 100 ms, dBFS, float32 [frames]."""

QUIETEST_DB = -120.0
FRAME_SAMPLES = SAMPLE_RATE // 10


class Tape:
    """Samples by their position in the recording; the oldest are forgotten when told."""

    def __init__(self) -> None:
        self._blocks: deque[NDArray[np.float32]] = deque()
        self.start = 0
        self.end = 0

    def append(self, block: NDArray[np.float32]) -> None:
        """Add the next samples, float32 [n]."""
        self._blocks.append(block)
        self.end += len(block)

    def forget(self, before: int) -> None:
        """Let go of blocks that lie wholly before this sample."""
        while self._blocks and self.start + len(self._blocks[0]) <= before:
            self.start += len(self._blocks.popleft())

    def cut(self, start: int, end: int) -> NDArray[np.float32]:
        """A copy of the samples from ``start`` to ``end``, float32 [end - start]."""
        if not self.start <= start <= end <= self.end:
            raise IndexError(f"samples {start} to {end} are not among {self.start} to {self.end}")
        out = np.empty(end - start, np.float32)
        position = self.start
        for block in self._blocks:
            first, last = max(start, position), min(end, position + len(block))
            if first < last:
                out[first - start : last - start] = block[first - position : last - position]
            position += len(block)
            if position >= end:
                break
        return out

    def levels(self, start: int, end: int) -> NDArray[np.float32]:
        """Level of each frame of 100 ms, dBFS, float32 [frames]; the last may be shorter."""
        samples = self.cut(start, min(end, self.end))
        bounds = np.arange(0, len(samples), FRAME_SAMPLES)
        if not len(bounds):
            return np.empty(0, np.float32)
        energy = np.add.reduceat(np.square(samples), bounds)
        lengths = np.diff(np.append(bounds, len(samples)))
        floor = np.float32(10 ** (QUIETEST_DB / 10))
        decibels: NDArray[np.float32] = 10 * np.log10(np.maximum(energy / lengths, floor))
        return decibels.astype(np.float32)


class Loudness:
    """Tells loud stretches by the level of the speech heard before, of any length of it."""

    def __init__(self, levels: Levels, below_speech_db: float, floor_dbfs: float) -> None:
        """A judge for one recording.

        Args:
            levels: Tells how loud the recording is.
            below_speech_db: A stretch is loud if the 90th percentile of its level is at most this
                far below the median level of speech …
            floor_dbfs: … or, where no speech was heard, at least this.
        """
        self._levels = levels
        self._below_speech_db = below_speech_db
        self._floor_dbfs = floor_dbfs
        self._speech = np.zeros(round(-QUIETEST_DB) + 1, np.int64)  # frames, by -dBFS

    def hear_speech(self, start: int, end: int) -> None:
        """Take note of a stretch of speech."""
        below = np.clip(np.round(-self._levels(start, end)), 0, -QUIETEST_DB).astype(np.int64)
        self._speech += np.bincount(below, minlength=len(self._speech))

    def is_loud(self, start: int, end: int) -> bool:
        """Whether this stretch may hold speech."""
        level = float(np.percentile(self._levels(start, end), 90))
        frames = int(self._speech.sum())
        if not frames:
            return level >= self._floor_dbfs
        median = -int(np.searchsorted(np.cumsum(self._speech), frames / 2))
        return level >= median - self._below_speech_db
