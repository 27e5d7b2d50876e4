"""The events of telephone calls, as they are kept."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from gigaam.server.refusals import Refusal
from gigaam.server.streams import calls
from gigaam.server.streams.calls import Call, Calls


def final(text: str) -> dict[str, Any]:
    return {"type": "final", "text": text}


def test_partials_are_replaced() -> None:
    call = Call(uuid4())
    for event in ({"type": "partial"}, {"type": "partial"}, final("да"), {"type": "partial"}):
        call.tell(event)
    assert [number for number, _ in call.after(0)] == [2, 3]
    assert [number for number, _ in call.after(3)] == [3]


def test_a_long_call_loses_its_beginning_and_says_so() -> None:
    call = Call(uuid4())
    for _ in range(30):
        call.tell(final("я" * 100_000))
    kept = call.after(0)
    assert sum(len(text) for _, text in kept) <= 1_000_000
    assert call.lost_to == kept[0][0] == 30 - len(kept)


def test_one_call_at_a_time_has_a_name() -> None:
    async def named() -> None:
        known, name = Calls(), uuid4()
        expected = known.expected(name)
        assert known.begin(name) is expected
        with pytest.raises(Refusal, match="there already"):
            known.begin(name)
        known.end(expected)
        assert known.expected(name) is expected  # for whoever asks later
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
        assert known.expected(UUID(int=2)).is_there

    asyncio.run(many())


def test_calls_that_are_over_take_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MOST_OVER_CHARACTERS", 250)

    async def over() -> None:
        known = Calls()
        begun = [known.begin(UUID(int=number)) for number in range(4)]
        for call in begun:
            call.tell(final("я" * 50))
        for call in begun[:3]:
            known.end(call)
        kept = [known.expected(call.uuid) is call for call in begun]
        assert kept == [True, True, True, True]
        known.end(begun[3])
        assert [known.expected(call.uuid) is call for call in begun] == [False, True, True, True]

    asyncio.run(over())


def test_who_waited_in_vain_leaves_nothing() -> None:
    known, name = Calls(), uuid4()
    call = known.expected(name)
    known.leave(call)
    assert known.expected(name) is not call
