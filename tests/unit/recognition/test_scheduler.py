"""Which recordings go together: none is lost, starved, overtaken by its own, or kept in vain."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.errors import ArgumentError
from gigaam.recognition.scheduler import Item, Limits, Priority, Scheduler
from tests.examples import examples

RATE = 16_000

LENGTHS = st.lists(st.integers(1, 30 * RATE), min_size=1, max_size=12)
LIMITS = st.builds(
    Limits, st.none() | st.integers(1, 9), st.none() | st.floats(1, 200, allow_nan=False)
)
GROUPS = st.tuples(
    st.integers(0, 3),  # the caller
    st.sampled_from(Priority),
    st.sampled_from(["greedy", "beam"]),
    st.none() | LIMITS,
    LENGTHS,
)


class Trial:
    """A scheduler, and what became of all that was added."""

    def __init__(self, limits: Limits | None) -> None:
        self.limits = limits
        self.scheduler: Scheduler[tuple[int, int]] = Scheduler(limits)
        self.added: list[Item[tuple[int, int]]] = []
        self.taken: list[Item[tuple[int, int]]] = []
        self.cancelled: set[Item[tuple[int, int]]] = set()
        self.groups: list[tuple[str, Limits | None]] = []

    def add(self, group: tuple[int, Priority, str, Limits | None, list[int]]) -> None:
        caller, priority, kind, limits, lengths = group
        items = [Item((caller, len(self.groups)), length) for length in lengths]
        self.groups.append((kind, limits))
        self.scheduler.add(items, caller=caller, priority=priority, kind=kind, limits=limits)
        self.added += items

    def take(self) -> None:
        batch = self.scheduler.take()
        assert batch or not len(self.scheduler)
        self.taken += batch
        if not batch:
            return
        assert len({self.groups[item.payload[1]][0] for item in batch}) == 1
        limits = self.limits or self.groups[batch[0].payload[1]][1]
        longest = max(item.n_samples for item in batch)
        if limits is not None:
            assert batch[0].n_samples == longest
            assert len(batch) <= limits.room(longest)

    def cancel(self, number: int) -> None:
        if not self.added:
            return
        item = self.added[number % len(self.added)]
        waits = item not in self.taken and item not in self.cancelled
        assert self.scheduler.cancel(item) == waits
        if waits:
            self.cancelled.add(item)


@settings(max_examples=examples(200))
@given(
    steps=st.lists(st.one_of(GROUPS, st.just("take"), st.integers(0, 200)), max_size=40),
    limits=st.none() | LIMITS,
)
def test_whatever_happens(steps: list, limits: Limits | None) -> None:
    """Groups come, batches are taken, recordings are cancelled, in any order."""
    trial = Trial(limits)
    for step in steps:
        if step == "take":
            trial.take()
        elif isinstance(step, int):
            trial.cancel(step)
        else:
            trial.add(step)
        gone = len(trial.taken) + len(trial.cancelled)
        assert len(trial.scheduler) == len(trial.added) - gone
    while len(trial.scheduler):
        trial.take()
    assert len(trial.taken) == len(set(trial.taken))  # nothing twice
    assert set(trial.taken) == set(trial.added) - trial.cancelled  # nothing lost or in vain
    order = defaultdict(list)
    for item in trial.taken:
        order[item.payload[0]].append(item.payload[1])
    assert all(groups == sorted(groups) for groups in order.values())


@given(st.lists(st.integers(1, 1000), max_size=80), st.integers(1, 9))
def test_one_caller_gets_batches_of_like_lengths(lengths: list[int], count: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add([Item(i, n) for i, n in enumerate(lengths)], limits=Limits(count))
    batches = []
    while batch := scheduler.take():
        batches.append([item.payload for item in batch])
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    assert batches == [order[i : i + count] for i in range(0, len(order), count)]


def test_without_limits_a_group_is_a_batch_in_its_order() -> None:
    scheduler: Scheduler[str] = Scheduler()
    scheduler.add([Item("b", 3), Item("a", 9), Item("c", 5)])
    assert [item.payload for item in scheduler.take()] == ["b", "a", "c"]


def test_the_budget_is_of_padded_seconds() -> None:
    scheduler: Scheduler[int] = Scheduler(Limits(max_padded_s=60))
    scheduler.add([Item(i, length * RATE) for i, length in enumerate([30, 30, 20, 20, 20, 9, 100])])
    sizes = []
    while batch := scheduler.take():
        sizes.append([item.n_samples // RATE for item in batch])
    assert sizes == [[100], [30, 30], [20, 20, 20], [9]]


@settings(max_examples=examples(50))
@given(
    n_others=st.integers(1, 6),
    own=st.sampled_from(Priority),
    others=st.sampled_from(Priority),
    n_each=st.integers(1, 5),
)
def test_nobody_starves(n_others: int, own: Priority, others: Priority, n_each: int) -> None:
    """However many others go on to add more, and whatever their priority."""
    scheduler: Scheduler[str] = Scheduler(Limits(n_each))
    scheduler.add([Item("own", RATE)], caller="own", priority=own, kind="own")
    n_turns = 2 * 8 + n_others + 1
    for _ in range(n_turns):
        for other in range(n_others):
            items = [Item("other", RATE) for _ in range(n_each)]
            scheduler.add(items, caller=other, priority=others)
        if scheduler.take()[0].payload == "own":
            break
    else:
        pytest.fail(f"not within {n_turns} batches")


def test_the_higher_priority_goes_first_and_equals_take_turns() -> None:
    scheduler: Scheduler[str] = Scheduler(Limits(1))
    for caller, priority in (("bulk", Priority.BULK), ("a", Priority.LIVE), ("b", Priority.LIVE)):
        scheduler.add([Item(caller, 5) for _ in range(4)], caller=caller, priority=priority)
    order = [scheduler.take()[0].payload for _ in range(12)]
    assert order == [*("a", "b") * 4, *["bulk"] * 4]


def test_what_is_left_of_a_batch_is_filled_with_like_recordings_of_others() -> None:
    scheduler: Scheduler[str] = Scheduler(Limits(4))
    scheduler.add([Item("own", 1000)], caller=0)
    others = [Item("too long", 1001), Item("like", 900), Item("alike", 500), Item("short", 499)]
    scheduler.add(others, caller=1)
    scheduler.add([Item("other kind", 1000)], caller=2, kind="beam")
    assert [item.payload for item in scheduler.take()] == ["own", "like", "alike"]


@pytest.mark.parametrize(
    "limits", [{"max_count": 0}, {"max_padded_s": 0.0}, {"max_padded_s": float("nan")}]
)
def test_limits_that_allow_nothing_are_refused(limits: dict) -> None:
    with pytest.raises(ArgumentError, match=next(iter(limits))):
        Limits(**limits)


def test_what_is_put_back_goes_first_in_its_order() -> None:
    scheduler: Scheduler[str] = Scheduler()
    scheduler.add([Item("a", 1), Item("b", 2)], caller="one")
    scheduler.add([Item("c", 3)], caller="one")
    taken = scheduler.take()
    scheduler.put_back(taken)
    assert len(scheduler) == 3
    assert [item.payload for item in scheduler.take()] == ["a", "b"]
    assert [item.payload for item in scheduler.take()] == ["c"]
    assert len(scheduler) == 0
