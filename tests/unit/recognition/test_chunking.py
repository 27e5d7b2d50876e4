from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import Chunk, ChunkingOptions, ChunkPlan, plan_chunks
from gigaam.vad import Region
from tests.examples import examples

RATE = 16_000
NO_CONTEXT = ChunkingOptions(context_s=0.0)


def seconds(*bounds: tuple[float, float]) -> list[Region]:
    return [Region(round(start * RATE), round(end * RATE)) for start, end in bounds]


def cores(chunks: Sequence[Chunk]) -> list[tuple[float, float]]:
    return [(chunk.core_start / RATE, chunk.core_end / RATE) for chunk in chunks]


def windows(chunks: Sequence[Chunk]) -> list[tuple[float, float]]:
    return [(chunk.start / RATE, chunk.end / RATE) for chunk in chunks]


def merged(regions: Sequence[Region], n_samples: int) -> list[tuple[int, int]]:
    """The same speech, with regions that touch made one."""
    bounds: list[tuple[int, int]] = []
    for region in regions:
        start, end = region.start, min(region.end, n_samples)
        if bounds and start <= bounds[-1][1]:
            bounds[-1] = bounds[-1][0], max(end, bounds[-1][1])
        elif start < end:
            bounds.append((start, end))
    return bounds


def constant_level(decibels: float):
    return lambda start, end: np.full(max(1, -(-(end - start) // 1600)), decibels, np.float32)


def level_track(levels: Sequence[float]):
    """A recording whose loudness changes every ten seconds."""

    def measured(start: int, end: int) -> NDArray[np.float32]:
        frames = np.arange(start, max(end, start + 1), 1600)
        return np.array(levels, np.float32)[frames // (10 * RATE) % len(levels)]

    return measured


# Examples


def test_regions_are_packed_up_to_the_first_pause_after_the_minimum():
    regions = seconds((30, 38), (38.5, 44), (44.1, 45.5), (45.6, 47), (47.5, 55), (70, 71))
    chunks = plan_chunks(regions, 100 * RATE, NO_CONTEXT)
    assert cores(chunks) == [(30, 47), (47.5, 55), (70, 71)]
    assert windows(chunks) == cores(chunks)


def test_a_region_that_does_not_fit_opens_the_next_chunk():
    chunks = plan_chunks(seconds((0, 10), (10.5, 21), (21.2, 23)), 30 * RATE, NO_CONTEXT)
    assert cores(chunks) == [(0, 21), (21.2, 23)]
    chunks = plan_chunks(seconds((0, 10), (10.5, 24), (24.5, 26)), 30 * RATE, NO_CONTEXT)
    assert cores(chunks) == [(0, 10), (10.5, 26)]


def test_a_chunk_spans_no_long_gap():
    chunks = plan_chunks(seconds((0, 5), (14, 15), (26, 27)), 40 * RATE, NO_CONTEXT)
    assert cores(chunks) == [(0, 15), (26, 27)]


def test_context_is_the_pause_up_to_its_middle():
    regions = seconds((10, 26), (26.4, 43), (60, 61))
    chunks = plan_chunks(regions, round(61.1 * RATE))
    assert windows(chunks) == [(9.6, 26.2), (26.2, 43.4), (59.6, 61.1)]
    assert cores(chunks) == [(10, 26), (26.4, 43), (60, 61)]


def test_context_stays_within_the_limit():
    (chunk,) = plan_chunks(seconds((40, 69.9)), 100 * RATE)
    assert windows([chunk]) == [(39.9, 69.9)]
    assert cores([chunk]) == [(40, 69.9)]


def test_a_region_of_the_limit_is_one_chunk():
    assert cores(plan_chunks(seconds((5, 35)), 40 * RATE, NO_CONTEXT)) == [(5, 35)]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (32, [(0, 17), (15, 32)]),
        (46, [(0, 24), (22, 46)]),
        (47, [(0, 24), (22, 47)]),
        (52, [(0, 24), (22, 52)]),
        (60, [(0, 24), (22, 42), (40, 60)]),
    ],
)
def test_a_long_region_becomes_windows_none_of_them_short(length, expected):
    chunks = plan_chunks(seconds((0, length)), length * RATE)
    assert windows(chunks) == expected
    assert [chunk.overlaps_next for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert cores(chunks)[0][1] == expected[0][1] - 1  # the middle of the overlap


def test_a_recording_that_fits_in_a_chunk_is_taken_whole():
    (chunk,) = plan_chunks(seconds((3, 4), (9, 20)), 22 * RATE)
    assert chunk == Chunk(3 * RATE, 20 * RATE, 0, 22 * RATE)


def test_silence_is_no_chunk():
    for length in (0, 1, 160, RATE, 3600 * RATE):
        assert plan_chunks([], length, levels=constant_level(-90)) == []
        assert plan_chunks([], length) == []


def test_a_detector_that_finds_nothing_does_not_lose_a_loud_recording():
    (chunk,) = plan_chunks([], 4 * RATE, levels=constant_level(-30))
    assert chunk == Chunk(0, 4 * RATE, 0, 4 * RATE, uncertain=True)
    chunks = plan_chunks([], 60 * RATE, levels=constant_level(-30))
    assert windows(chunks) == [(0, 24), (22, 42), (40, 60)]
    assert all(chunk.uncertain for chunk in chunks)
    small = ChunkingOptions(max_duration_s=5)
    assert len(plan_chunks([], 7 * RATE, small, constant_level(-30))) == 1


def test_a_loud_gap_is_cut_into_windows_beside_the_context():
    regions = seconds((0, 20), (70, 80))
    chunks = plan_chunks(
        regions, 80 * RATE, levels=level_track([-20, -20, -39, -39, -39, -39, -39])
    )
    assert windows(chunks) == [(0, 20.4), (20.4, 44.4), (42.4, 69.6), (69.6, 80)]
    assert [chunk.uncertain for chunk in chunks] == [False, True, True, False]
    assert [chunk.overlaps_next for chunk in chunks] == [False, True, False, False]


def test_gaps_that_are_quiet_or_short_or_switched_off_are_left_out():
    regions = seconds((0, 20), (70, 80))
    speech = [(0, 20), (70, 80)]
    assert (
        cores(plan_chunks(regions, 80 * RATE, levels=level_track([-20, -20] + 5 * [-41]))) == speech
    )
    off = ChunkingOptions(decode_loud_gaps=False)
    assert cores(plan_chunks(regions, 80 * RATE, off, constant_level(-20))) == speech
    short = seconds((0, 20), (30, 40))
    assert cores(plan_chunks(short, 40 * RATE, levels=constant_level(-20))) == [(0, 20), (30, 40)]


def test_a_gap_leaves_their_context_to_regions_that_begin_where_it_was_looked_at():
    options = ChunkingOptions(strict_limit_duration_s=12.5, context_s=3.0, window_s=10.0)
    levels = level_track([-20])
    regions, n_samples = [Region(0, 1), Region(340_000, 340_001)], 400_000
    plan = ChunkPlan(options, levels)
    chunks = plan.push(regions[:1], decided=340_000)
    chunks += plan.finish(regions[1:], n_samples)
    assert chunks == plan_chunks(regions, n_samples, options, levels)


def test_only_the_loud_windows_of_a_gap_are_taken():
    levels = level_track([-20, -20, -60, -60, -60, -60, -60, -30, -60, -60, -60, -60, -60, -60])
    chunks = plan_chunks(seconds((0, 20)), 140 * RATE, levels=levels)
    loud = [chunk for chunk in chunks if chunk.uncertain]
    assert loud
    assert all(chunk.start < 80 * RATE and chunk.end > 70 * RATE for chunk in loud)


def test_published_keywords_may_contradict_the_other_defaults():
    short = ChunkingOptions(max_duration_s=5)  # the minimum of 15 s is out of force
    regions = seconds(*((n, n + 0.9) for n in range(40)))
    assert max(end - start for start, end in cores(plan_chunks(regions, 40 * RATE, short))) <= 5
    strict = ChunkingOptions(strict_limit_duration_s=3)
    chunks = plan_chunks(seconds((0, 60)), 60 * RATE, strict)
    assert max(end - start for start, end in windows(chunks)) <= 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_duration_s": 0.0},
        {"strict_limit_duration_s": 31.0},
        {"min_duration_s": -1.0},
        {"overlap_s": float("nan")},
        {"gap_level_db": float("inf")},
    ],
    ids=str,
)
def test_options_out_of_range(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        ChunkingOptions(**wrong)


# Properties, for whatever a detector may find


@st.composite
def recordings(draw) -> tuple[list[Region], int]:
    """Regions in order, touching now and then, some of them long, in a recording's length."""
    gap = st.one_of(st.just(0), st.integers(0, RATE), st.integers(0, 70 * RATE))
    speech = st.one_of(st.integers(1, 3 * RATE), st.integers(1, 130 * RATE))
    parts = draw(st.lists(st.tuples(gap, speech), max_size=12))
    if draw(st.booleans()):
        parts = parts * draw(st.integers(1, 4))
    position = 0
    regions = []
    for silence, length in parts:
        start = position + silence
        position = start + length
        regions.append(Region(start, position))
    return regions, position + draw(gap)


options_drawn = st.builds(
    ChunkingOptions,
    max_duration_s=st.sampled_from([22.0, 5.0, 30.0, 2.0]),
    strict_limit_duration_s=st.sampled_from([30.0, 24.0, 12.5, 5.0]),
    context_s=st.sampled_from([0.4, 0.0, 3.0]),
    window_s=st.sampled_from([24.0, 10.0]),
)
levels_drawn = st.none() | st.lists(st.sampled_from([-20, -35, -70]), min_size=1).map(level_track)


@settings(deadline=None, max_examples=examples(60))
@given(recordings(), options_drawn, levels_drawn)
@example(([], 0), ChunkingOptions(), None)
@example(([Region(0, 6000 * RATE)], 6000 * RATE), ChunkingOptions(), None)
@example(([Region(n * RATE, n * RATE + 1600) for n in range(5000)], 5000 * RATE), NO_CONTEXT, None)
def test_each_sample_of_speech_is_in_one_core(recording, options, levels):
    regions, n_samples = recording
    chunks = plan_chunks(regions, n_samples, options, levels)
    strict = round(options.strict_limit_duration_s * RATE)
    longest = min(strict, round(options.max_duration_s * RATE))
    for chunk in chunks:
        assert 0 <= chunk.start <= chunk.core_start < chunk.core_end <= chunk.end <= n_samples
        assert chunk.end - chunk.start <= strict
    for before, after in pairwise(chunks):
        assert before.core_end <= after.core_start
        assert before.overlaps_next == (after.start < before.end)
        assert before.start < after.start
        if before.overlaps_next:
            assert before.core_end == after.core_start
    assert not (chunks and chunks[-1].overlaps_next)

    starts = np.array([chunk.core_start for chunk in chunks], np.int64)
    ends = np.array([chunk.core_end for chunk in chunks], np.int64)
    speech = merged(regions, n_samples)
    for start, end in speech:
        inside = (starts < end) & (ends > start)
        covered = np.minimum(ends, end)[inside] - np.maximum(starts, start)[inside]
        assert covered.sum() == end - start
    for chunk in chunks:
        apart = [(s, e) for s, e in speech if s < chunk.core_end and e > chunk.core_start]
        assert chunk.uncertain == (not apart)
        if len(apart) > 1 and n_samples > longest:
            assert chunk.core_end - chunk.core_start <= longest


@settings(deadline=None, max_examples=examples(60))
@given(recordings(), options_drawn, levels_drawn, st.integers(0, 1000))
def test_the_plan_is_the_same_however_regions_arrive(recording, options, levels, seed):
    random = Random(seed)
    regions, n_samples = recording
    whole = plan_chunks(regions, n_samples, options, levels)

    def measured(start, end):
        assert needed <= start
        assert end <= max(plan_decided, start + 1)
        return levels(start, end)

    plan = ChunkPlan(options, measured if levels else None)
    plan_decided = needed = 0
    chunks: list[Chunk] = []
    remaining = []
    for region in regions:  # some arrive in parts
        cuts = sorted(random.randint(region.start, region.end) for _ in range(random.randint(0, 3)))
        bounds = [region.start, *cuts, region.end]
        remaining += [Region(start, end) for start, end in pairwise(bounds) if start < end]
    for _ in range(random.randint(0, len(remaining))):
        count = random.randint(0, 3)
        arrived, remaining = remaining[:count], remaining[count:]
        latest = remaining[0].start if remaining else n_samples
        earliest = max([plan_decided, *(region.end for region in arrived)])
        plan_decided = random.randint(earliest, max(earliest, latest))
        needed = plan.needed_from
        planned = plan.push(arrived, plan_decided)
        assert all(chunk.start >= needed for chunk in planned)
        assert plan.needed_from >= needed
        chunks += planned
    needed = plan.needed_from
    plan_decided = n_samples
    planned = plan.finish(remaining, n_samples)
    assert all(chunk.start >= needed for chunk in planned)
    assert chunks + planned == whole


@settings(deadline=None, max_examples=examples(25))
@given(recordings(), options_drawn, levels_drawn)
def test_a_bounded_stretch_is_needed_at_a_time(recording, options, levels):
    regions, n_samples = recording
    plan = ChunkPlan(options, levels)
    position = 0
    while position < n_samples:
        position = min(position + 10 * RATE, n_samples)
        parts = [
            Region(max(region.start, position - 10 * RATE), min(region.end, position))
            for region in regions
            if region.start < position and region.end > position - 10 * RATE
        ]
        plan.push(parts, position)
        assert position - plan.needed_from <= 130 * RATE
