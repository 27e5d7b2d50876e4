"""Batches of similar length: everyone once, within the limit, shared fairly, the same again."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.errors import ArgumentError
from gigaam.training.sampler import BucketSampler
from tests.examples import examples

durations = st.lists(st.floats(0.1, 30), min_size=1, max_size=200)


def all_batches(sampler_of_rank, world_size: int, epoch: int) -> list[list[int]]:
    return [batch for rank in range(world_size) for batch in sampler_of_rank(rank).epoch(epoch)]


@settings(max_examples=examples(60), deadline=None)
@given(durations, st.floats(5, 300), st.integers(1, 30), st.integers(0, 5))
def test_every_utterance_comes_once_within_the_limit(durations_s, batch_s, buckets, epoch):
    sampler = BucketSampler(durations_s, batch_s, buckets)
    batches = sampler.epoch(epoch)
    assert len(batches) == len(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(durations_s)))
    for batch in batches:
        longest_s = max(durations_s[i] for i in batch)
        assert len(batch) == 1 or longest_s * len(batch) <= batch_s


@settings(max_examples=examples(60), deadline=None)
@given(durations, st.integers(1, 5), st.integers(0, 5))
def test_processes_share_an_epoch(durations_s, world_size, epoch):
    """As many batches for each, all utterances, and no more repeats than make them equal."""

    def of_rank(rank: int) -> BucketSampler:
        return BucketSampler(durations_s, 40, seed=3, rank=rank, world_size=world_size)

    lengths = {len(of_rank(rank).epoch(epoch)) for rank in range(world_size)}
    assert lengths == {len(of_rank(0))}
    counted = Counter(map(tuple, all_batches(of_rank, world_size, epoch)))
    alone = BucketSampler(durations_s, 40, seed=3).epoch(epoch)
    assert set(counted) == set(map(tuple, alone))
    assert sum(counted.values()) - len(counted) < world_size
    assert max(counted.values()) - min(counted.values()) <= max(1, world_size // len(alone))


def test_batches_depend_on_seed_and_epoch_alone():
    durations_s = [1 + i % 17 for i in range(100)]
    sampler = BucketSampler(durations_s, 60, seed=1)
    assert sampler.epoch(2) == BucketSampler(durations_s, 60, seed=1).epoch(2)
    assert sampler.epoch(2) != sampler.epoch(3)
    assert sampler.epoch(2) != BucketSampler(durations_s, 60, seed=2).epoch(2)


def test_batches_are_of_similar_length():
    durations_s = [1 + i % 20 for i in range(1000)]
    for batch in BucketSampler(durations_s, 100).epoch(0):
        lengths = [durations_s[i] for i in batch]
        assert max(lengths) - min(lengths) <= 2


def test_small_sets_still_make_full_batches():
    batches = BucketSampler([1.0] * 24, 6).epoch(0)
    assert [len(batch) for batch in batches] == [6] * 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"durations_s": []},
        {"batch_s": 0},
        {"buckets": 0},
        {"world_size": 0},
        {"rank": 2, "world_size": 2},
    ],
)
def test_wrong_arguments(wrong):
    with pytest.raises(ArgumentError):
        BucketSampler(**({"durations_s": [1.0], "batch_s": 10} | wrong))
