"""What was said in telephone calls: `/v1/calls/{uuid}/events`, for whoever wants to know.

Events of a call are kept from its beginning until a while after its end, without partials that a
later event has replaced. What is kept is bounded; who has missed something is told.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
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

__all__ = ["Calls", "PhoneCall", "routes"]

_KEPT_S = 600.0
"""After its end a call is kept so long; so long subscribers wait for its beginning."""

_MOST_CALLS = 512
_MOST_BYTES = 2_000_000  # of memory for the events of one call
_MOST_OVER_BYTES = 64_000_000  # for those of all that are over
_EVENT_BYTES = 112  # of memory for an event, besides its text


class PhoneCall:
    """The events of one call. For the event loop alone.

    Attributes:
        uuid: What Asterisk calls it.
        is_there: Whether it has begun.
        is_over: Whether there are no more events.
        lost_to: Events before this number are not kept, for there were too many.
        n_bytes: Of memory for the events that are kept.
        n_subscribers: Who waits for them.
        changed: Set at the next change; another one then takes its place.
    """

    def __init__(self, uuid: UUID) -> None:
        self.uuid = uuid
        self.is_there = False
        self.is_over = False
        self.lost_to = 0
        self.n_bytes = 0
        self.n_subscribers = 0
        self._kept: deque[tuple[int, str, bool]] = deque()  # number, event, whether it is passing
        self._n_told = 0
        self.changed = asyncio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        """A further event of the call."""
        while self._kept and self._kept[-1][2]:  # which this one replaces
            self.n_bytes -= _size(self._kept.pop()[1])
        text = json.dumps(event, ensure_ascii=False)
        self._kept.append((self._n_told, text, event["type"] == "partial"))
        self._n_told += 1
        self.n_bytes += _size(text)
        while self.n_bytes > _MOST_BYTES and len(self._kept) > 1:
            self.lost_to = self._kept[0][0] + 1
            self.n_bytes -= _size(self._kept.popleft()[1])
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
    """The calls that are kept, and those that somebody waits for. For the event loop alone."""

    def __init__(self, most_waiting: int = 64) -> None:
        """No calls.

        Args:
            most_waiting: Subscribers that may wait for the beginning of a call.
        """
        self._calls: dict[UUID, PhoneCall] = {}
        self._expected: dict[UUID, PhoneCall] = {}
        self._timers: dict[PhoneCall, asyncio.TimerHandle] = {}
        self._most_waiting = most_waiting

    def begin(self, uuid: UUID) -> PhoneCall:
        """A call that begins.

        Raises:
            Refusal: It is there already, or there are too many.
        """
        call = self._calls.get(uuid)
        if call is not None and not call.is_over:
            raise Refusal(409, "this call is there already", code="call_exists")
        if call is not None:
            self._forget(call)
        self._make_room()
        call = self._expected.pop(uuid, None) or PhoneCall(uuid)
        call.is_there = True
        self._calls[uuid] = call
        return call

    @contextmanager
    def subscribed(self, uuid: UUID) -> Iterator[PhoneCall]:
        """The call, or one that is yet to come, for somebody who wants its events.

        Raises:
            Refusal: It is not there, and too many others wait for theirs.
        """
        call = self._calls.get(uuid) or self._awaited(uuid)
        call.n_subscribers += 1
        try:
            yield call
        finally:
            call.n_subscribers -= 1
            if not call.is_there and not call.n_subscribers:
                del self._expected[uuid]

    def end(self, call: PhoneCall) -> None:
        """There are no more events; the call is forgotten after a while."""
        call.end()
        over = [each for each in self._calls.values() if each.is_over]
        while sum(each.n_bytes for each in over) > _MOST_OVER_BYTES:
            self._forget(over.pop(0))
        if self._calls.get(call.uuid) is call:
            loop = asyncio.get_running_loop()
            self._timers[call] = loop.call_later(_KEPT_S, self._forget, call)

    def _awaited(self, uuid: UUID) -> PhoneCall:
        n_waiting = sum(call.n_subscribers for call in self._expected.values())
        if n_waiting >= self._most_waiting:
            told = f"{n_waiting} others wait for calls that are not there yet"
            raise busy(503, told, 60.0, "too_many_waiting")
        return self._expected.setdefault(uuid, PhoneCall(uuid))

    def _forget(self, call: PhoneCall) -> None:
        del self._calls[call.uuid]
        if timer := self._timers.pop(call, None):
            timer.cancel()

    def _make_room(self) -> None:
        """The call that began first of those that are over makes room."""
        if len(self._calls) < _MOST_CALLS:
            return
        over = next((call for call in self._calls.values() if call.is_over), None)
        if over is None:
            raise busy(503, "too many calls are there", 60.0, "too_many_calls")
        self._forget(over)


class _Subscription:
    """The answer to one subscriber, which has a connection for as long as it is sent."""

    def __init__(self, service: Service, calls: Calls, uuid: UUID) -> None:
        self._service = service
        self._calls = calls
        self._uuid = uuid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._service.slots.connection("calls"))
            call = stack.enter_context(self._calls.subscribed(self._uuid))
            response = event_stream(self._events(call), self._service.settings.stall_s)
            await response(scope, receive, send)

    async def _events(self, call: PhoneCall) -> AsyncIterator[ServerSentEvent]:
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


def _size(text: str) -> int:
    return sys.getsizeof(text) + _EVENT_BYTES


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
