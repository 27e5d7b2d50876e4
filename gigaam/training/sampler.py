"""Which utterances make a batch: those of similar length, up to so many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ArgumentError

__all__ = ["BucketSampler"]


_BATCHES_PER_BUCKET = 4  # fewer, and the last batch of each, seldom full, would be every second


@dataclass(frozen=True)
class BucketSampler:
    """Batches of utterances of similar length, in random order, the same for everyone who asks.

    Utterances are sorted by length into buckets, of which each has a batch size that keeps its
    batches within `batch_s`. Who shares a batch changes from epoch to epoch, the number of batches
    does not. Everything random is a function of (seed, epoch).

    Attributes:
        durations_s: Of every utterance, in seconds.
        batch_s: Seconds of a batch, padding included; one longer utterance makes its own.
        buckets: How many there are at most.
        seed: Of the run.
        rank: Which of the processes that train together asks, from 0.
        world_size: How many they are. Each gets as many batches as the others, none the same; to
            make them equal some batches of an epoch come twice.
    """

    durations_s: Sequence[float]
    batch_s: float
    buckets: int = 20
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not self.durations_s:
            raise ArgumentError("there are no utterances to make batches of")
        for name in ("batch_s", "buckets", "world_size"):
            if not getattr(self, name) > 0:
                raise ArgumentError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.rank < self.world_size:
            raise ArgumentError(f"rank {self.rank} is none of {self.world_size} processes")

    def __len__(self) -> int:
        """Batches per epoch and process."""
        total = sum(-(-len(bucket) // self._batch_size(bucket)) for bucket in self._buckets())
        return -(-total // self.world_size)

    def epoch(self, number: int) -> list[list[int]]:
        """The batches of an epoch, counted from 0, for this process: lists of indices."""
        rng = np.random.default_rng([self.seed, number])
        batches: list[list[int]] = []
        for bucket in self._buckets():
            mixed = [int(bucket[i]) for i in rng.permutation(len(bucket))]
            size = self._batch_size(bucket)
            batches += [mixed[first : first + size] for first in range(0, len(mixed), size)]
        order = rng.permutation(len(batches))
        wanted = len(self) * self.world_size
        return [batches[i] for i in np.resize(order, wanted)[self.rank :: self.world_size]]

    def _buckets(self) -> list[NDArray[np.int64]]:
        """Indices by length, in groups that differ by one in size at most."""
        durations_s = np.asarray(self.durations_s)
        sensible = max(1, int(durations_s.sum() / self.batch_s / _BATCHES_PER_BUCKET))
        order = np.argsort(durations_s, kind="stable")
        n_buckets = min(self.buckets, sensible, len(order))
        return np.array_split(order, n_buckets)

    def _batch_size(self, bucket: NDArray[np.int64]) -> int:
        longest_s = self.durations_s[bucket[-1]]
        return max(1, int(self.batch_s / longest_s)) if longest_s > 0 else len(bucket)
