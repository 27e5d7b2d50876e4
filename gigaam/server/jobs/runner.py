"""Works at jobs, one after another, in a thread of its own."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, BinaryIO, cast

from gigaam.recognition.scheduler import Priority
from gigaam.server.answering import log
from gigaam.server.answers import Transcript
from gigaam.server.jobs.database import is_full
from gigaam.server.jobs.job import Job, error_of
from gigaam.server.jobs.orders import wishes_of
from gigaam.server.jobs.recordings import Recordings
from gigaam.server.jobs.references import with_references
from gigaam.server.jobs.remembering import Memory, RememberingRecognition, signature
from gigaam.server.jobs.store import JobStore
from gigaam.server.known_speakers import calling_by_name
from gigaam.server.listening import check_length, spoken_language
from gigaam.server.refusals import Refusal, refusal_of
from gigaam.server.service import Service
from gigaam.server.warned import collected_warnings
from gigaam.server.work import Abandoned, Call, run
from gigaam.types import Segment

__all__ = ["Runner"]

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
_PATIENCE_S = 600.0  # with what may pass

_MAY_PASS = 503
_MOST_CLIENTS = 10_000  # whose last turn is known


class _NotNow(Exception):
    """A job failed for a reason that may pass."""


class Runner:
    """Works at jobs until it is stopped: at those of different clients in turns."""

    def __init__(
        self,
        service: Service,
        store: JobStore,
        recordings: Recordings,
        tell: Callable[[str], None],
        first_rest_s: float = _FIRST_REST_S,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """A runner that stands still.

        Args:
            service: The server.
            store: The jobs.
            recordings: What is to be recognised.
            tell: Called with the name of a job of which there is news.
            first_rest_s: So long a job waits first when the disk is full, or its model cannot be
                loaded; then twice as long.
            patience_s: So long it is tried again, but for a full disk: as long as that is full.
        """
        self._service, self._store, self._recordings = service, store, recordings
        self._tell = tell
        self._first_rest_s, self._patience_s = first_rest_s, patience_s
        self._turns: dict[str, int] = {}
        self._n_turns = 0
        self._wanted = Event()
        self._stopping = Event()
        self._current: tuple[str, Event] | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._loop, name="gigaam-jobs", daemon=True)

    def start(self) -> None:
        """Work."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._wanted.set()

    def abandon(self, id: str) -> None:
        """Work at a job ends after the chunk at hand, if it is at work."""
        with self._lock:
            if self._current is not None and self._current[0] == id:
                self._current[1].set()

    def stop(self) -> None:
        """End after the chunk at hand, and wait for that."""
        with self._lock:
            self._stopping.set()
            if self._current is not None:
                self._current[1].set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _loop(self) -> None:
        rest_s = self._first_rest_s
        while not self._stopping.is_set():
            self._wanted.clear()
            try:
                id = self._next()
                if id is None:
                    self._wanted.wait()
                else:
                    self._attend(id)
                rest_s = self._first_rest_s
            except Exception as error:  # of the store: without it nothing can be told to anybody
                log.error("jobs cannot go on; trying again", exc_info=error)
                self._stopping.wait(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_REST_S)

    def _next(self) -> str | None:
        """The job whose turn it is: one that was begun, or of whoever has waited longest."""
        waiting = self._store.waiting()
        if not waiting:
            return None
        begun = [id for id, _, is_begun in waiting if is_begun]
        if begun:
            return begun[0]
        id, client, _ = min(waiting, key=lambda each: self._turns.get(each[1], 0))
        if len(self._turns) > _MOST_CLIENTS:
            self._turns.clear()
        self._n_turns += 1
        self._turns[client] = self._n_turns
        return id

    def _attend(self, id: str) -> None:
        """Work at a job until it ends, or this does; from what may pass it rests."""
        abandoned, rest_s = Event(), self._first_rest_s
        last = time.monotonic() + self._patience_s
        with self._lock:
            self._current = id, abandoned
            if self._stopping.is_set():
                abandoned.set()
        try:
            while not abandoned.is_set():
                try:
                    self._work(id, abandoned, may_rest=time.monotonic() < last)
                    return
                except (sqlite3.OperationalError, OSError, _NotNow) as error:
                    why = str(error) if isinstance(error, _NotNow) else type(error).__name__
                    told = {"job": id, "again_in_s": rest_s, "why": why}
                    log.error("job waits", extra={"told": told})
                abandoned.wait(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_REST_S)
        finally:
            with self._lock:
                self._current = None

    def _work(self, id: str, abandoned: Event, may_rest: bool) -> None:
        job = self._store.begin(id)
        if job is None:
            return
        self._tell(id)
        log.info("job begins", extra={"told": {"job": id, "model": job.model}})
        attempt = _Attempt(
            self._service, self._store, self._recordings, job, abandoned, self._tell, may_rest
        )
        try:
            attempt.run()
        except Abandoned:
            log.info("job is interrupted", extra={"told": {"job": id}})
            return
        finally:
            self._store.pause(id)
        self._ended(id)

    def _ended(self, id: str) -> None:
        self._recordings.drop(id)
        self._tell(id)
        job = self._store.get(id)
        if job is not None:
            code = job.error and job.error["code"]
            told = {"job": id, "status": job.status, "duration_s": job.duration_s, "code": code}
            log.info("job ends", extra={"told": told})


