"""``/v1/live``: this server's own protocol, a websocket with the events of `gigaam.live`.

The query says what comes and what is wanted. The server tells ``started``; the client sends PCM in
binary messages and ``{"type": "finish"}``; the server tells events as they come and ``finished``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from gigaam.live import Final, LiveArguments, LiveOptions
from gigaam.output.formats import render
from gigaam.server.form_fields import FormFields
from gigaam.server.languages import language_codes
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.streams.conversation import Conversation, hold
from gigaam.server.streams.ends import ServerEnds, Stalled, together
from gigaam.server.streams.stream import LiveStream, Sound, told_event
from gigaam.server.wishes import with_hotwords
from gigaam.types import LongformTranscriptionResult, Segment

__all__ = ["routes"]

_FILES = ("txt", "srt", "vtt", "json")

_MOST_CHARACTERS = 2_000_000
"""Of texts that are kept for files: more than a day of speech."""


async def live(websocket: WebSocket) -> None:
    """One client."""
    subprotocol = "gigaam" if "gigaam" in websocket.scope["subprotocols"] else None
    await hold(websocket, "native", _converse, _error_message, subprotocol=subprotocol)


@dataclass(frozen=True)
class _Wishes:
    """What the query says, checked."""

    model: str
    sound: Sound
    options: LiveArguments
    languages: tuple[str, ...]
    files: bool

    @classmethod
    def read(cls, query: QueryParams, service: Service) -> _Wishes:
        fields = FormFields(FormData([*query.multi_items()]))
        wishes = cls(
            model=_model(fields, service),
            sound=_sound(fields),
            options=_options(fields, service),
            languages=language_codes(fields.list("language")),
            files=fields.flag("files"),
        )
        if fields.unread:
            told = f"there is no parameter {', '.join(fields.unread)[:200]}"
            raise Refusal(400, told, code="unknown_parameter", param=fields.unread[0][:100])
        return wishes


@dataclass
class _Kept:
    """Finals that are kept for files."""

    wanted: bool
    segments: list[Segment] = field(default_factory=list)
    n_characters: int = 0

    def add(self, final: Final) -> None:
        if self.wanted and final.segment.text and self.n_characters <= _MOST_CHARACTERS:
            self.segments.append(final.segment)
            self.n_characters += len(final.segment.text)

    def told(self, duration_s: float) -> dict[str, Any]:
        """The files, or why there are none."""
        if not self.wanted:
            return {}
        if self.n_characters > _MOST_CHARACTERS:
            return {"files": None, "warnings": ["the stream was too long for files"]}
        result = LongformTranscriptionResult(self.segments, duration=duration_s)
        return {"files": {name: render(result, name) for name in _FILES}}


async def _converse(talk: Conversation) -> None:
    wishes = _Wishes.read(talk.websocket.query_params, talk.service)
    await talk.tell({"type": "started", "model": wishes.model, "rate": wishes.sound.rate})
    kept, ending = _Kept(wishes.files), None
    first = await _next_sound(talk)
    if first is not None:
        stream = await talk.live.stream(
            wishes.model, wishes.sound, wishes.options, wishes.languages
        )
        intake = _Intake(talk, stream, first)
        await together(intake.run(), _tell(talk, stream, kept))
        ending = intake.ending
    if isinstance(ending, Stalled):
        raise ending
    files = await asyncio.to_thread(kept.told, talk.live.sound_s)
    await talk.tell({"type": "finished", **files})
    if ending is not None:
        raise ending
    await talk.close()


class _Intake:
    """Takes the sound of a client, until it or something else ends it."""

    def __init__(self, talk: Conversation, stream: LiveStream, first: bytes) -> None:
        self._talk = talk
        self._stream = stream
        self._first = first
        self.ending: Stalled | ServerEnds | None = None

    async def run(self) -> None:
        sound: bytes | None = self._first
        try:
            while sound is not None:
                await self._stream.put(sound)
                sound = await _next_sound(self._talk)
        except (Stalled, ServerEnds) as ending:
            self.ending = ending
        self._stream.end()


async def _next_sound(talk: Conversation) -> bytes | None:
    """Further sound; None when the client has finished."""
    while isinstance(sent := await talk.receive(), bytes):
        if sent:
            return sent
    try:
        message = json.loads(sent)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "a text message must be JSON", code="invalid_json") from error
    if message != {"type": "finish"}:
        told = 'sound is sent in binary messages, and {"type": "finish"} after the last one'
        raise Refusal(400, told, code="unknown_message")
    return None


async def _tell(talk: Conversation, stream: LiveStream, kept: _Kept) -> None:
    async for event in stream.events():
        if isinstance(event, Final):
            kept.add(event)
        await talk.tell(told_event(event))


def _error_message(refusal: Refusal) -> dict[str, Any]:
    return {"type": "error", "error": refusal.error}


def _model(fields: FormFields, service: Service) -> str:
    name = fields.text("model")
    if name is not None and name not in service.models.names:
        told = f"there is no model {name[:100]!r}"
        raise Refusal(404, told, code="model_not_found", param="model")
    return service.models.resolve(name)


def _sound(fields: FormFields) -> Sound:
    sound = Sound(
        rate=_whole(fields, "rate", 1_000, 384_000, 16_000),
        sample_format=fields.text("sample_format") or "s16le",
        n_channels=_whole(fields, "channels", 1, 8, 1),
    )
    sound.check()
    return sound


def _whole(fields: FormFields, name: str, low: int, high: int, default: int) -> int:
    number = fields.number(name, low, high)
    if number is not None and number != int(number):
        raise Refusal(400, f"{name} must be whole", code="invalid_value", param=name)
    return default if number is None else int(number)


def _options(fields: FormFields, service: Service) -> LiveArguments:
    hotwords = fields.list("hotword")
    options: LiveArguments = {
        "word_timestamps": fields.flag("word_timestamps"),
        "partials": fields.text("partials") is None or fields.flag("partials"),
        "decoding": with_hotwords(service.settings.decoding, hotwords, "hotword"),
    }
    silence_s = fields.number("endpoint_silence", 0.2, 60.0)
    if silence_s is not None:
        options["endpoint_silence_s"] = silence_s
    LiveOptions(**options)
    return options


routes: list[BaseRoute] = [WebSocketRoute("/v1/live", live)]
