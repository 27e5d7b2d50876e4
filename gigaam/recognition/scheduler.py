"""Which recordings go through the encoder together, and when: the decision alone.

There are no threads here, no clock and no nets: `gigaam.recognition.batcher` has those.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, TypeVar

from gigaam.audio import SAMPLE_RATE
from gigaam.errors import ArgumentError

__all__ = ["WINDOW_BATCHES", "Item", "Limits", "Priority", "Scheduler"]

# Recordings are sorted by length within windows of this many batches: enough that the batches of a
# shuffled folder are nearly even, few enough (16 MB per recording of 30 s and batch_size of 8) that
# memory does not grow with the folder.
WINDOW_BATCHES = 8

# After that many batches without one of its own a caller has the next higher priority, and so on:
# nobody waits for ever.
_PATIENCE_BATCHES = 8

_LEAST_FILL = 0.5  # of the longest in a batch; a shorter one of another caller is mostly padding

PayloadT = TypeVar("PayloadT")


class Priority(IntEnum):
    """Whose recordings go first."""

    LIVE = 0
    INTERACTIVE = 1
    BULK = 2


@dataclass(frozen=True)
class Limits:
    """How much goes through the encoder together; one recording always does.

    Attributes:
        max_count: Recordings.
        max_padded_s: Their number times the longest of them, in seconds: what the encoder computes.
    """

    max_count: int | None = None
    max_padded_s: float | None = None

    def __post_init__(self) -> None:
        if self.max_count is not None and self.max_count < 1:
            raise ArgumentError(f"max_count must be at least 1, not {self.max_count}")
        if self.max_padded_s is not None and not self.max_padded_s > 0:
            raise ArgumentError(f"max_padded_s must be seconds, above 0, not {self.max_padded_s}")

    def room(self, longest_samples: int) -> int:
        """How many recordings fit if the longest has so many samples."""
        count = math.inf if self.max_count is None else self.max_count
        if self.max_padded_s is not None:
            count = min(count, self.max_padded_s * SAMPLE_RATE // max(longest_samples, 1))
        return max(1, int(min(count, 1 << 31)))


@dataclass(eq=False)
class Item(Generic[PayloadT]):
    """A recording that waits.

    Attributes:
        payload: What it is to the caller.
        n_samples: Its length, at 16 kHz.
    """

    payload: PayloadT
    n_samples: int
    _group: _Group[PayloadT] | None = field(default=None, init=False, repr=False)
    _taken_from: _Group[PayloadT] | None = field(default=None, init=False, repr=False)


@dataclass(eq=False)
class _Group(Generic[PayloadT]):
    """What a caller added at once."""

    caller: Hashable
    kind: Hashable
    priority: Priority
    limits: Limits | None
    items: list[Item[PayloadT]]


@dataclass(eq=False)
class _Caller(Generic[PayloadT]):
    groups: deque[_Group[PayloadT]]
    since: int  # the turn of its last batch, or in which it came


class Scheduler(Generic[PayloadT]):
    """Decides which of the recordings that wait make up the next batch.

    - Of one caller, what was added first goes first; within what was added at once, the longest:
      batches are of like lengths, and one too large for the memory fails at once, not after an
      hour.
    - Of several callers the one of the higher priority goes first, among equals the one who has
      waited longest, and after some batches without one of its own a caller rises.
    - What is left of a batch is filled with recordings of other callers that are of the same kind
      and about as long.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """A scheduler for which nobody waits.

        Args:
            limits: How large batches may be, whatever the callers say.
        """
        self._limits = limits
        self._callers: dict[Hashable, _Caller[PayloadT]] = {}
        self._n_waiting = 0
        self._turn = 0

    def __len__(self) -> int:
        """How many recordings wait."""
        return self._n_waiting

    def add(
        self,
        items: Sequence[Item[PayloadT]],
        *,
        caller: Hashable = None,
        kind: Hashable = None,
        priority: Priority = Priority.INTERACTIVE,
        limits: Limits | None = None,
    ) -> None:
        """Have recordings wait.

        Args:
            items: Those that may be sorted by their lengths.
            caller: Who is to get a fair share.
            kind: Only recordings of one kind go together.
            priority: Whether others go first.
            limits: How large their batches may be. Without any, here and in the scheduler, they
                are one batch, in the order in which they are given.
        """
        if not items:
            return
        is_sorted = self._limits is not None or limits is not None
        ordered = sorted(items, key=_length, reverse=True) if is_sorted else list(items)
        group = _Group(caller, kind, priority, limits, ordered)
        for item in ordered:
            item._group = group
        queue = self._callers.setdefault(caller, _Caller(deque(), self._turn))
        queue.groups.append(group)
        self._n_waiting += len(ordered)

    def put_back(self, items: Sequence[Item[PayloadT]]) -> None:
        """Have recordings that were taken wait again, before all else of their callers."""
        for item in reversed(items):
            group = item._taken_from
            assert group is not None
            if not group.items:
                queue = self._callers.setdefault(group.caller, _Caller(deque(), self._turn))
                queue.groups.appendleft(group)
            group.items.insert(0, item)
            item._group, item._taken_from = group, None
            self._n_waiting += 1

    def cancel(self, item: Item[PayloadT]) -> bool:
        """Forget a recording; whether it still waited."""
        group = item._group
        if group is None:
            return False
        item._group = None
        group.items.remove(item)
        self._n_waiting -= 1
        if not group.items:
            queue = self._callers[group.caller]
            queue.groups.remove(group)
            if not queue.groups:
                del self._callers[group.caller]
        return True

    def take(self) -> list[Item[PayloadT]]:
        """The next batch, which waits no longer; empty if nobody waits."""
        queues = sorted(self._callers.values(), key=self._rank)
        if not queues:
            return []
        self._turn += 1
        queues[0].since = self._turn
        group = queues[0].groups[0]
        limits = self._limits or group.limits
        if limits is None:
            batch = list(group.items)
        else:
            longest = group.items[0].n_samples
            room = limits.room(longest)
            batch = group.items[:room]
            for queue in queues[1:]:
                batch += self._companions(queue.groups[0], group, longest)[: room - len(batch)]
        for item in batch:
            item._taken_from = item._group
            self.cancel(item)
        return batch

    def _rank(self, queue: _Caller[PayloadT]) -> tuple[int, int]:
        waited = self._turn - queue.since
        return queue.groups[0].priority - waited // _PATIENCE_BATCHES, queue.since

    def _companions(
        self, other: _Group[PayloadT], group: _Group[PayloadT], longest: int
    ) -> list[Item[PayloadT]]:
        """What of another caller's may fill up a batch of a group."""
        if other.kind != group.kind or (self._limits is None and other.limits != group.limits):
            return []
        shortest = _LEAST_FILL * longest
        return [item for item in other.items if shortest <= item.n_samples <= longest]


def _length(item: Item[Any]) -> int:
    return item.n_samples
