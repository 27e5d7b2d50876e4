"""What the rooms of a server share: its models, its limits, its threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from gigaam.errors import GigaAMError
from gigaam.server.admission import Admission
from gigaam.server.answering import log
from gigaam.server.metrics import Metrics
from gigaam.server.models import Models, load_recogniser
from gigaam.server.refusals import busy
from gigaam.server.settings import ServerSettings
from gigaam.server.slots import LiveSlots
from gigaam.server.speed import Speed
from gigaam.server.turns import FairTurns

if TYPE_CHECKING:
    from gigaam.server.jobs.room import Jobs
    from gigaam.server.models import Load

__all__ = ["LONG_S", "Service", "service_of"]

LONG_S = 60.0
"""Recordings that are longer take at most half of the places, so that short ones find one."""

_GUESSED_SPEED = 10.0  # until something was measured

_LIVE_THREADS = 64  # they wait for their turn most of the time


class Service:
    """A server that runs.

    Attributes:
        settings: What it was told.
        models: What recognises.
        metrics: What it counts.
        speed: How fast it recognises.
        admission: Which requests are taken.
        turns: Places for recordings.
        long_turns: Places for long ones, besides.
        slots: Places for live sessions.
        executor: Threads in which recordings are recognised.
        live_executor: Threads in which live sessions work.
        jobs: Recordings that are recognised in their own time; None if there are none.
        closing: Set when the server is about to end.
        failed: Set when it never will be able to answer.
        not_ready: Why it cannot answer yet, or any more; None if it can.
        no_speakers: Why speakers are not told apart, for clients; None if they are.
    """

    def __init__(self, settings: ServerSettings, load: Load | None = None) -> None:
        self.settings = settings
        load = load or partial(load_recogniser, device=settings.device)
        self.models = Models(settings.models, load, ttl_s=settings.model_ttl_s)
        self.metrics = Metrics()
        self.speed = Speed(_GUESSED_SPEED)
        self.admission = Admission(
            self.speed, max_wait_s=settings.max_wait_s, max_requests=settings.max_requests
        )
        self.turns = FairTurns(settings.at_once)
        self.long_turns = FairTurns(max(1, settings.at_once // 2))
        self.slots = LiveSlots(
            self.metrics, max_connections=settings.max_connections, max_live=settings.max_live
        )
        self.executor = ThreadPoolExecutor(
            settings.at_once, thread_name_prefix="gigaam-recognition"
        )
        self.live_executor = ThreadPoolExecutor(_LIVE_THREADS, thread_name_prefix="gigaam-live")
        self.jobs: Jobs | None = None
        self.closing = asyncio.Event()
        self.failed = asyncio.Event()
        self.not_ready: str | None = "the model is being loaded"
        self.no_speakers: str | None = "the server is about to start"
        self._measure()

    def _measure(self) -> None:
        gauge, admission = self.metrics.gauge, self.admission
        gauge("queue_audio_seconds", "Sound that requests wait for.", lambda: admission.waiting_s)
        gauge("requests_at_work", "Requests that are there.", lambda: admission.n_requests)
        gauge("speed", "Seconds of sound per second of work.", lambda: self.speed.value)
        gauge("ready", "Whether requests are answered.", lambda: self.not_ready is None)

    def begin(self) -> None:
        """Answer requests from now on, unless something has failed or the end has come."""
        if not self.failed.is_set() and not self.closing.is_set():
            self.not_ready = None

    def fail(self, reason: str, error: BaseException | None = None) -> None:
        """Never answer requests.

        Args:
            reason: Is told to clients as well.
            error: What happened, for the log.
        """
        self.not_ready = self.not_ready if self.failed.is_set() else reason
        self.failed.set()
        if error is None or isinstance(error, GigaAMError | OSError):
            log.error(": ".join([reason, *([str(error)] if error else [])]))
        else:
            log.error(reason, exc_info=error)

    def close(self) -> None:
        """The server is about to end: no new work, and what is at work comes to its end."""
        self.not_ready = "the server is about to end"
        self.closing.set()

    def check_ready(self) -> None:
        """Refuses requests while the server cannot answer them."""
        if self.not_ready is not None:
            raise busy(503, self.not_ready, 5.0, "not_ready")


def service_of(connection: HTTPConnection) -> Service:
    """The server that a request came to."""
    service: Service = connection.app.state.service
    return service
