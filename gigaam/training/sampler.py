"""Which utterances share a batch: those of similar length, up to so many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ArgumentError

__all__ = ["BucketSampler"]


_BATCHES_PER_BUCKET = 4  # fewer, and too many batches would be the last of a bucket, seldom full


@dataclass(frozen=True)
class BucketSampler:
    """Batches of utterances of similar length, in a random order that every process agrees on.

    Utterances are sorted by length into buckets, each with a batch size that keeps its batches
    within `batch_s`. Which utterances share a batch changes from epoch to epoch; the number of
    batches does not. Everything random is a function of (seed, epoch).

    Attributes:
        durations_s: Duration of every utterance, in seconds.
        batch_s: Seconds per batch, padding included; a longer utterance gets a batch of its own.
        buckets: Largest number of buckets.
        seed: The run's seed.
        rank: Number of this process among those that train together, from 0.
        world_size: Number of processes. All get the same number of different batches; to make the
            numbers equal, some batches of an epoch are repeated.
    """

    durations_s: Sequence[float]
    batch_s: float
    buckets: int = 20
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not self.durations_s:
            raise ArgumentError("there are no utterances to make batches from")
        for name in ("batch_s", "buckets", "world_size"):
            if not getattr(self, name) > 0:
                raise ArgumentError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.rank < self.world_size:
            raise ArgumentError(f"rank must be from 0 to {self.world_size - 1}, not {self.rank}")

    def __len__(self) -> int:
        """Batches per epoch and process."""
        total = sum(-(-len(bucket) // self._batch_size(bucket)) for bucket in self._buckets())
        return -(-total // self.world_size)

    def epoch(self, number: int) -> list[list[int]]:
        """This process's batches of an epoch, counted from 0, as lists of indices."""
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
        """Indices sorted by length, in groups whose sizes differ by at most one."""
        durations_s = np.asarray(self.durations_s)
        sensible = max(1, int(durations_s.sum() / self.batch_s / _BATCHES_PER_BUCKET))
        order = np.argsort(durations_s, kind="stable")
        n_buckets = min(self.buckets, sensible, len(order))
        return np.array_split(order, n_buckets)

    def _batch_size(self, bucket: NDArray[np.int64]) -> int:
        longest_s = self.durations_s[bucket[-1]]
        return max(1, int(self.batch_s / longest_s)) if longest_s > 0 else len(bucket)
