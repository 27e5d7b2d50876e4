"""OpenAI's Realtime protocol for transcription: ``/v1/realtime``, a websocket.

Sound comes as Base64 in events; the text comes item by item. An error is told by an event, after
which the session goes on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from gigaam.server.languages import check_languages, languages_of
from gigaam.server.refusals import Refusal
from gigaam.server.streams.conversation import Conversation, hold, refusal_for
from gigaam.server.streams.ends import Gone, ServerEnds, Stalled, together
from gigaam.server.streams.realtime_items import Items, Take, new_id
from gigaam.server.streams.realtime_settings import RealtimeSettings
from gigaam.server.wishes import with_hotwords

__all__ = ["MOST_BYTES", "routes"]

_MOST_APPENDED = 15 << 20  # bytes of sound in one event
MOST_BYTES = 24 << 20
"""Of one message: the same in Base64, and more."""

_LONGEST_ITEM_S = 3600.0
"""Of items that the client ends: what is committed late, or never, is kept until then."""

_MOST_TAKES = 64
"""Items that wait to be heard, however short they are."""

_OLD = "openai-beta.realtime-v1"
_PROTOCOLS = ("realtime", _OLD)


async def realtime(websocket: WebSocket) -> None:
    """One client."""
    offered = websocket.scope["subprotocols"]
    subprotocol = next((each for each in _PROTOCOLS if each in offered), None)

    async def converse(talk: Conversation) -> None:
        await _Session(talk).run()

    await hold(
        websocket,
        "realtime",
        converse,
        _error_event,
        subprotocol=subprotocol,
        most_bytes=MOST_BYTES,
    )


class _Session:
    """One client's session."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._id = new_id("sess")
        self._settings = RealtimeSettings(model=talk.websocket.query_params.get("model"))
        self._take: Take | None = None  # of which more sound may come
        self._takes: asyncio.Queue[Take | None] = asyncio.Queue(_MOST_TAKES)
        self._items = Items(self._tell)
        self._handlers = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }

    async def run(self) -> None:
        """Until the client leaves."""
        self._check_query()
        headers, offered = self._talk.websocket.headers, self._talk.websocket.scope["subprotocols"]
        is_old = "realtime=v1" in headers.get("openai-beta", "") or _OLD in offered
        await self._tell_session("transcription_session" if is_old else "session", "created")
        await together(self._listen(), self._follow())

    def _check_query(self) -> None:
        intent = self._talk.websocket.query_params.get("intent", "transcription")
        if intent != "transcription":
            told = "this server transcribes: the intent is transcription"
            raise Refusal(400, told, code="invalid_value", param="intent")

    async def _listen(self) -> None:
        """Do what the client says."""
        while True:
            try:
                message = await self._talk.receive()
            except Stalled as stalled:
                await self._rest(stalled)
                continue
            except ServerEnds:
                await self._end_all()
                raise
            event_id: str | None = None
            try:
                event = _parsed(message)
                event_id = event.get("event_id")
                await self._handle(event)
            except (Gone, ServerEnds, Stalled):
                raise
            except Exception as error:
                refusal = refusal_for(error, self._talk.service, "realtime")
                await self._talk.tell(_error_event(refusal, event_id))

    async def _handle(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            told = f"there is no event {str(kind)[:100]!r} for transcription"
            raise Refusal(400, told, code="unknown_event", param="type")
        await handler(event)

    async def _follow(self) -> None:
        """Tell what is heard, one take after the other."""
        while (take := await self._takes.get()) is not None:
            try:
                await self._items.follow(take)
            except (Gone, asyncio.CancelledError):
                raise
            except Exception as error:
                refusal = refusal_for(error, self._talk.service, "realtime")
                await self._items.fail(take, refusal)
                take.stream.drop()
                self._take = None if self._take is take else self._take
            finally:
                self._takes.task_done()

    async def _update(self, event: dict[str, Any]) -> None:
        settings = self._settings.merged(event.get("session") or {})
        service = self._talk.service
        with_hotwords(service.settings.decoding, settings.keywords, "keywords")
        if settings.languages:
            await service.models.ready(settings.model)
            with service.models.borrowed(settings.model) as loaded:
                check_languages(languages_of(loaded.model), settings.languages)
        if settings != self._settings and self._take is not None:
            if self._settings.detection is None:
                told = "sound waits to be committed: commit or clear it before the update"
                raise Refusal(409, told, code="buffer_not_empty", param="session")
            self._end_take()
        names = service.models.resolve(self._settings.model), service.models.resolve(settings.model)
        if names[0] != names[1]:
            await self._takes.join()
            self._talk.live.leave()
        self._settings = settings
        await self._tell_session(event["type"].partition(".")[0], "updated")

    async def _append(self, event: dict[str, Any]) -> None:
        sound = _decoded(event.get("audio"))
        if not sound:
            return
        if self._take is None:
            self._take = await self._begun()
            await self._takes.put(self._take)  # those before it are heard: they have ended
        take = self._take
        if take.settings.detection is None and take.stream.sound_s > _LONGEST_ITEM_S:
            told = f"an item may have {_LONGEST_ITEM_S:.0f} s: commit or clear it"
            raise Refusal(400, told, code="buffer_overflow", param="audio")
        await take.stream.put(sound)

    async def _commit(self, event: dict[str, Any]) -> None:
        take = self._take
        if take is None:
            told = "there is no sound to commit"
            raise Refusal(400, told, code="input_audio_buffer_commit_empty")
        take.is_committed = True
        if take.settings.detection is None:
            await self._items.commit(take.item_id)
        self._end_take()

    async def _clear(self, event: dict[str, Any]) -> None:
        take, self._take = self._take, None
        if take is not None:
            take.stream.drop()
        await self._tell("input_audio_buffer.cleared")

    async def _begun(self) -> Take:
        settings, live = self._settings, self._talk.live
        decoding = self._talk.service.settings.decoding
        decoding = with_hotwords(decoding, settings.keywords, "keywords")
        offset_s = live.sound_s
        stream = await live.stream(
            settings.model,
            settings.sound,
            {**settings.listening, "decoding": decoding},
            settings.languages,
        )
        return Take(stream, settings, offset_s)

    def _end_take(self) -> None:
        take, self._take = self._take, None
        if take is not None:
            take.stream.end()

    async def _rest(self, stalled: Stalled) -> None:
        """The client is silent: others may have the place."""
        if self._take is not None and self._settings.detection is None:
            raise stalled  # what waits to be committed is lost, and that must be told
        self._end_take()
        await self._takes.join()
        self._talk.live.leave()

    async def _end_all(self) -> None:
        """Tell the rest; sound that only the client could have committed has failed."""
        lost = self._take if self._settings.detection is None else None
        if lost is not None:
            lost.stream.drop()
        self._end_take()
        await self._takes.join()
        if lost is not None:
            told = "the server ends, and this sound was not committed"
            await self._items.fail(lost, Refusal(503, told, code="server_ends"))

    async def _tell_session(self, kind: str, what: str) -> None:
        model = self._talk.service.models.resolve(self._settings.model)
        is_old = kind == "transcription_session"
        settings = self._settings
        told = settings.told_as_before(model) if is_old else settings.told(model)
        session = {"id": self._id, "object": "realtime.transcription_session", **told}
        await self._tell(f"{kind}.{what}", session=session)

    async def _tell(self, kind: str, **told: Any) -> None:
        await self._talk.tell({"type": kind, "event_id": new_id("event"), **told})


def _parsed(message: bytes | str) -> dict[str, Any]:
    try:
        event = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "an event must be JSON", code="invalid_json") from error
    if not isinstance(event, dict):
        raise Refusal(400, "an event must be an object", code="invalid_json")
    if not isinstance(event.get("event_id"), str | None):
        raise Refusal(400, "event_id must be a text", code="invalid_value", param="event_id")
    return event


def _decoded(audio: Any) -> bytes:
    try:
        sound = base64.b64decode(audio, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        told = "audio must be Base64"
        raise Refusal(400, told, code="invalid_value", param="audio") from error
    if len(sound) > _MOST_APPENDED:
        told = f"audio may have {_MOST_APPENDED:,} bytes in an event, not {len(sound):,}"
        raise Refusal(413, told, code="message_too_big", param="audio")
    return sound


def _error_event(refusal: Refusal, event_id: str | None = None) -> dict[str, Any]:
    error = {**refusal.error, "event_id": event_id}
    return {"type": "error", "event_id": new_id("event"), "error": error}


routes: list[BaseRoute] = [WebSocketRoute("/v1/realtime", realtime)]
