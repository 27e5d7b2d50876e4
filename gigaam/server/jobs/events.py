"""``GET /v1/jobs/ID/events``: what becomes of a job, as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from gigaam.server.event_streams import event_stream
from gigaam.server.jobs.job import Job
from gigaam.server.jobs.plain import segment_event
from gigaam.server.jobs.room import Jobs
from gigaam.server.refusals import Refusal

__all__ = ["events_of"]

_AT_ONCE = 200  # segments that are read together


def events_of(request: Request, jobs: Jobs, job: Job) -> EventSourceResponse:
    """The events of a job; those of segments begin after the one that the client had last.

    A status comes first, and whenever it changes; of a job that has ended, after its segments: a
    status that will not change any more is the last event. A client that does not read is dropped.
    """
    events = _Events(jobs, job, _first_segment(request)).all()
    return event_stream(events, jobs.service.settings.stall_s)


def _first_segment(request: Request) -> int:
    """The number of the first segment to tell."""
    last = request.headers.get("last-event-id", "").strip()
    if not last:
        return 0
    if not (last.isascii() and last.isdigit() and len(last) < 10):
        told = f"Last-Event-ID must be the number of a segment, not {last[:100]!r}"
        raise Refusal(400, told, code="invalid_value", param="Last-Event-ID")
    return int(last) + 1


class _Events:
    def __init__(self, jobs: Jobs, job: Job, first: int) -> None:
        self._jobs = jobs
        self._job = job
        self._n = first
        self._status: str | None = None  # that was told last
        self._progress: object = None
        self._is_more = False  # than was read together

    async def all(self) -> AsyncIterator[ServerSentEvent]:
        with self._jobs.watchers.watching(self._job.id) as news:
            while not self._jobs.service.closing.is_set():
                news.clear()
                for event in await self._jobs.do(self._news):
                    yield event
                if self._is_more:
                    continue
                if self._job.is_finished:
                    return
                await news.wait()

    def _news(self) -> list[ServerSentEvent]:
        """What there is to be told now."""
        job, segments = self._jobs.look(self._job.id, self._n, _AT_ONCE)
        if job is None:  # it was deleted
            ended = self._job.is_finished
            job = self._job if ended else replace(self._job, status="cancelled")
        self._job = job
        events: list[ServerSentEvent] = []
        if self._status is None and not job.is_finished:
            events.append(self._told_status())
        for number, segment in enumerate(segments, self._n):
            events.append(_event("segment", segment_event(segment), str(number)))
        self._n += len(segments)
        self._is_more = len(segments) == _AT_ONCE
        if self._is_more:
            return events
        if job.progress != self._progress:
            self._progress = job.progress
            events.append(_event("progress", job.progress))
        if job.status != self._status:
            events.append(self._told_status())
        return events

    def _told_status(self) -> ServerSentEvent:
        self._status = self._job.status
        return _event("status", self._job.told(self._jobs.service.settings.job_ttl_s))


def _event(kind: str, told: object, id: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(told, ensure_ascii=False), event=kind, id=id)
