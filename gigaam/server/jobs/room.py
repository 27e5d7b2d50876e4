"""The jobs of a server that runs: let in, kept, worked at, forgotten."""

from __future__ import annotations

import asyncio
import math
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO, TypeVar, cast

from gigaam.errors import AudioError
from gigaam.server.answering import log
from gigaam.server.jobs.database import Database, is_full
from gigaam.server.jobs.job import Job, error_of
from gigaam.server.jobs.orders import Order
from gigaam.server.jobs.recordings import KeptRecording, Recordings, stamp_of
from gigaam.server.jobs.runner import Runner
from gigaam.server.jobs.store import JobStore
from gigaam.server.jobs.watchers import Watchers
from gigaam.server.known_speakers import check_recordings
from gigaam.server.listening import check_length, measured
from gigaam.server.refusals import Refusal, busy, refusal_of
from gigaam.server.service import Service
from gigaam.types import Segment

__all__ = ["Jobs"]

T = TypeVar("T")

_RETRY_S = 60.0
_MOST_DEATHS = 3
_SPARE_BYTES = 32 << 20  # of the disk, for results
_SHARE = 0.75  # of the places, that one client may have
_KEPT_S = 3600.0  # a result, however little room there is


class Jobs:
    """The jobs of a server. Its methods block, but for `do` and `place`: see `do`.

    Attributes:
        service: The server.
        store: What is known of them.
        recordings: What is recognised.
        watchers: Who waits for news.
    """

    def __init__(self, service: Service, watchers: Watchers) -> None:
        """The jobs that are kept in the server's directory; they are not worked at yet.

        Raises:
            ArgumentError: The directory cannot be used.
        """
        settings = service.settings
        assert settings.jobs_dir is not None
        self.service = service
        self.watchers = watchers
        self._database = Database(settings.jobs_dir)
        try:
            self.store = JobStore(self._database)
            self.recordings = Recordings(settings.jobs_dir / "uploads", settings.job_root)
            self._recover()
        except BaseException:
            self._database.close()
            raise
        self._runner = Runner(service, self.store, self.recordings, watchers.tell)
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="gigaam-job-store")
        self._arriving: Counter[str] = Counter()  # recordings that come, by client

    async def do(self, work: Callable[..., T], *arguments: object) -> T:
        """What a method returns, which is called in a thread: a disk may keep it waiting.

        Raises:
            Refusal: There is no room on the disk; or what the method raises.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, *arguments)
        except (sqlite3.OperationalError, OSError) as error:
            if not is_full(error):
                raise
            raise _no_room() from error

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """A place among those that wait, while its recording comes.

        Raises:
            Refusal: There is none, or none for this client.
        """
        most = self.service.settings.max_jobs
        own = self.store.open_by_client.get(client, 0) + self._arriving[client]
        if self.store.open_by_client.total() + self._arriving.total() >= most:
            raise busy(429, f"{most} jobs wait already: no more may", _RETRY_S, "queue_full")
        if own >= max(1, math.ceil(_SHARE * most)):
            told = f"{own} of your jobs wait already: the other places are for others"
            raise busy(429, told, _RETRY_S, "queue_full")
        self._arriving[client] += 1
        try:
            yield
        finally:
            self._arriving[client] -= 1
            self._arriving += Counter()  # forgets those of whom none is left

    def check_space(self, n_bytes: int) -> None:
        """Refuses uploads for which there is no room."""
        is_over = self._used_bytes + n_bytes > self.service.settings.max_job_bytes
        if is_over or n_bytes + _SPARE_BYTES > self.recordings.free_bytes:
            raise _no_room()

    def take(self, order: Order, client: str) -> Job:
        """A new job.

        Raises:
            Refusal: Its recording is not to be had, or too long.
            AudioError: Its recording is none.
        """
        id = f"job_{secrets.token_hex(12)}"
        check_recordings(order.wishes.known)
        name, stamp, seconds = self._kept(id, order)
        job = Job(
            id=id,
            client=client,
            model=self.service.models.resolve(order.wishes.model),
            filename=name,
            fields=order.fields,
            path=order.path,
            stamp=stamp,
            ignored=order.wishes.ignored,
            duration_s=seconds,
        )
        try:
            if order.references is not None:
                self.check_space(len(order.references))
                self.recordings.keep_references(id, order.references)
            job = self.store.add(job)
        except BaseException:
            self.recordings.drop(id)
            raise
        self._runner.wake()
        return job

    def look(self, id: str, first: int = 0, limit: int = -1) -> tuple[Job | None, list[Segment]]:
        """A job and some of its segments, as they are at one moment."""
        with self._database.reading():
            return self.store.get(id), self.store.segments(id, first, limit)

    def cancel(self, job: Job) -> Job:
        """A job that is not wanted any more.

        Raises:
            Refusal: It has come to another end before.
        """
        cancelled = self.store.cancel(job.id)
        if cancelled is None:
            found = self.store.get(job.id)
            if found is None or found.status != "cancelled":
                raise Refusal(409, "the job has ended already", code="job_finished")
            return found
        self._let_go(job.id)
        return cancelled

    def forget(self, id: str) -> None:
        """Delete a job and all that belongs to it."""
        self.store.delete(id)
        self._let_go(id)

    def sweep(self) -> None:
        """Forget jobs that ended long ago, and the oldest ones where there is no room."""
        settings, now = self.service.settings, self.store.now()
        for id in self.store.finished(before=now - settings.job_ttl_s):
            self.forget(id)
        for id in self.store.finished(before=now - _KEPT_S):
            if self._used_bytes <= settings.max_job_bytes:
                break
            self.forget(id)
        self._database.shrink()

    @property
    def _used_bytes(self) -> int:
        return self.recordings.used_bytes + self._database.used_bytes

    def start(self) -> None:
        """Work at them."""
        self._runner.start()

    def close(self) -> None:
        """End after the chunk at hand; what is not finished goes on when the server runs again."""
        self._runner.stop()
        self._executor.shutdown()
        self._database.close()

    def _kept(self, id: str, order: Order) -> tuple[str, tuple[int, int] | None, float | None]:
        """Name, stamp and seconds of a job's recording, which is kept if it was sent."""
        if order.upload is not None:
            seconds = self._measured(order, order.upload)
            self.check_space(_size(order.upload))
            self.recordings.keep(id, order.upload)
            return order.upload.name, None, seconds
        assert order.path is not None
        with self.recordings.rooted.open(order.path) as file:
            name = PurePath(order.path).name
            seconds = self._measured(order, cast(BinaryIO, KeptRecording(file, name)))
            return name, stamp_of(file), seconds

    def _measured(self, order: Order, source: BinaryIO) -> float | None:
        """Seconds by the header; what it shows to be no recording is refused."""
        try:
            seconds, n_channels = measured(source, order.wishes.options)
        except AudioError as error:
            refusal = refusal_of(error)
            refusal.param = "file" if order.path is None else "path"
            raise refusal from error
        if seconds is not None:
            check_length(seconds * n_channels, self.service.settings.max_duration_s)
        return seconds

    def _recover(self) -> None:
        """Take up what a server before this one has left."""
        going_on, poisonous = self.store.recover(_MOST_DEATHS)
        for id in poisonous:
            told = f"the server died {_MOST_DEATHS} times while it worked at this recording"
            self.store.fail(id, error_of(Refusal(500, told, code="crashed")), ())
            log.error("job is given up", extra={"told": {"job": id, "deaths": _MOST_DEATHS}})
        for id in going_on:
            log.info("job goes on", extra={"told": {"job": id}})
        self.recordings.drop_others({id for id, *_ in self.store.waiting()})

    def _let_go(self, id: str) -> None:
        self._runner.abandon(id)
        self.recordings.drop(id)
        self.watchers.tell(id)


def _size(file: BinaryIO) -> int:
    file.seek(0, 2)  # a spooled file says only from Python 3.11 on where that is
    return file.tell()


def _no_room() -> Refusal:
    return Refusal(507, "the server has no room for this job", code="no_space")
