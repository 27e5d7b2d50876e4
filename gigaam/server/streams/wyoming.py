"""The Wyoming protocol of Home Assistant: one command at a time, over TCP.

``describe`` is answered by ``info``; ``transcribe``, ``audio-start``, ``audio-chunk`` … and
``audio-stop`` by ``transcript``, with all that was said, and before it by ``transcript-chunk`` as
soon as each part of it is final.

Anybody who reaches the port may use it: the protocol knows no authentication.
"""

from __future__ import annotations

import json
from asyncio import StreamReader
from collections.abc import Sequence
from typing import Any

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong

import gigaam
from gigaam.decoding.hotwords import LONGEST_PHRASE
from gigaam.live import Final
from gigaam.server.answering import log
from gigaam.server.languages import language_codes
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.streams.connections import Connection
from gigaam.server.streams.ends import Gone, ServerEnds, together
from gigaam.server.streams.stream import LiveStream, Sound
from gigaam.server.wishes import with_hotwords
from gigaam.store import registry

__all__ = ["Wyoming"]

_FORMATS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}  # by bytes per sample

_MOST_DATA_BYTES = 1 << 20
_MOST_PAYLOAD_BYTES = 1 << 20

_MOST_HOTWORDS = 1_000
"""Home Assistant names all its devices; what is beyond this is left out, and the log says so."""

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What comes of reading JSON that is none, or not such as was expected."""

_WISHES = {"name": str, "language": str, "transcript_names": list, "transcript_terms": list}
_IGNORED = ("vad_sensitivity", "context")


class Wyoming:
    """Answers one client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._service = connection.service
        self._ending: ServerEnds | None = None

    async def converse(self) -> None:
        """Until it leaves."""
        wishes = Transcribe()
        while (event := await self._next_event()) is not None:
            if Describe.is_type(event.type):
                await self._send(_info(self._service))
            elif Ping.is_type(event.type):
                await self._send(Pong(Ping.from_event(event).text))
            elif Transcribe.is_type(event.type):
                wishes = _wishes(event)
            elif AudioStart.is_type(event.type):
                await self._transcribe(wishes, _sound(event))
                self._connection.live.leave()
                wishes = Transcribe()
            elif AudioChunk.is_type(event.type) or AudioStop.is_type(event.type):
                raise Refusal(400, "audio-start comes first", code="unexpected_event")

    async def fail(self, refusal: Refusal) -> None:
        """Tell of an error."""
        await self._send(Error(refusal.message, refusal.code))

    def leave(self) -> None:
        """The client has left."""

    async def _transcribe(self, wishes: Transcribe, sound: Sound) -> None:
        """Hear one command, and tell what it was."""
        first = await self._next_sound(sound)
        if first is None:
            await self._send(Transcript("", language=wishes.language))
            return
        decoding = with_hotwords(self._service.settings.decoding, _hotwords(wishes), "names")
        languages = language_codes([wishes.language] if wishes.language else [])
        stream = await self._connection.live.stream(
            wishes.name, sound, {"decoding": decoding, "partials": False}, languages
        )
        await together(self._listen(stream, sound, first), self._tell(stream, wishes.language))
        if self._ending is not None:
            raise self._ending

    async def _listen(self, stream: LiveStream, sound: Sound, first: bytes) -> None:
        piece: bytes | None = first
        try:
            while piece is not None:
                await stream.put(piece)
                piece = await self._next_sound(sound)
        except ServerEnds as ending:  # what was said before is told all the same
            self._ending = ending
        stream.end()

    async def _tell(self, stream: LiveStream, language: str | None) -> None:
        texts: list[str] = []
        async for event in stream.events():
            if isinstance(event, Final) and event.segment.text:
                text = event.segment.text
                if not texts:
                    await self._send(TranscriptStart(language=language))
                await self._send(TranscriptChunk(f" {text}" if texts else text))
                texts.append(text)
        await self._send(Transcript(" ".join(texts), language=language))
        if texts:
            await self._send(TranscriptStop())

    async def _next_sound(self, sound: Sound) -> bytes | None:
        """Further sound; None at its end."""
        while (event := await self._next_event()) is not None:
            if AudioStop.is_type(event.type):
                return None
            if AudioChunk.is_type(event.type):
                if _sound(event) != sound:
                    told = f"the sound began with {sound.rate} Hz and cannot change"
                    raise Refusal(400, told, code="invalid_audio")
                if event.payload:
                    return event.payload
            elif Ping.is_type(event.type):
                await self._send(Pong(Ping.from_event(event).text))
            else:
                told = f"{event.type[:50]!r} cannot come between audio-start and audio-stop"
                raise Refusal(400, told, code="unexpected_event")
        raise Gone

    async def _next_event(self) -> Event | None:
        """The next event; None if there are no more."""
        return await self._connection.received(_read_event(self._connection.reader))

    async def _send(self, told: Eventable) -> None:
        await self._connection.sent(lambda writer: async_write_event(told.event(), writer))


