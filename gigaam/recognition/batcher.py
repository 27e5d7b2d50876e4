"""One encoder for many callers: what `gigaam.recognition.scheduler` decides, done.

Callers wait for futures, and whoever waits does the work.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ArgumentError
from gigaam.recognition.scheduler import Item, Limits, Priority, Scheduler

__all__ = ["Batcher", "Recognize"]

Waveform = NDArray[np.float32]
Recognize = Callable[[Sequence[Waveform]], Sequence[Any]]
"""Gives the results of waveforms, each float32 [n], mono, 16 kHz."""

_RELEASED = np.empty(0, np.float32)


@dataclass(eq=False)
class _Call:
    """What a call says about all of its recordings."""

    recognize: Recognize
    caller: Hashable
    priority: Priority
    limits: Limits | None
    fails_together: bool


@dataclass(eq=False)
class _Job:
    """A recording and the future of its result; what is done holds neither."""

    call: _Call
    waveform: Waveform
    future: Future[Any] | None = field(default_factory=Future)

    @property
    def is_done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.future is None or self.future.done()

    def succeed(self, result: Any) -> None:
        """Hand the result over, unless it was cancelled."""
        if self.future is not None and self.future.set_running_or_notify_cancel():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Hand an error over, unless it was cancelled."""
        if self.future is not None and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Batcher:
    """Recognises recordings of many callers, together where that is possible.

    It has no thread: whoever waits for results runs the batches that come next, be they its own or
    another's. Threads may share it.
    """

    def __init__(self, limits: Limits | None = None, n_parallel: int = 1) -> None:
        """A batcher without work.

        Args:
            limits: How large batches may be, whatever the callers say; by default they say it.
            n_parallel: Batches that are recognised at the same time.
        """
        if n_parallel < 1:
            raise ArgumentError(f"n_parallel must be at least 1, not {n_parallel}")
        self._scheduler: Scheduler[_Job] = Scheduler(limits)
        self._n_parallel = n_parallel
        self._n_running = 0
        self._changed = Condition()

    def submit(
        self,
        waveforms: Sequence[Waveform],
        recognize: Recognize,
        *,
        caller: Hashable = None,
        priority: Priority = Priority.INTERACTIVE,
        limits: Limits | None = None,
        fails_together: bool = False,
    ) -> list[Future[Any]]:
        """Have recordings wait to be recognised.

        Args:
            waveforms: Each float32 [n], mono, 16 kHz.
            recognize: Gives the results of a batch; recordings of equal ones share batches.
            caller: Who is to get a fair share, in order; by default each call by itself.
            priority: Whether others go first.
            limits: As for `Scheduler.add`.
            fails_together: Whether a batch of this call alone fails as a whole. Others that fail
                are tried again one by one: too large for the memory, or spoilt by one recording.

        Returns:
            The futures of their results, in order. They come true while somebody is in `wait`;
            those that are cancelled are not recognised any more.
        """
        if caller is None:
            caller = object()
        call = _Call(recognize, caller, priority, limits, fails_together)
        items, futures = [], []
        for waveform in waveforms:
            job = _Job(call, waveform)
            assert job.future is not None
            items.append(Item(job, len(waveform)))
            futures.append(job.future)
        with self._changed:
            self._add(call, items)
            self._changed.notify_all()
        for item, future in zip(items, futures, strict=True):
            future.add_done_callback(partial(self._release, item))
        return futures

    def wait(
        self,
        futures: Sequence[Future[Any]],
        tell: Callable[[int], Any] = lambda n_done: None,
        *,
        to_first_error: bool = False,
    ) -> None:
        """Work until futures of `submit` have come true, failed or been cancelled.

        Args:
            futures: Those that are waited for.
            tell: Told how many are done whenever more are.
            to_first_error: Whether to return as soon as one has failed.
        """
        n_told = 0
        while True:
            if to_first_error and _any_failed(futures):
                return
            n_done = sum(future.done() for future in futures)
            if n_done > n_told:
                n_told = n_done
                tell(n_told)
            if n_done == len(futures):
                return
            self._advance(futures, n_done)

    def _advance(self, futures: Sequence[Future[Any]], n_done: int) -> None:
        """Run one batch, or wait until other threads have done more of the futures."""

        def is_further() -> bool:
            return sum(future.done() for future in futures) > n_done

        batch: list[Item[_Job]] = []
        try:
            with self._changed:
                self._changed.wait_for(lambda: is_further() or self._may_run())
                if is_further():
                    return
                batch = self._scheduler.take()
                self._n_running += 1
            self._run([item.payload for item in batch])
        except BaseException:  # an interruption of this thread is none of the others
            self._put_back(batch)
            raise
        finally:
            if batch:
                with self._changed:
                    self._n_running -= 1
                    self._changed.notify_all()

    def _may_run(self) -> bool:
        return self._n_running < self._n_parallel and len(self._scheduler) > 0

    def _put_back(self, batch: Sequence[Item[_Job]]) -> None:
        with self._changed:
            self._scheduler.put_back([item for item in batch if not item.payload.is_done])

    def _add(self, call: _Call, items: Sequence[Item[_Job]]) -> None:
        self._scheduler.add(
            items,
            caller=call.caller,
            kind=call.recognize,
            priority=call.priority,
            limits=call.limits,
        )

    def _run(self, jobs: Sequence[_Job]) -> None:
        """Recognise a batch; if it fails, its recordings one by one."""
        given = [(job, job.waveform) for job in jobs]  # before it is known who still waits
        given = [(job, waveform) for job, waveform in given if not job.is_done]
        if not given:
            return
        call = given[0][0].call
        fails_together = call.fails_together and all(job.call is call for job, _ in given)
        try:
            results = call.recognize([waveform for _, waveform in given])
            if len(results) != len(given):
                raise ValueError(f"{len(given)} recordings gave {len(results)} results")
        except Exception as error:
            if not fails_together:
                # The error may live as long as the results: let it not hold the tensors it was
                # raised over.
                traceback.clear_frames(error.__traceback__)
            if fails_together or len(given) == 1:
                for job, _ in given:
                    job.fail(error)
                given.clear()  # which the error's traceback would hold
                return
        else:
            for (job, _), result in zip(given, results, strict=True):
                job.succeed(result)
            return
        for job, _ in given:
            self._run([job])

    def _release(self, item: Item[_Job], future: Future[Any]) -> None:
        """Let go of a recording whose future is done or was cancelled."""
        with self._changed:
            self._scheduler.cancel(item)
            if future.cancelled():  # whoever waits for it may be another
                self._changed.notify_all()
        item.payload.waveform = _RELEASED
        item.payload.future = None  # whose callback this is


def _any_failed(futures: Sequence[Future[Any]]) -> bool:
    done = (future for future in futures if future.done() and not future.cancelled())
    return any(future.exception() is not None for future in done)
