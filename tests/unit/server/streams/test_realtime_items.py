"""Live events as items of OpenAI's Realtime protocol."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from gigaam.live import Event, Final, Partial
from gigaam.live.events import Reason
from gigaam.server.streams.realtime_items import Items, Take
from gigaam.server.streams.realtime_settings import RealtimeSettings
from gigaam.server.streams.stream import LiveStream
from gigaam.types import Segment

TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Written:
    """A stream whose events are written down."""

    sound_s = 5.0

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    async def events(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event


def partial(committed: str, tentative: str = "") -> Partial:
    return Partial(committed, tentative, 0.5, 1.0, 0.4)


def final(text: str, reason: Reason = "silence") -> Final:
    return Final(Segment(text, 0.5, 1.5), reason, (0.25, 1.5))


def told(
    events: list[Event], *, committed: bool = False, offset_s: float = 0.0, **settings: Any
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def tell(kind: str, **event: Any) -> None:
        found.append({"type": kind.rpartition(".")[2], **event})

    async def follow() -> None:
        stream = cast(LiveStream, Written(events))
        take = Take(stream, RealtimeSettings(**settings), offset_s, is_committed=committed)
        await Items(tell).follow(take)

    asyncio.run(follow())
    return found


def deltas(events: list[dict[str, Any]]) -> list[str]:
    return [event["delta"] for event in events if event["type"] == "delta"]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events if event["type"] != "delta"]


ITEM = ["speech_started", "speech_stopped", "committed", "completed"]


def test_deltas_are_committed_words_and_the_rest_of_the_final() -> None:
    events = told([partial("", "раз"), partial("раз", "два"), partial("раз"), final("раз два")])
    assert deltas(events) == ["раз", " два"]
    assert types(events) == ITEM
    assert events[0]["audio_start_ms"] == 500
    assert {event["item_id"] for event in events} == {events[0]["item_id"]}


def test_what_was_told_is_never_taken_back() -> None:
    events = told([partial("раз"), final("рас два")])
    assert deltas(events) == ["раз"]
    assert events[-1]["transcript"] == "рас два"


def test_each_final_is_an_item() -> None:
    events = told([partial("раз"), final("раз", "cut"), partial("два"), final("два"), final("три")])
    assert types(events) == ITEM * 3
    assert deltas(events) == ["раз", "два", "три"]
    committed = [event for event in events if event["type"] == "committed"]
    assert [each["previous_item_id"] for each in committed[1:]] == [
        each["item_id"] for each in committed[:-1]
    ]


def test_an_end_of_which_all_was_told_is_no_item() -> None:
    assert types(told([final("раз", "cut"), final("")])) == ITEM


def test_speech_of_which_nothing_is_left() -> None:
    events = told([partial("", "раз"), final("")])
    assert types(events) == ITEM
    assert events[-1]["transcript"] == ""


def test_times_are_those_of_the_session() -> None:
    events = told([final("раз")], offset_s=10.0)
    assert events[0]["audio_start_ms"] == 10_500
    assert [event["audio_end_ms"] for event in events if "audio_end_ms" in event] == [11_500]
    assert events[-1]["usage"] == {"type": "duration", "seconds": 1.0}


def test_a_commit_of_silence_is_answered() -> None:
    events = told([], committed=True)
    assert types(events) == ["committed", "completed"]
    assert told([]) == []
    assert types(told([final("раз", "finish")], committed=True)) == ITEM


def test_the_client_commits_one_item() -> None:
    written = [partial("раз"), final("раз", "cut"), partial("два"), final("два", "finish")]
    events = told(written, committed=True, detection=None)
    assert types(events) == ["completed"]
    assert deltas(events) == ["раз", " два"]
    assert events[-1]["transcript"] == "раз два"
    assert events[-1]["usage"]["seconds"] == 5.0
    assert types(told(written, detection=None)) == []  # cleared
