"""One client at a websocket: messages with limits of time and size, errors, the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from gigaam.server.access import client_of
from gigaam.server.answering import log
from gigaam.server.refusals import Refusal, refusal_of
from gigaam.server.service import Service, service_of
from gigaam.server.streams.ends import Gone, ServerEnds, Stalled, awaited
from gigaam.server.streams.stream import Live

__all__ = ["MOST_BYTES", "Conversation", "hold", "log_end", "refusal_for"]

MOST_BYTES = 1 << 20
"""The largest message, where a protocol does not say otherwise."""

_MOST_REASON_BYTES = 120  # the protocol has room for 123


class Conversation:
    """What is said at a websocket that was accepted.

    Attributes:
        websocket: The connection.
        service: The server.
        live: Its live speech.
    """

    def __init__(
        self, websocket: WebSocket, protocol: str, closing: asyncio.Future[Any], most_bytes: int
    ) -> None:
        self.websocket = websocket
        self.service: Service = service_of(websocket)
        self.live = Live(self.service, protocol)
        self._closing = closing
        self._most_bytes = most_bytes

    async def receive(self) -> bytes | str:
        """The next message; a client that has a place must not let it wait for long.

        Raises:
            Gone: The client has left.
            Stalled: It has a place and sends nothing.
            ServerEnds: The server is about to end.
            Refusal: The message is too large.
        """
        timeout_s = self.service.settings.stall_s if self.live.has_place else None
        message = await awaited(self.websocket.receive(), self._closing, timeout_s)
        if message["type"] == "websocket.disconnect":
            raise Gone
        sent: bytes | str | None = message.get("bytes")
        if sent is None:
            sent = message.get("text") or ""
        if len(sent) > self._most_bytes:
            told = f"a message may have {self._most_bytes:,} bytes, not {len(sent):,}"
            raise Refusal(413, told, code="message_too_big")
        return sent

    async def tell(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            Gone: The client has left, or does not read.
        """
        text = json.dumps(message, ensure_ascii=False)
        # A client may have sent half of a pair of surrogates, which no message can hold.
        sendable = text.encode(errors="replace").decode()
        await self._sent(self.websocket.send_text(sendable))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the conversation."""
        short = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
        await self._sent(self.websocket.close(code, short))

    async def _sent(self, sending: Awaitable[None]) -> None:
        try:
            await asyncio.wait_for(sending, self.service.settings.stall_s)
        except (asyncio.TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            raise Gone from error


async def hold(
    websocket: WebSocket,
    protocol: str,
    converse: Callable[[Conversation], Awaitable[None]],
    error_message: Callable[[Refusal], dict[str, Any]],
    *,
    subprotocol: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> None:
    """A conversation from its beginning to its end, however that comes.

    Args:
        websocket: Not yet accepted.
        protocol: What is spoken, for measurements and the log.
        converse: Speaks it.
        error_message: The message of an error after which the connection is closed.
        subprotocol: Of those that the client offers, the one that is spoken.
        most_bytes: The largest message that is taken.
    """
    service, began, ended = service_of(websocket), time.perf_counter(), "done"
    await websocket.accept(subprotocol)
    closing = asyncio.create_task(service.closing.wait())
    talk = Conversation(websocket, protocol, closing, most_bytes)
    try:
        try:
            with service.slots.connection(protocol):
                await converse(talk)
        except ServerEnds:
            ended = "server ends"
            await talk.close(1001, "the server ends")
        except Gone:
            raise
        except Exception as error:
            refusal = refusal_for(error, service, protocol)
            ended = refusal.code or "refused"
            await talk.tell(error_message(refusal))
            await talk.close(_close_code(refusal), refusal.message)
    except Gone:
        ended = "client left"
    finally:
        closing.cancel()
        talk.live.leave()
        log_end(protocol, client_of(websocket), talk.live.sound_s, began, ended)


def refusal_for(error: Exception, service: Service, protocol: str) -> Refusal:
    """What an error is to a client of a stream; it is counted, and faults are told in the log."""
    if isinstance(error, Stalled):
        told = f"nothing came for {error.seconds:g} s"
        refusal = Refusal(408, told, code="stalled")
    else:
        refusal = refusal_of(error)
    if refusal.status >= 500 and not isinstance(error, Refusal):
        log.error("stream failed", exc_info=error, extra={"told": {"protocol": protocol}})
    service.metrics.errors.labels(refusal.code or str(refusal.status)).inc()
    return refusal


def log_end(protocol: str, client: str, sound_s: float, began: float, ended: str) -> None:
    """Tell the log of a connection that was there."""
    told = {
        "protocol": protocol,
        "client": client,
        "sound_s": round(sound_s, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "ended": ended,
    }
    log.info("stream", extra={"told": told})


def _close_code(refusal: Refusal) -> int:
    if refusal.status in (429, 503):
        return 1013
    if refusal.status == 413:
        return 1009
    return 1011 if refusal.status >= 500 else 1008