async def _read_event(reader: StreamReader) -> Event | None:
    """An event of bounded size."""
    try:
        line = await reader.readline()
        if not line:
            return None
        header = json.loads(line)
        data = dict(header.get("data") or {})
        if size := _size(header, "data_length", _MOST_DATA_BYTES):
            data.update(json.loads(await reader.readexactly(size)))
        size = _size(header, "payload_length", _MOST_PAYLOAD_BYTES)
        payload = await reader.readexactly(size) if size else None
        return Event(str(header["type"]), data, payload)
    except _MALFORMED as error:
        raise Refusal(400, "this is no event of the Wyoming protocol", code="bad_event") from error


def _size(header: dict[str, Any], name: str, most: int) -> int:
    size = int(header.get(name) or 0)
    if not 0 <= size <= most:
        raise Refusal(413, f"{name} may be {most:,}, not {size:,}", code="message_too_big")
    return size


def _wishes(event: Event) -> Transcribe:
    wishes = Transcribe.from_event(event)
    for name, kind in _WISHES.items():
        value = getattr(wishes, name)
        if value is not None and not isinstance(value, kind):
            raise Refusal(400, f"{name} must be a {kind.__name__}", code="invalid_value")
    if ignored := [name for name in _IGNORED if event.data.get(name) is not None]:
        _log_ignored(", ".join(ignored))
    return wishes


def _sound(event: Event) -> Sound:
    try:
        rate, width = int(event.data["rate"]), int(event.data["width"])
        sound = Sound(rate, _FORMATS[width], int(event.data["channels"]))
    except _MALFORMED as error:
        told = "audio needs rate, channels, and a width of 1 to 4 bytes"
        raise Refusal(400, told, code="invalid_audio") from error
    sound.check()
    return sound


def _hotwords(wishes: Transcribe) -> Sequence[str]:
    """Names first, which matter more."""
    named = [*(wishes.transcript_names or ()), *(wishes.transcript_terms or ())]
    usable = [each for each in named if isinstance(each, str) and each.strip()]
    usable = list(dict.fromkeys(each for each in usable if len(each) <= LONGEST_PHRASE))
    if len(usable) > _MOST_HOTWORDS:
        _log_ignored(f"{len(usable) - _MOST_HOTWORDS} hotwords")
    return usable[:_MOST_HOTWORDS]


def _log_ignored(what: str) -> None:
    log.info("settings without effect", extra={"told": {"protocol": "wyoming", "settings": what}})


def _info(service: Service) -> Info:
    authors = Attribution("GigaAM", "https://github.com/salute-developers/GigaAM")
    models = [
        AsrModel(
            name=name,
            attribution=authors,
            installed=True,
            description=f"GigaAM {name}",
            version=None,
            languages=_languages(name),
        )
        for name in service.models.names
    ]
    program = AsrProgram(
        name="gigaam",
        attribution=authors,
        installed=True,
        description="Speech recognition with GigaAM models",
        version=gigaam.__version__,
        models=models,
        supports_transcript_streaming=True,
    )
    return Info(asr=[program])


def _languages(name: str) -> list[str]:
    """Those that a model is known for; Home Assistant shows none that has no language."""
    known = registry.resolve(name).languages if registry.is_known(name) else ()
    return list(known) or ["ru"]
