"""``POST /v1/audio/transcriptions``: a recording in, its text out, at once or as it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gigaam.server.access import client_of
from gigaam.server.answering import log
from gigaam.server.answers import (
    Transcript,
    answer,
    delta,
    diarized_segment,
    done_event,
    notes,
    segment_event,
)
from gigaam.server.event_streams import event_stream
from gigaam.server.form_fields import FormFields
from gigaam.server.listening import Listening
from gigaam.server.refusals import refusal_of
from gigaam.server.service import LONG_S, Service, service_of
from gigaam.server.uploads import check_size, read_form, stated_size, upload_of
from gigaam.server.wishes import Wishes
from gigaam.server.work import Call
from gigaam.types import Segment

__all__ = ["routes"]

T = TypeVar("T")


async def transcribe(request: Request) -> ASGIApp:
    """The text of a recording."""
    async with AsyncExitStack() as stack:
        service = service_of(request)
        listening = await _opened(request, service, stack)
        stream = _Stream(listening, service.settings.stall_s)
        work = asyncio.create_task(listening.transcript(stream.take))
        stack.push_async_callback(_ended, work)
        if not listening.wishes.stream:
            await _while_connected(request, work)
            return await _made(answer, work.result(), listening.wishes)
        first = asyncio.create_task(stream.first(work))
        stack.push_async_callback(_ended, first)
        await _while_connected(request, first)
        return _Closing(stream.response(work), stack.pop_all())


async def _opened(request: Request, service: Service, stack: AsyncExitStack) -> Listening:
    """What the request asks for, once it is let in and read; open as long as the stack."""
    service.check_ready()
    check_size(request, service.settings)
    client = client_of(request)
    ticket = stack.enter_context(service.admission.admitted(client, stated_size(request)))
    form = await stack.enter_async_context(read_form(request, service.settings))
    wishes = Wishes.read(FormFields(form), service.settings.decoding, service.no_speakers)
    return Listening(service, wishes, upload_of(form), ticket, Call(client))


async def _made(
    make: Callable[[Transcript, Wishes], T], transcript: Transcript, wishes: Wishes
) -> T:
    """An answer; hours of speech take a second, in which others must not wait."""
    if transcript.duration_s <= LONG_S:
        return make(transcript, wishes)
    return await asyncio.to_thread(make, transcript, wishes)


async def _while_connected(request: Request, work: asyncio.Task[object]) -> None:
    """Waits for work as long as somebody waits for its result; raises what it raised."""
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not work.done():
        raise ClientDisconnect
    work.result()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(work: asyncio.Task[object]) -> None:
    """Ends work that nobody wants any more, and waits until it has ended."""
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled():
        work.exception()  # which was told, or is of no interest any more


class _Stream:
    """The events of a recording that is recognised."""

    def __init__(self, listening: Listening, stall_s: float) -> None:
        self._wishes = listening.wishes
        self._model = listening.service.models.resolve(listening.wishes.model)
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        self._next: Segment | None = None
        self._n_told = 0

    def take(self, segment: Segment) -> None:
        """Have a segment be told; from any thread."""
        self._loop.call_soon_threadsafe(self._segments.put_nowait, segment)

    async def first(self, work: asyncio.Task[Transcript]) -> None:
        """Wait until there is something to tell; what fails before can still have a status."""
        work.add_done_callback(lambda _: self._segments.put_nowait(None))
        self._next = await self._segments.get()
        if work.done():
            work.result()

    def response(self, work: asyncio.Task[Transcript]) -> EventSourceResponse:
        """The answer; a client that does not read it is dropped."""
        return event_stream(self._events(work), self._stall_s, notes(self._model, self._wishes))

    async def _events(self, work: asyncio.Task[Transcript]) -> AsyncIterator[ServerSentEvent]:
        while (segment := self._next) is not None:
            for event in self._of(segment):
                yield event
            self._next = await self._segments.get()
        try:
            transcript = work.result()
        except Exception as error:
            refusal = refusal_of(error)
            if refusal.status >= 500:
                log.error("failed while streaming", exc_info=error)
            yield _event(refusal.body)
            return
        if not self._n_told:  # a short recording, which has no segments while it is recognised
            for segment in transcript.segments:
                for event in self._of(segment):
                    yield event
        yield _event(await _made(done_event, transcript, self._wishes))

    def _of(self, segment: Segment) -> list[ServerSentEvent]:
        text = segment.text.strip()
        if not text:
            return []
        is_diarized = self._wishes.response_format == "diarized_json"
        told = delta(text, self._n_told == 0, self._n_told if is_diarized else None)
        events = [_event(told)]
        if self._wishes.response_format == "verbose_json":
            events.insert(0, _event(segment_event(segment, self._n_told)))
        elif is_diarized:
            events.append(_event(diarized_segment(segment, self._n_told)))
        self._n_told += 1
        return events


def _event(told: object) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(told, ensure_ascii=False))


class _Closing:
    """An answer, with what is to be closed when it was sent, or could not be."""

    def __init__(self, response: ASGIApp, stack: AsyncExitStack) -> None:
        self._response = response
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        async with self._stack:
            await self._response(scope, receive, send)


routes: list[BaseRoute] = [Route("/v1/audio/transcriptions", transcribe, methods=["POST"])]
