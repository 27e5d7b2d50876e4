"""Vosk's websocket: one reply to each piece of sound, for clients that wait for it.

Text ``{"config": {...}}`` says what comes and has no reply; PCM in binary messages has exactly one
each: ``{"partial": …}`` or ``{"result": […], "text": …}``; ``{"eof": 1}`` asks for the last result
and ends, ``{"reset": 1}`` asks for it and goes on. An error is ``{"error": …}``, and the end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from gigaam.live import Event, Final, LiveArguments, Partial
from gigaam.server.answering import log
from gigaam.server.form_fields import checked_number
from gigaam.server.refusals import Refusal
from gigaam.server.streams.conversation import Conversation, hold
from gigaam.server.streams.ends import ServerEnds
from gigaam.server.streams.stream import LiveStream, Sound
from gigaam.server.wishes import with_hotwords
from gigaam.types import Segment, Word

__all__ = ["routes"]

_REST = "[unk]"  # in lists of Vosk: all other words, which are expected here anyway


async def vosk(websocket: WebSocket) -> None:
    """One client."""
    await hold(websocket, "vosk", _converse, _error_message)


@dataclass(frozen=True)
class _Config:
    """What the client says of its sound, and of results."""

    model: str | None = None
    rate: int = 8_000
    words: bool = True
    max_alternatives: int = 0
    phrases: tuple[str, ...] = ()

    def changed(self, said: dict[str, Any]) -> _Config:
        """With what a message says."""
        known = {
            "model": self._model,
            "sample_rate": self._rate,
            "words": self._words,
            "max_alternatives": self._alternatives,
            "phrase_list": self._phrase_list,
        }
        config = self
        for name, value in said.items():
            if name in known:
                config = replace(config, **known[name](value))
        if unknown := sorted(set(said) - set(known)):
            told = {"protocol": "vosk", "settings": ", ".join(unknown)[:200]}
            log.info("settings without effect", extra={"told": told})
        return config

    @staticmethod
    def _model(value: Any) -> dict[str, Any]:
        if not isinstance(value, str | None):
            raise _invalid("model", "a name")
        return {"model": value}

    @staticmethod
    def _rate(value: Any) -> dict[str, Any]:
        return {"rate": int(checked_number("sample_rate", value, 1_000, 384_000))}

    @staticmethod
    def _words(value: Any) -> dict[str, Any]:
        if value not in (True, False):  # also 0 and 1
            raise _invalid("words", "true or false")
        return {"words": bool(value)}

    @staticmethod
    def _alternatives(value: Any) -> dict[str, Any]:
        return {"max_alternatives": int(checked_number("max_alternatives", value, 0, 1_000))}

    @staticmethod
    def _phrase_list(value: Any) -> dict[str, Any]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise _invalid("phrase_list", "a list of texts")
        return {"phrases": tuple(each for each in value if each.strip() and each != _REST)}


class _Recognition:
    """Replies to one client."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._config = _Config()
        self._stream: LiveStream | None = None
        self._offset_s = 0.0  # where the stream begins in all that the client has sent
        self._partial = ""

    def configure(self, said: dict[str, Any]) -> None:
        if self._stream is not None:
            told = "the config comes before the sound, or after a reset"
            raise Refusal(400, told, code="config_too_late", param="config")
        self._config = self._config.changed(said)
        words = self._config.phrases
        with_hotwords(self._talk.service.settings.decoding, words, "phrase_list")

    async def hear(self, sound: bytes) -> dict[str, Any]:
        """The reply to further sound."""
        if self._stream is None:
            self._offset_s = self._talk.live.sound_s
            self._stream = await self._opened()
        return self._reply(await self._stream.heard(sound))

    async def finish(self) -> dict[str, Any]:
        """The last result; what follows is another stream."""
        if self._stream is None:
            return self._result([])
        stream, self._stream = self._stream, None
        stream.end()
        events = [event async for event in stream.events()]
        self._partial = ""
        return self._result(_finals(events))

    async def _opened(self) -> LiveStream:
        config, service = self._config, self._talk.service
        options: LiveArguments = {
            "word_timestamps": True,
            "decoding": with_hotwords(service.settings.decoding, config.phrases, "phrase_list"),
        }
        return await self._talk.live.stream(config.model, Sound(config.rate), options)

    def _reply(self, events: Sequence[Event]) -> dict[str, Any]:
        for event in events:
            self._partial = event.text if isinstance(event, Partial) else ""
        finals = _finals(events)
        return self._result(finals) if finals else {"partial": self._partial}

    def _result(self, segments: Sequence[Segment]) -> dict[str, Any]:
        text = " ".join(segment.text for segment in segments)
        words = [self._word(word) for segment in segments for word in segment.words or ()]
        spoken: dict[str, Any] = {"result": words} if self._config.words and words else {}
        if not self._config.max_alternatives:
            return {**spoken, "text": text}
        sure = [segment.confidence for segment in segments if segment.confidence is not None]
        confidence = round(min(sure, default=0.0), 4)
        return {"alternatives": [{"confidence": confidence, **spoken, "text": text}]}

    def _word(self, word: Word) -> dict[str, Any]:
        return {
            "conf": round(word.confidence, 4),
            "start": round(word.start + self._offset_s, 3),
            "end": round(word.end + self._offset_s, 3),
            "word": word.text,
        }


async def _converse(talk: Conversation) -> None:
    recognition = _Recognition(talk)
    while True:
        try:
            sent = await talk.receive()
        except ServerEnds:
            if talk.live.has_place:
                await talk.tell(await recognition.finish())
            raise
        if isinstance(sent, bytes):
            await talk.tell(await recognition.hear(sent))
            continue
        message = _parsed(sent)
        if "config" in message:
            recognition.configure(message["config"])
        if "reset" in message or "eof" in message:
            await talk.tell(await recognition.finish())
        if "eof" in message:
            await talk.close()
            return


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "a text message must be JSON", code="invalid_json") from error
    if not isinstance(message, dict) or not message.keys() & {"config", "eof", "reset"}:
        told = "a text message has config, eof or reset; sound is sent in binary messages"
        raise Refusal(400, told, code="unknown_message")
    if not isinstance(message.get("config", {}), dict):
        raise _invalid("config", "an object")
    return message


def _finals(events: Sequence[Event]) -> list[Segment]:
    """Segments with text; an end of which the text was told before has none."""
    finals = [event.segment for event in events if isinstance(event, Final)]
    return [segment for segment in finals if segment.text]


def _invalid(name: str, wanted: str) -> Refusal:
    return Refusal(400, f"{name} must be {wanted}", code="invalid_value", param=name)


def _error_message(refusal: Refusal) -> dict[str, Any]:
    return {"error": refusal.error}


routes: list[BaseRoute] = [WebSocketRoute("/vosk", vosk), WebSocketRoute("/", vosk)]
