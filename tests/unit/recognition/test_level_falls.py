"""Chunks parted where the level of speech changes sharply."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.recognition.chunking import Chunk
from gigaam.recognition.level_falls import parted
from tests.examples import examples

FRAME = 1600


def speech(frames: int, level: float, seed: int = 0) -> np.ndarray:
    """Levels of syllables and pauses, dBFS."""
    return level - 25 * np.random.default_rng(seed).random(frames) ** 2


def of(levels: np.ndarray):
    return lambda start, end: levels[start // FRAME : -(-end // FRAME)].astype(np.float32)


def whole(levels: np.ndarray, **fields: bool) -> Chunk:
    n = len(levels) * FRAME
    return Chunk(0, n, 0, n, **fields)


def test_a_sharp_fall_parts_a_chunk_near_it():
    for first, second in ((-20, -45), (-45, -20)):
        levels = np.concatenate([speech(100, first), speech(120, second, 1)])
        left, right = parted(whole(levels, overlaps_next=True), of(levels))
        assert left.end == left.core_end == right.start == right.core_start
        assert abs(left.end - 100 * FRAME) <= 6 * FRAME
        assert (left.overlaps_next, right.overlaps_next) == (False, True)


def test_what_is_no_sharp_fall_of_speech_parts_nothing():
    steady = -60 + np.random.default_rng(0).random(80)
    for levels in (
        np.concatenate([speech(100, -20), speech(100, -30, 1)]),
        np.concatenate([speech(100, -20), steady]),
        np.concatenate([speech(60, -20), steady, speech(60, -22, 1)]),
        np.concatenate([speech(100, -20), np.full(60, -120.0)]),
        speech(200, -20),
        np.full(100, -120.0),
        speech(5, -20),
    ):
        assert parted(whole(levels), of(levels)) == [whole(levels)]


def test_a_loud_gap_stays_whole():
    levels = np.concatenate([speech(100, -20), speech(120, -45, 1)])
    assert len(parted(whole(levels, uncertain=True), of(levels))) == 1


@settings(max_examples=examples(100))
@given(
    st.lists(st.tuples(st.integers(1, 80), st.integers(-90, 0)), min_size=1, max_size=6),
    st.integers(0, 50),
)
def test_parts_hold_the_chunk_once(stretches, seed):
    levels = np.concatenate([speech(n, level, seed + i) for i, (n, level) in enumerate(stretches)])
    chunk = whole(levels, overlaps_next=True)
    parts = parted(chunk, of(levels))
    assert (parts[0].start, parts[-1].end, parts[-1].overlaps_next) == (0, chunk.end, True)
    for one, other in pairwise(parts):
        assert one.end == one.core_end == other.start == other.core_start
        assert not one.overlaps_next
    assert all(part.start < part.end for part in parts)
