"""Chunks parted where the level of the speech falls or rises sharply.

The nets hear speech by what is loud beside it: a sentence 20 dB quieter than another in the same
pass is lost; alone, it is recognised as well as the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gigaam.audio.tape import FRAME_SAMPLES, Levels
from gigaam.recognition.chunking import Chunk

__all__ = ["parted"]

_STEP_DB = 15.0  # 10 dB do no harm, 20 dB do
_SHORTEST_FRAMES = 10
_NEAR_FRAMES = 5  # the cut is at the quietest moment that near to the step
_RANGE_DB = 50.0  # what lies lower is silence, however low
_QUIETEST_DBFS = -65.0
_LIVELY_DB = 8.0  # between the 20th and 90th percentile; a room's noise has 3, speech 15 and more


def parted(chunk: Chunk, levels: Levels) -> list[Chunk]:
    """The chunk, or what it is made of if its speech has two very different levels.

    Args:
        chunk: What would be recognised in one pass.
        levels: Tells how loud the recording is.
    """
    if chunk.uncertain:
        return [chunk]
    cut = _step(levels(chunk.start, chunk.end))
    if cut is None:
        return [chunk]
    position = chunk.start + cut * FRAME_SAMPLES + FRAME_SAMPLES // 2
    if not chunk.core_start < position < chunk.core_end:
        return [chunk]
    left = replace(chunk, core_end=position, end=position, overlaps_next=False)
    right = replace(chunk, core_start=position, start=position)
    return [*parted(left, levels), *parted(right, levels)]


def _step(levels: NDArray[np.float32]) -> int | None:
    """The frame at which the level of speech changes most, if sharply and for a while."""
    n = len(levels)
    if n < 2 * _SHORTEST_FRAMES:
        return None
    heard = np.maximum(levels, levels.max() - _RANGE_DB).astype(np.float64)
    before = np.arange(1, n)
    means = np.cumsum(heard)[:-1] / before, (heard.sum() - np.cumsum(heard)[:-1]) / (n - before)
    scores = before * (n - before) * np.square(means[0] - means[1])
    inner = slice(_SHORTEST_FRAMES - 1, n - _SHORTEST_FRAMES)
    step = int(np.argmax(scores[inner])) + _SHORTEST_FRAMES
    sides = levels[:step], levels[step:]
    loud = [float(np.percentile(side, 90)) for side in sides]
    if abs(loud[0] - loud[1]) < _STEP_DB or not all(map(_is_speech, sides)):
        return None
    first = max(step - _NEAR_FRAMES, 0)
    return first + int(np.argmin(levels[first : step + _NEAR_FRAMES]))


def _is_speech(levels: NDArray[np.float32]) -> bool:
    """Whether a stretch may be speech, and is no pause: neither all but silent, nor steady."""
    low, high = np.percentile(levels, [20, 90])
    return bool(high > _QUIETEST_DBFS and high - low >= _LIVELY_DB)
