"""Jobs: long recordings, recognised in their own time, whatever becomes of the server meanwhile.

A job is kept in a SQLite database, its upload beside it. If the process dies, the job goes on when
the server runs again; chunks that were recognised before are not recognised again, and the result
is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.routing import BaseRoute

from gigaam.server.answering import log
from gigaam.server.jobs.room import Jobs
from gigaam.server.jobs.routes import job_routes
from gigaam.server.jobs.watchers import Watchers
from gigaam.server.service import Service

__all__ = ["pages", "running"]

_SWEEP_EVERY_S = 60.0
_READY_EVERY_S = 0.1


def pages(service: Service) -> list[BaseRoute]:
    """The pages of jobs; none if the server keeps none."""
    return [] if service.settings.jobs_dir is None else list(job_routes)


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """Jobs are taken and worked at for as long as this is open.

    Raises:
        ArgumentError: They cannot be kept in the server's directory.
    """
    if service.settings.jobs_dir is None:
        yield
        return
    jobs = await asyncio.to_thread(Jobs, service, Watchers())
    tasks: list[asyncio.Task[None]] = []
    try:
        service.jobs = jobs
        for name, status in (("waiting", "queued"), ("running", "running")):
            _measure(jobs, name, status)
        works = (_start_when_ready, _sweep, _end_streams)
        tasks += [asyncio.create_task(each(jobs)) for each in works]
        yield
    finally:
        for task in tasks:
            task.cancel()
        jobs.watchers.tell_all()
        await asyncio.to_thread(jobs.close)


def _measure(jobs: Jobs, name: str, status: str) -> None:
    told = f"Jobs that are {name}."
    jobs.service.metrics.gauge(f"jobs_{name}", told, lambda: jobs.store.counts.get(status, 0))


async def _start_when_ready(jobs: Jobs) -> None:
    """Jobs that wait do not fail because the server has no model: it ends, and they stay."""
    while jobs.service.not_ready is not None:
        await asyncio.sleep(_READY_EVERY_S)
    jobs.start()


async def _end_streams(jobs: Jobs) -> None:
    """Streams of events would keep a server that is about to end."""
    await jobs.service.closing.wait()
    jobs.watchers.tell_all()


async def _sweep(jobs: Jobs) -> None:
    while True:
        try:
            await jobs.do(jobs.sweep)
        except Exception as error:
            log.error("finished jobs cannot be deleted", exc_info=error)
        await asyncio.sleep(_SWEEP_EVERY_S)
