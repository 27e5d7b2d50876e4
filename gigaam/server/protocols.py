"""uvicorn's protocols, with limits of time where uvicorn waits without end.

A connection is cut off when its client does not read what was told last, or begins a message and
does not end it. uvicorn takes classes of asyncio's protocols; what is overridden here is theirs,
except `shutdown` and `handle_message`, which are uvicorn's own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import BytesMessage, TextMessage

from gigaam.server.service import Service

__all__ = ["BoundedHttp", "BoundedWebSocket"]

_MOST_LOOKS = 4
"""After so many a message must have ended. They are ``stall_s`` apart."""

_LAST_READ_S = 5.0
"""What was told has so long to be read when the server ends."""


class _Bounded(asyncio.Protocol):
    """Looks after a connection from time to time, and cuts it off if nothing happens."""

    def __init__(self, config: uvicorn.Config, **arguments: Any) -> None:
        super().__init__(config, **arguments)  # type: ignore[call-arg]
        app: Any = config.app
        service: Service = app.state.service
        self._stall_s = service.settings.stall_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._connection = transport
        self._unread: int | None = None  # bytes, at the last look; None while it is open
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._looking.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends."""
        super().shutdown()  # type: ignore[misc]
        if self._connection.is_closing():
            asyncio.get_running_loop().call_later(_LAST_READ_S, self._connection.abort)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(self._stall_s, self._look)

    def _look(self) -> None:
        if self._connection.get_protocol() is not self:  # it has become a websocket
            return
        before, self._unread = self._unread, None
        if self._connection.is_closing():
            self._unread = self._connection.get_write_buffer_size()
        is_stuck = before is not None and self._unread is not None and self._unread >= before
        if is_stuck or self._is_too_late():
            self._connection.abort()
        else:
            self._look_later()

    def _is_too_late(self) -> bool:
        """Whether what the client sends takes too long."""
        return False


class BoundedHttp(_Bounded, H11Protocol):
    """HTTP; how long a request may take is limited elsewhere."""


class BoundedWebSocket(_Bounded, WSProtocol):
    """A websocket, of which each message must end in time."""

    _looks_at_message: int | None = None  # None between messages

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits to send is let go: uvicorn does that only since 0.52.2."""
        super().connection_lost(exc)
        self.resume_writing()

    def handle_message(self, event: TextMessage | BytesMessage) -> None:
        """A part of a message has come."""
        super().handle_message(event)
        if event.message_finished:
            self._looks_at_message = None
        elif self._looks_at_message is None:
            self._looks_at_message = 0

    def _is_too_late(self) -> bool:
        if self._looks_at_message is None:
            return False
        self._looks_at_message += self._connection.is_reading()  # else it is the server that waits
        return self._looks_at_message > _MOST_LOOKS
