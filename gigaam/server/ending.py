"""The end of a server: one deadline for all that is at work, and an answer for what misses it.

Servers of ASGI cancel what outlasts their patience: the client sees a connection that breaks off.
Here such a request gets an answer that says why, and when to come again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gigaam.server.answering import answer_error
from gigaam.server.refusals import Refusal, busy

__all__ = ["Ending", "EndingRequests"]

_RETRY_S = 5.0  # until there is a new server, or another one
_SENDING_S = 1.0  # for the last words to a client that may not read them


class Ending:
    """When what is at work must end. For the event loop alone, but for `hasten`."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._deadline: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_over(self) -> bool:
        """Whether what was at work had to end."""
        return self._over.is_set()

    @property
    def left_s(self) -> float | None:
        """Seconds until then; None while no end is in sight."""
        if self._deadline is None:
            return None
        return 0.0 if self.is_over else max(0.0, self._deadline - time.monotonic())

    async def wait(self) -> None:
        """Wait until what is at work must end."""
        await self._over.wait()

    def begin(self, seconds: float) -> None:
        """What is at work has so long from now on."""
        self._deadline = time.monotonic() + seconds
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(seconds, self._over.set)

    @asynccontextmanager
    async def in_time(self, opened: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
        """Something that is open meanwhile, and whose closing ends when all must."""
        await opened.__aenter__()
        try:
            yield
        finally:
            left_s = None if self.left_s is None else max(self.left_s, _SENDING_S)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(opened.__aexit__(None, None, None), left_s)

    def hasten(self) -> None:
        """It has no time any more; safe in handlers of signals."""
        if self._loop is None:
            self._over.set()
        else:
            self._loop.call_soon_threadsafe(self._over.set)


class EndingRequests:
    """Middleware that answers requests which have not ended when they must."""

    def __init__(self, app: ASGIApp, ending: Ending) -> None:
        self._app = app
        self._ending = ending
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer if that takes too long."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        work = asyncio.ensure_future(self._app(scope, receive, answer.send))
        over = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and answer.can_be_ended:
                await self._end(scope, receive, answer, work)
            else:
                await work
        finally:
            over.cancel()
            if not work.done():
                self._abandon(work)

    async def _end(
        self, scope: Scope, receive: Receive, answer: _Answer, work: asyncio.Future[None]
    ) -> None:
        """Tell the client, not before nobody else can; work ends with the chunk at hand."""
        answer.is_taken_over = True
        self._abandon(work)
        told = "the server ends before this was done: ask again"
        refusal = busy(503, told, _RETRY_S, "server_ends")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(answer.end(scope, receive, refusal), _SENDING_S)

    def _abandon(self, work: Any) -> None:
        self._left.add(work)
        work.add_done_callback(self._ended)
        work.cancel()

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._left.discard(work)
        if not work.cancelled():
            work.exception()  # the client was told another


class _Answer:
    """What is sent to a client, up to where another takes it over.

    Attributes:
        is_taken_over: What is sent further is not wanted.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_begun = self._is_complete = self._has_events = False
        self.is_taken_over = False

    @property
    def can_be_ended(self) -> bool:
        """Whether more can be said that a client understands."""
        return not self._is_begun or (self._has_events and not self._is_complete)

    async def send(self, message: Message) -> None:
        """Send part of it."""
        if self.is_taken_over:
            return
        if message["type"] == "http.response.start":
            self._is_begun = True
            kind = Headers(raw=message["headers"]).get("content-type", "")
            self._has_events = kind.startswith("text/event-stream")
        elif message["type"] == "http.response.body":
            self._is_complete = not message.get("more_body", False)
        await self._send(message)

    async def end(self, scope: Scope, receive: Receive, refusal: Refusal) -> None:
        """Send the refusal: as the answer, or as the last event."""
        if not self._is_begun:
            response = await answer_error(Request(scope), refusal)
            await response(scope, receive, self._send)
            return
        event = f"data: {json.dumps(refusal.body, ensure_ascii=False)}\r\n\r\n"
        await self._send({"type": "http.response.body", "body": event.encode()})
