"""Live events as the items of OpenAI's Realtime protocol.

An item is what one final tells. Where the server ends items, one begins with the first word that
is heard; where the client does, it is all that was sent before it committed.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gigaam.live import Event, Final, Partial
from gigaam.server.answers import logprobs
from gigaam.server.refusals import Refusal
from gigaam.server.streams.realtime_settings import RealtimeSettings
from gigaam.server.streams.stream import LiveStream
from gigaam.types import Segment

__all__ = ["Items", "Take", "new_id"]

Tell = Callable[..., Awaitable[None]]
"""Sends an event of a type: ``await tell("session.created", session=…)``."""

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


def new_id(kind: str) -> str:
    """A name that nothing else has."""
    return f"{kind}_{secrets.token_hex(12)}"


@dataclass(eq=False)
class Take:
    """A stretch of sound that is heard as one stream.

    Attributes:
        stream: Its sound.
        settings: Those under which it began.
        offset_s: Where it begins in all that the client has sent.
        item_id: Of the item that it makes, where the client ends items.
        is_committed: Whether the client has ended it.
    """

    stream: LiveStream
    settings: RealtimeSettings
    offset_s: float
    item_id: str = field(default_factory=lambda: new_id("item"))
    is_committed: bool = False


class Items:
    """Tells what is heard, item by item."""

    def __init__(self, tell: Tell) -> None:
        """Items of which there are none yet.

        Args:
            tell: Sends an event.
        """
        self._tell = tell
        self._last_id: str | None = None  # of those that are committed
        self._item_id: str | None = None  # of the one that goes on
        self._shown = ""  # the text that its deltas have told

    async def commit(self, item_id: str) -> None:
        """An item has ended."""
        previous, self._last_id = self._last_id, item_id
        event = {"item_id": item_id, "previous_item_id": previous}
        await self._tell("input_audio_buffer.committed", **event)

    async def follow(self, take: Take) -> None:
        """Tell all of a take."""
        self._item_id, self._shown = None, ""
        if take.settings.detection is None:
            await self._follow_one(take)
        else:
            await self._follow_many(take)

    async def fail(self, take: Take, refusal: Refusal) -> None:
        """Tell that the rest of a take cannot be heard."""
        item_id = self._item_id or take.item_id
        failure = {"item_id": item_id, "content_index": 0, "error": refusal.error}
        await self._tell(f"{_TRANSCRIPTION}.failed", **failure)

    async def _follow_one(self, take: Take) -> None:
        """One item, however long it is."""
        self._item_id = take.item_id
        finals: list[Segment] = []
        async for event in take.stream.events():
            if isinstance(event, Final):
                finals += [event.segment] if event.segment.text else []
                await self._show(" ".join(segment.text for segment in finals))
            elif event.committed:
                texts = [segment.text for segment in finals]
                await self._show(" ".join([*texts, event.committed]))
        if take.is_committed:
            text = " ".join(segment.text for segment in finals)
            await self._complete(take, text, finals, take.stream.sound_s)

    async def _follow_many(self, take: Take) -> None:
        """An item for each final."""
        n_completed = 0
        async for event in take.stream.events():
            n_completed += await self._heard(take, event)
        if take.is_committed and not n_completed:
            await self.commit(take.item_id)
            self._item_id = take.item_id
            await self._complete(take, "", [], take.stream.sound_s)

    async def _heard(self, take: Take, event: Event) -> bool:
        """Tell of an event; whether that completed an item."""
        if isinstance(event, Partial):
            if event.text:
                await self._begin(take, event.start)
            await self._show(event.committed)
            return False
        segment = event.segment
        if self._item_id is None and not segment.text:  # the end of what was told before
            return False
        item_id = await self._begin(take, segment.start)
        await self._show(segment.text)
        stopped = {"audio_end_ms": _ms(take, segment.end), "item_id": item_id}
        await self._tell("input_audio_buffer.speech_stopped", **stopped)
        await self.commit(item_id)
        await self._complete(take, segment.text, [segment], segment.end - segment.start)
        return True

    async def _begin(self, take: Take, start_s: float) -> str:
        """The item that goes on, which may begin here."""
        if self._item_id is None:
            self._item_id, self._shown = new_id("item"), ""
            started = {"audio_start_ms": _ms(take, start_s), "item_id": self._item_id}
            await self._tell("input_audio_buffer.speech_started", **started)
        return self._item_id

    async def _show(self, text: str) -> None:
        """Tell further text; what was told before is never taken back."""
        if len(text) > len(self._shown) and text.startswith(self._shown):
            further, self._shown = text[len(self._shown) :], text
            delta = {"item_id": self._item_id, "content_index": 0, "delta": further}
            await self._tell(f"{_TRANSCRIPTION}.delta", **delta)

    async def _complete(
        self, take: Take, text: str, segments: list[Segment], sound_s: float
    ) -> None:
        completed: dict[str, Any] = {
            "item_id": self._item_id,
            "content_index": 0,
            "transcript": text,
            "usage": {"type": "duration", "seconds": round(sound_s, 3)},
        }
        if take.settings.logprobs:
            words = [word for segment in segments for word in segment.words or ()]
            completed["logprobs"] = logprobs(words)
        await self._tell(f"{_TRANSCRIPTION}.completed", **completed)
        self._item_id, self._shown = None, ""


def _ms(take: Take, seconds: float) -> int:
    return round((take.offset_s + seconds) * 1000)
