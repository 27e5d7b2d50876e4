"""Processes of this machine, each with a model and threads of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from gigaam.bulk.environment import environment, of_threads
from gigaam.bulk.executors import Event, ShardAt, ShardDone, ShardFailed, WorkerLost
from gigaam.bulk.shard import ShardTask
from gigaam.errors import ArgumentError, BulkError

__all__ = ["LocalExecutor", "usable_cores"]

_MOST_DEATHS = 3  # of workers that have not begun: others would not, either
_MOST_IN_VAIN = 50  # deaths without a shard that is done: not a recording's doing any more
_SILENCE_S = 1800.0
_TOLD_EVERY_S = 1.0  # of sound: what is told more often only costs time
_END_S = 10.0
_READY = "ready"  # says a worker that has its model


class LocalExecutor:
    """So many processes of so many threads.

    Attributes:
        workers: Processes.
        threads: Of each.
    """

    def __init__(self, workers: int | None = None, threads: int | None = None) -> None:
        """Processes; by default one of one thread for each core, which is fastest for most.

        Args:
            workers: How many; by default as many as there are cores for.
            threads: Of each; by default all cores are shared out, and each has one at least.

        Raises:
            ArgumentError: A number is below 1.
        """
        for name, given in (("workers", workers), ("threads", threads)):
            if given is not None and given < 1:
                raise ArgumentError(f"{name} must be a number from 1 on, not {given}")
        cores = usable_cores()
        self.threads = threads or max(1, len(cores) // (workers or len(cores)))
        self.workers = workers or max(1, len(cores) // self.threads)
        self._cores = cores

    @property
    def called(self) -> str:
        """What it is, for people."""
        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        return f"{processes} of {'1 thread' if self.threads == 1 else f'{self.threads} threads'}"

    def run(self, task: ShardTask, shards: Iterable[int]) -> Generator[Event, None, None]:
        """Does shards; see `gigaam.bulk.executors.Executor`."""
        cores = [self._cores_of(number) for number in range(self.workers)]
        crew = _Crew(replace(task, threads=self.threads), self.threads, cores)
        try:
            yield from crew.work(iter(shards))
        finally:
            crew.end()

    def _cores_of(self, number: int) -> list[int]:
        """The cores of a worker; all where there are not enough for each to have its own."""
        first = number * self.threads
        own = self._cores[first : first + self.threads]
        return own if len(self._cores) >= self.workers * self.threads else self._cores


def usable_cores() -> list[int]:
    """The processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    cores: Sequence[int]
    shard: int | None = None
    has_begun: bool = False
    heard_at: float = field(default_factory=time.monotonic)


class _Crew:
    """Workers, and the shards that they are given."""

    def __init__(self, task: ShardTask, threads: int, cores: Sequence[Sequence[int]]) -> None:
        self._task, self._threads, self._cores = task, threads, cores
        self._workers: list[_Worker] = []
        self._again: deque[int] = deque()
        self._n_deaths = self._n_in_vain = 0
        self._is_ending = False

    def work(self, shards: Iterator[int]) -> Iterator[Event]:
        """What happens until all shards are done, or one has failed."""
        for cores in self._cores:
            if not self._start(cores, shards):
                break
        while self._workers:
            by_pipe = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(by_pipe), _SILENCE_S / 10):
                worker = by_pipe[pipe]  # type: ignore[index]
                worker.heard_at = time.monotonic()
                try:
                    event = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._lost(worker, shards)
                    continue
                if event == _READY:
                    worker.has_begun = True
                    continue
                if isinstance(event, ShardFailed):
                    self._is_ending = True
                yield event
                if isinstance(event, ShardDone):
                    self._n_in_vain = 0
                if not isinstance(event, ShardAt):
                    self._give(worker, shards)
            self._kill_silent()

    def _kill_silent(self) -> None:
        """Workers of which nothing is heard hang; it will be seen that they have died."""
        for worker in self._workers:
            if time.monotonic() - worker.heard_at > _SILENCE_S:
                worker.process.kill()

    def end(self) -> None:
        """No worker is left."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_END_S)
            if worker.process.is_alive():
                worker.process.kill()
            worker.pipe.close()

    def _start(self, cores: Sequence[int], shards: Iterator[int]) -> bool:
        shard = self._next(shards)
        if shard is None:
            return False
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(self._task, theirs, list(cores)), name="gigaam-bulk", daemon=True
        )
        with environment(of_threads(self._threads)), _without_main():
            process.start()
        theirs.close()
        worker = _Worker(process, ours, cores, shard)
        self._workers.append(worker)
        self._send(worker, shard)
        return True

    def _next(self, shards: Iterator[int]) -> int | None:
        if self._is_ending:
            return None
        return self._again.popleft() if self._again else next(shards, None)

    def _give(self, worker: _Worker, shards: Iterator[int]) -> None:
        worker.shard = self._next(shards)
        self._send(worker, worker.shard)
        if worker.shard is None:
            self._workers.remove(worker)
            worker.process.join(_END_S)
            worker.pipe.close()

    def _send(self, worker: _Worker, shard: int | None) -> None:
        with suppress(OSError):  # it has died, which will be seen
            worker.pipe.send(shard)

    def _lost(self, worker: _Worker, shards: Iterator[int]) -> Iterator[Event]:
        self._workers.remove(worker)
        worker.process.join(_END_S)
        worker.pipe.close()
        assert worker.shard is not None
        reason = _ended(worker.process.exitcode)
        self._n_deaths = 0 if worker.has_begun else self._n_deaths + 1
        self._n_in_vain += 1
        yield WorkerLost(worker.shard, reason)
        if self._n_deaths >= _MOST_DEATHS * len(self._cores) and not self._is_ending:
            raise BulkError(f"workers end again and again before they begin: {reason}")
        if self._n_in_vain >= _MOST_IN_VAIN and not self._is_ending:
            told = f"{self._n_in_vain} workers have ended since a shard was done: {reason}"
            raise BulkError(told)
        if not self._is_ending:
            self._again.append(worker.shard)
            self._start(worker.cores, shards)


@contextmanager
def _without_main() -> Iterator[None]:
    """Workers need nothing of the program that starts them: it is not run again in each of them."""
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {
        name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)
    }
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _serve(task: ShardTask, pipe: Connection, cores: Sequence[int]) -> None:
    """A worker: shard after shard, until it is told that there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has started it will end it
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)
    shard: int | None = None
    try:
        worker = task.open()
        pipe.send(_READY)
        while (shard := pipe.recv()) is not None:
            pipe.send(ShardDone(shard, worker.do(shard, _Told(pipe, shard))))
    except EOFError:  # nobody is there any more
        return
    except Exception as error:
        with suppress(OSError):
            pipe.send(ShardFailed(shard, type(error).__name__, str(error)))


class _Told:
    """Tells through a pipe how far a shard is, not too often."""

    def __init__(self, pipe: Connection, shard: int) -> None:
        self._pipe, self._shard, self._told_s = pipe, shard, 0.0

    def __call__(self, done_s: float) -> Any:
        if done_s - self._told_s >= _TOLD_EVERY_S:
            self._told_s = done_s
            self._pipe.send(ShardAt(self._shard, done_s))
