"""AudioSocket of Asterisk: the sound of a telephone call over TCP; its events are served by HTTP.

A message is a byte for its type, two for its length (big-endian), and the payload. The first one
holds the call's UUID, under which `gigaam.server.streams.calls` serves what is said.

Anybody who reaches the port may use it: the protocol knows no authentication.
"""

from __future__ import annotations

import struct
from asyncio import StreamReader, StreamWriter
from uuid import UUID

from gigaam.server.answering import log
from gigaam.server.refusals import Refusal
from gigaam.server.streams.calls import Calls, PhoneCall
from gigaam.server.streams.connections import Connection
from gigaam.server.streams.ends import Gone, ServerEnds, Stalled, together
from gigaam.server.streams.stream import LiveStream, Sound, told_event

__all__ = ["RATES", "AudioSocket"]

_HEADER = struct.Struct(">BH")

_HANG_UP, _UUID, _DTMF, _ERROR = 0x00, 0x01, 0x03, 0xFF

RATES = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Type of a message of sound, which is PCM of 16 bits, → its rate in Hz."""


class AudioSocket:
    """Hears one call."""

    def __init__(self, calls: Calls, connection: Connection) -> None:
        """An end of a call.

        Args:
            calls: Is told what is said in it.
            connection: From Asterisk.
        """
        self._calls = calls
        self._connection = connection
        self._call: PhoneCall | None = None
        self._kind = 0
        self._ending: Exception | None = None

    async def converse(self) -> None:
        """Until it is hung up, and all that was said is told."""
        kind, payload = await self._next(is_first=True)
        if kind != _UUID or len(payload) != 16:
            raise Refusal(400, "the first message must be the UUID of the call", code="no_uuid")
        self._call = self._calls.begin(UUID(bytes=payload))
        sound = await self._next_sound()
        if sound is None:
            return
        stream = await self._connection.live.stream(
            None,
            Sound(RATES[self._kind]),
            {"word_timestamps": True, "decoding": self._connection.service.settings.decoding},
        )
        await together(self._listen(stream, sound), self._tell(stream, self._call))
        if self._ending is not None:
            raise self._ending

    async def fail(self, refusal: Refusal) -> None:
        """Tell of an error, and hang up."""
        if self._call is not None:
            self._call.tell({"type": "error", "error": refusal.error})

        async def hang_up(writer: StreamWriter) -> None:
            writer.write(_HEADER.pack(_HANG_UP, 0))
            await writer.drain()

        await self._connection.sent(hang_up)

    def leave(self) -> None:
        """The call is over."""
        if self._call is not None:
            self._call.tell({"type": "hangup"})
            self._calls.end(self._call)

    async def _listen(self, stream: LiveStream, first: bytes) -> None:
        sound: bytes | None = first
        try:
            while sound is not None:
                await stream.put(sound)
                sound = await self._next_sound()
        except (Gone, Stalled, ServerEnds) as ending:  # what was said before is told all the same
            self._ending = ending
        stream.end()

    async def _tell(self, stream: LiveStream, call: PhoneCall) -> None:
        async for event in stream.events():
            call.tell(told_event(event))

    async def _next_sound(self) -> bytes | None:
        """Further sound; None when it is hung up."""
        assert self._call is not None
        while True:
            kind, payload = await self._next()
            if kind in RATES:
                self._kind = self._kind or kind
                if kind != self._kind:
                    raise Refusal(400, "the rate of a call cannot change", code="invalid_audio")
                if payload:
                    return payload
            elif kind == _DTMF:
                self._call.tell({"type": "dtmf", "digit": payload.decode("ascii", "replace")[:1]})
            elif kind in (_HANG_UP, _ERROR):
                return None
            else:
                told = {"protocol": "audiosocket", "type": f"{kind:#04x}"}
                log.info("message without effect", extra={"told": told})

    async def _next(self, *, is_first: bool = False) -> tuple[int, bytes]:
        """The type and the payload of the next message."""
        reading = _read(self._connection.reader)
        return await self._connection.received(reading, is_first=is_first)


async def _read(reader: StreamReader) -> tuple[int, bytes]:
    kind, size = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    return kind, await reader.readexactly(size)
