"""The events of telephone calls, as they are kept."""

import asyncio
import gc
import tracemalloc
import weakref
from typing import Any
from uuid import UUID, uuid4

import pytest

from gigaam.server.refusals import Refusal
from gigaam.server.streams import calls
from gigaam.server.streams.calls import Calls, PhoneCall


def final(text: str) -> dict[str, Any]:
    return {"type": "final", "text": text}


def kept(known: Calls, begun: list[PhoneCall]) -> list[bool]:
    """Which of the calls are still there for whoever asks."""
    found = []
    for call in begun:
        with known.subscribed(call.uuid) as there:
            found.append(there is call)
    return found


def test_partials_are_replaced() -> None:
    call = PhoneCall(uuid4())
    for event in ({"type": "partial"}, {"type": "partial"}, final("да"), {"type": "partial"}):
        call.tell(event)
    assert [number for number, _ in call.after(0)] == [2, 3]
    assert [number for number, _ in call.after(3)] == [3]


def test_a_long_call_loses_its_beginning_and_says_so() -> None:
    call = PhoneCall(uuid4())
    for _ in range(30):
        call.tell(final("я" * 100_000))
    kept = call.after(0)
    assert sum(len(text) for _, text in kept) <= 1_000_000  # of two bytes each
    assert call.lost_to == kept[0][0] == 30 - len(kept)


def test_one_call_at_a_time_has_a_name() -> None:
    async def named() -> None:
        known, name = Calls(), uuid4()
        with known.subscribed(name) as expected:
            assert known.begin(name) is expected
        with pytest.raises(Refusal, match="there already"):
            known.begin(name)
        known.end(expected)
        with known.subscribed(name) as later:
            assert later is expected
        assert known.begin(name) is not expected

    asyncio.run(named())


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MOST_CALLS", 2)

    async def many() -> None:
        known = Calls()
        over = known.begin(UUID(int=1))
        known.begin(UUID(int=2))
        with pytest.raises(Refusal, match="too many calls"):
            known.begin(UUID(int=3))
        known.end(over)
        known.begin(UUID(int=3))
        with known.subscribed(UUID(int=2)) as call:
            assert call.is_there

    asyncio.run(many())


def test_calls_that_are_over_take_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MOST_OVER_BYTES", 1_250)

    async def over() -> None:
        known = Calls()
        begun = [known.begin(UUID(int=number)) for number in range(4)]
        for call in begun:
            call.tell(final("я" * 50))
        for call in begun[:3]:
            known.end(call)
        assert kept(known, begun) == [True, True, True, True]
        known.end(begun[3])
        assert kept(known, begun) == [False, True, True, True]

    asyncio.run(over())


def test_short_events_take_no_more_room_than_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MOST_BYTES", 100_000)
    call = PhoneCall(uuid4())
    tracemalloc.start()
    for number in range(10_000):
        call.tell({"type": "dtmf", "digit": f"{number}"})
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used <= 100_000
    assert call.lost_to == 10_000 - len(call.after(0))


def test_a_call_that_is_forgotten_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its time is not over: others have taken the room, or the name."""
    monkeypatch.setattr(calls, "_MOST_CALLS", 2)

    async def forgotten() -> None:
        known = Calls()
        ends = []
        for number in (1, 2, 3, 3):
            call = known.begin(UUID(int=number))
            known.end(call)
            ends.append(weakref.ref(call))
        del call
        gc.collect()
        assert [end() is not None for end in ends] == [False, True, False, True]

    asyncio.run(forgotten())


def test_who_waited_in_vain_leaves_nothing() -> None:
    known, name = Calls(), uuid4()
    with known.subscribed(name) as call:
        pass
    with known.subscribed(name) as other:
        assert other is not call


def test_who_waits_takes_no_place_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MOST_CALLS", 1)
    known = Calls(most_waiting=2)
    with known.subscribed(UUID(int=1)) as call, known.subscribed(UUID(int=1)):
        with pytest.raises(Refusal, match="wait for calls"), known.subscribed(UUID(int=2)):
            pass
        assert known.begin(UUID(int=1)) is call
        with known.subscribed(UUID(int=1)), known.subscribed(UUID(int=2)):  # one is there now
            pass
