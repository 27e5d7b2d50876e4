"""What was said in telephone calls: `/v1/calls/{uuid}/events`, for whoever wants to know.

Events of a call are kept from its beginning until a while after its end, without partials that a
later event has replaced. What is kept is bounded; who has missed something is told.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gigaam.server.event_streams import event_stream
from gigaam.server.refusals import Refusal, busy
from gigaam.server.service import Service, service_of
from gigaam.server.streams.ends import ServerEnds, Stalled, awaited

__all__ = ["Call", "Calls", "routes"]

_KEPT_S = 600.0
"""After its end a call is kept so long; so long subscribers wait for its beginning."""

_MOST_CALLS = 512
_MOST_CHARACTERS = 1_000_000  # of the events of one call
_MOST_OVER_CHARACTERS = 32_000_000  # of those of all that are over


class Call:
    """The events of one call. For the event loop alone.

    Attributes:
        uuid: What Asterisk calls it.
        is_there: Whether it has begun.
        is_over: Whether there are no more events.
        lost_to: Events before this number are not kept, for there were too many.
        n_characters: Of the events that are kept.
        n_subscribers: Who waits for them.
        changed: Set at the next change; another one then takes its place.
    """

    def __init__(self, uuid: UUID) -> None:
        self.uuid = uuid
        self.is_there = False
        self.is_over = False
        self.lost_to = 0
        self.n_characters = 0
        self.n_subscribers = 0
        self._kept: deque[tuple[int, str, bool]] = deque()  # number, event, whether it is passing
        self._n_told = 0
        self.changed = asyncio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        """A further event of the call."""
        while self._kept and self._kept[-1][2]:  # which this one replaces
            self.n_characters -= len(self._kept.pop()[1])
        text = json.dumps(event, ensure_ascii=False)
        self._kept.append((self._n_told, text, event["type"] == "partial"))
        self._n_told += 1
        self.n_characters += len(text)
        while self.n_characters > _MOST_CHARACTERS and len(self._kept) > 1:
            self.lost_to = self._kept[0][0] + 1
            self.n_characters -= len(self._kept.popleft()[1])
        self._wake()

    def end(self) -> None:
        """There are no more events."""
        self.is_over = True
        self._wake()

    def after(self, number: int) -> list[tuple[int, str]]:
        """The events that are kept from a number on, each with its own."""
        return [(each, text) for each, text, _ in self._kept if each >= number]

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Calls:
    """The calls that are kept. For the event loop alone."""

    def __init__(self) -> None:
        self._calls: dict[UUID, Call] = {}

    def begin(self, uuid: UUID) -> Call:
        """A call that begins.

        Raises:
            Refusal: It is there already, or there are too many.
        """
        call = self._calls.get(uuid)
        if call is not None and call.is_over:
            del self._calls[uuid]
        elif call is not None and call.is_there:
            raise Refusal(409, "this call is there already", code="call_exists")
        call = self.expected(uuid)
        call.is_there = True
        return call

    def expected(self, uuid: UUID) -> Call:
        """The call, or one that is yet to come."""
        if uuid not in self._calls:
            self._make_room()
            self._calls[uuid] = Call(uuid)
        return self._calls[uuid]

    def end(self, call: Call) -> None:
        """There are no more events; the call is forgotten after a while."""
        call.end()
        over = [each for each in self._calls.values() if each.is_over]
        while sum(each.n_characters for each in over) > _MOST_OVER_CHARACTERS:
            self._forget(over.pop(0))
        asyncio.get_running_loop().call_later(_KEPT_S, self._forget, call)

    def leave(self, call: Call) -> None:
        """A subscriber leaves; a call that never came is forgotten with the last one."""
        if not call.is_there and not call.n_subscribers:
            self._forget(call)

    def _forget(self, call: Call) -> None:
        if self._calls.get(call.uuid) is call:
            del self._calls[call.uuid]

    def _make_room(self) -> None:
        """The call that began first of those that are over makes room."""
        if len(self._calls) < _MOST_CALLS:
            return
        over = next((uuid for uuid, call in self._calls.items() if call.is_over), None)
        if over is None:
            raise busy(503, "too many calls are there", 60.0, "too_many_calls")
        del self._calls[over]


class _Subscription:
    """The answer to one subscriber, which has a connection for as long as it is sent."""

    def __init__(self, service: Service, calls: Calls, uuid: UUID) -> None:
        self._service = service
        self._calls = calls
        self._uuid = uuid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._service.slots.connection("calls"))
            call = self._calls.expected(self._uuid)
            call.n_subscribers += 1
            stack.callback(self._leave, call)
            response = event_stream(self._events(call), self._service.settings.stall_s)
            await response(scope, receive, send)

    def _leave(self, call: Call) -> None:
        call.n_subscribers -= 1
        self._calls.leave(call)

    async def _events(self, call: Call) -> AsyncIterator[ServerSentEvent]:
        number = 0
        closing = asyncio.create_task(self._service.closing.wait())
        try:
            while True:
                changed, found = call.changed, call.after(number)
                if number < call.lost_to:
                    yield _event({"type": "lost"})
                for each, text in found:
                    number = each + 1
                    yield ServerSentEvent(text)
                if found:
                    continue
                if call.is_over:
                    return
                await awaited(changed.wait(), closing, None if call.is_there else _KEPT_S)
        except Stalled:
            refusal = Refusal(404, "the call did not come", code="no_call")
            yield _event({"type": "error", "error": refusal.error})
        except ServerEnds:
            return
        finally:
            closing.cancel()


def _event(told: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(told, ensure_ascii=False))


def routes(calls: Calls) -> list[BaseRoute]:
    """The route to the events of calls."""

    async def events(request: Request) -> Response | _Subscription:
        try:
            uuid = UUID(request.path_params["uuid"])
        except ValueError as error:
            told = "a call is named by its UUID, as the dialplan gives it to AudioSocket"
            raise Refusal(404, told, code="invalid_value", param="uuid") from error
        return _Subscription(service_of(request), calls, uuid)

    return [Route("/v1/calls/{uuid}/events", events)]