@dataclass
class _Attempt:
    """One attempt to recognise a job's recording."""

    service: Service
    store: JobStore
    recordings: Recordings
    job: Job
    abandoned: Event
    tell: Callable[[str], None]
    may_rest: bool
    done_s: float = 0.0
    heard_s: float = 0.0
    n_kept: int = 0
    coming: list[Segment] = field(default_factory=list)

    def run(self) -> None:
        """Have the store know what comes of it.

        Raises:
            Abandoned: It is not wanted any more, or not now.
            sqlite3.OperationalError: It cannot be stored, as the disk is full.
            OSError: Likewise.
            _NotNow: It failed, and may be tried again.
        """
        with collected_warnings() as warnings:
            try:
                found = self._transcript(warnings)
            except Abandoned:
                raise
            except Exception as error:
                if isinstance(error, sqlite3.OperationalError) or is_full(error):
                    raise
                refusal = self._refusal(error)
                if refusal.status == _MAY_PASS and self.may_rest:
                    raise _NotNow(refusal.code) from error
                self.store.fail(self.job.id, error_of(refusal), warnings)
                return
        self.store.succeed(
            self.job.id,
            found.segments,
            text=found.text,
            duration_s=found.duration_s,
            language=found.language,
            warnings=found.warnings,
        )

    def _transcript(self, warnings: list[str]) -> Transcript:
        service, job = self.service, self.job
        if job.model not in service.models.names:
            told = f"the server does not have the model {job.model} any more"
            raise Refusal(400, told, code="model_unavailable", param="model")
        references = self.recordings.references(job.id)
        wishes = wishes_of(with_references(job.fields, references), service)
        with (
            self.recordings.opened(job) as recording,
            service.models.borrowed(job.model) as loaded,
        ):
            language = spoken_language(wishes, loaded.model)
            # Not the client alone: its requests would have to wait behind its jobs.
            whose: dict[str, Any] = {"caller": ("job", job.client), "priority": Priority.BULK}
            recognizer = loaded.model.recognizer(
                wishes.options.get("decoding"), batcher=loaded.batcher, **whose
            )
            known = partial(signature, recognizer)  # which short recordings never need
            memory = Memory(self.store, job.id, known, self._heard, service.speed.working)
            model = RememberingRecognition(loaded.model, loaded.batcher, memory, **whose)
            source = cast(BinaryIO, recording)
            call = self._call(memory)
            options = calling_by_name(wishes.options, wishes.known, call.check)
            outcome = run(model, loaded.batch_size, source, job.duration_s, options, call)
            if not self.heard_s and not self.n_kept:  # a short one, which nobody remembers
                service.metrics.sound_s.labels("job").inc(outcome.duration_s)
        assert not isinstance(outcome.result, Exception)
        found = outcome.result
        return Transcript.of(found, outcome.duration_s, job.model, language, warnings)

    def _call(self, memory: Memory) -> Call:
        def check() -> None:
            if memory.failure is not None:
                raise memory.failure

        def segment(found: Segment) -> None:
            check()
            self.coming.append(found)

        def progress(further_s: float) -> None:
            check()
            self.done_s += further_s
            check_length(self.done_s, self.service.settings.max_duration_s)
            self.store.progress(self.job.id, self.done_s, self.n_kept, self.coming)
            self.n_kept += len(self.coming)
            self.coming.clear()
            self.tell(self.job.id)

        return Call(
            self.job.client,
            Priority.BULK,
            on_progress=progress,
            on_segment=segment,
            abandoned=self.abandoned,
        )

    def _heard(self, seconds: float) -> None:
        self.heard_s += seconds
        self.service.speed.done(seconds)
        self.service.metrics.sound_s.labels("job").inc(seconds)

    def _refusal(self, error: Exception) -> Refusal:
        refusal = refusal_of(error)
        if refusal.status >= 500:
            cause = error.__cause__ if isinstance(error, Refusal) else error
            log.error("job failed", exc_info=cause, extra={"told": {"job": self.job.id}})
        if self.job.path is not None and refusal.param == "file":
            refusal.param = "path"
        return refusal
