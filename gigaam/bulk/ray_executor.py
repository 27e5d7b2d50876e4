"""Workers on a Ray cluster, or on a Ray that is started on this machine for the run."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from gigaam.bulk.environment import environment
from gigaam.bulk.executors import Event, ShardDone, ShardFailed
from gigaam.bulk.local import usable_cores
from gigaam.bulk.ray_workers import News, Office, Pool
from gigaam.bulk.shard import ShardTask
from gigaam.errors import ArgumentError, BulkError, MissingDependencyError

__all__ = ["RayExecutor"]

logger = logging.getLogger(__name__)

_ASKED_EVERY_S = 0.25
_PATIENCE_S = 60.0  # after which somebody should be told that nothing has begun
_LOST_OFFICES = 3  # one after the other that have told nothing: others would not, either
_KNOCK_S = 15.0
_STORE_BYTES = 128 << 20  # of a Ray started here: nothing but numbers of shards goes through it
_NO_NEWS = News((), at_work=1, is_over=False, error=None)


class RayExecutor:
    """Workers that Ray Data keeps at work, each with a model of its own.

    Attributes:
        address: Of a cluster; None for a Ray of this machine, for this run.
        workers: How many, or at least and at most; None for as many as there are cores for.
        threads: Of each, which are as many cores of the cluster's.
        gpus: Of each.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | tuple[int, int] | None = None,
        threads: int = 1,
        gpus: float = 0.0,
    ) -> None:
        """Workers; nothing is started or asked before there is work.

        Args:
            address: "auto" on a node of a cluster, ``ray://host:10001`` from elsewhere, or
                ``host:port``; by default a Ray is started here and ended with the run. A program
                that has called ``ray.init`` keeps to what it has, whatever the address.
            workers: How many, or at least and at most; by default as many as the cluster has cores
                for, also those that it adds meanwhile.
            threads: Of each.
            gpus: Of each; a fraction lets several share one.

        Raises:
            ArgumentError: A number is not possible.
        """
        fewest, most = (workers, workers) if isinstance(workers, int) else workers or (1, 1)
        if not 1 <= fewest <= most:
            raise ArgumentError(f"workers must be from 1 on, at least and at most, not {workers}")
        if threads < 1:
            raise ArgumentError(f"threads must be a number from 1 on, not {threads}")
        if not gpus >= 0 or (gpus > 1 and gpus != int(gpus)):
            raise ArgumentError(f"gpus must be 0, a fraction, or a whole number, not {gpus}")
        self.address, self.workers, self.threads, self.gpus = address, workers, threads, gpus

    @property
    def called(self) -> str:
        """What it is, for people."""
        each = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        each += f" and {self.gpus:g} GPU" if self.gpus else ""
        if isinstance(self.workers, tuple):
            crew = f"{self.workers[0]} to {self.workers[1]} workers"
        elif self.workers is None:
            crew = "as many workers as there are cores for,"
        else:
            crew = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"Ray{f' at {self.address}' if self.address else ''}: {crew} of {each}"

    def run(self, task: ShardTask, shards: Iterable[int]) -> Generator[Event, None, None]:
        """Does shards; see `gigaam.bulk.executors.Executor`.

        Raises:
            BulkError: No cluster answers, or Ray has failed.
            MissingDependencyError: Ray is not installed.
        """
        ray = _ray()
        pending = list(shards)
        if not pending:
            return
        with self._connected(ray):
            job = _Job(ray, replace(task, threads=self.threads), self._pool(ray), pending)
            try:
                yield from job.work()
            finally:
                job.end()

    @contextmanager
    def _connected(self, ray: Any) -> Iterator[None]:
        """Ray at hand; afterwards as it was."""
        if ray.is_initialized():
            yield
            return
        with _own_signals():
            try:
                self._connect(ray)
            except Exception as error:
                at = self.address
                where = "Ray cannot be started" if at is None else f"no Ray answers at {at}"
                raise BulkError(f"{where}: {type(error).__name__}: {error}") from error
            try:
                yield
            finally:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is not None:
            _knock(self.address)
            ray.init(self.address, **quiet)
            return
        # One more than the workers need, for tasks of Ray's own.
        cpus = max(len(usable_cores()), self._local_workers() * self.threads) + 1
        with environment({"RAY_USAGE_STATS_ENABLED": "0"}):
            ray.init(
                "local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **quiet,
            )

    def _local_workers(self) -> int:
        if self.workers is None:
            return max(1, len(usable_cores()) // self.threads)
        return self.workers if isinstance(self.workers, int) else self.workers[1]

    def _pool(self, ray: Any) -> Pool:
        """The workers that the cluster is asked for.

        Raises:
            BulkError: This machine, on which Ray was started, has no such processors.
        """
        has = ray.cluster_resources()
        if self.address is None and has.get("GPU", 0) < self.gpus:
            raise BulkError(f"{self.gpus:g} GPU for each worker, but Ray finds none here")
        if isinstance(self.workers, int):
            return Pool(self.workers, self.workers, self.threads, self.gpus)
        if self.workers is not None:
            return Pool(*self.workers, self.threads, self.gpus)
        if self.address is None:
            n = self._local_workers()
            return Pool(n, n, self.threads, self.gpus)
        room = has.get("CPU", 0) // self.threads
        if self.gpus:
            room = min(room, has.get("GPU", 0) // self.gpus)
        return Pool(max(1, int(room)), None, self.threads, self.gpus)


class _Job:
    """Shards on a cluster, under an office there that is replaced when it is lost."""

    def __init__(self, ray: Any, task: ShardTask, pool: Pool, shards: Sequence[int]) -> None:
        self._ray, self._task, self._pool = ray, task, pool
        self._pending = dict.fromkeys(shards)  # in order
        self._office: Any = None
        self._is_ending = False
        self._n_lost = 0
        self._unheard_since: float | None = None
        self._quiet_since: float | None = time.monotonic()

    def work(self) -> Iterator[Event]:
        """What happens until all shards are done, or one has failed."""
        self._open()
        while self._pending:
            news = self._news()
            if news is None:  # the office is lost, with all workers
                if self._is_ending:
                    return
                self._open()
                continue
            for event in news.events:
                yield from self._settled(event)
            if self._is_ending and not news.at_work:
                return
            self._check(news)
            if self._pending:
                time.sleep(_ASKED_EVERY_S)

    def end(self) -> None:
        """Nothing of it is left on the cluster."""
        if self._office is not None:
            with suppress(Exception):
                self._ray.kill(self._office)

    def _open(self) -> None:
        """An office is opened on this node, which is not lost before this program is."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = self._ray.get_runtime_context().get_node_id()
        try:
            self._office = (
                self._ray.remote(Office)
                .options(
                    num_cpus=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
                )
                .remote(self._task, self._pool)
            )
            # Nobody waits for it: Ray asks any node to place what needs no CPU, also one that is
            # dead already, and that the office was lost so is found like any other loss of it.
            self._office.deal.remote(list(self._pending))
        except Exception as error:  # of a connection by ray:// those of the other side, too
            raise BulkError(f"Ray: {type(error).__name__}: {error}") from error

    def _news(self) -> News | None:
        """What the office tells; None if it is lost.

        Raises:
            BulkError: Office after office is lost, or Ray fails otherwise.
        """
        try:
            news: News = self._ray.get(self._office.news.remote())
        except self._ray.exceptions.ActorUnavailableError as error:
            self._unheard_since = self._unheard_since or time.monotonic()
            if time.monotonic() - self._unheard_since > _PATIENCE_S:
                raise BulkError(f"Ray: {type(error).__name__}: {error}") from error
            return _NO_NEWS  # it is lost, or it is not: Ray will know
        except self._ray.exceptions.ActorDiedError as error:
            self._n_lost, self._unheard_since = self._n_lost + 1, None
            if self._n_lost > _LOST_OFFICES:
                raise BulkError(f"Ray: {type(error).__name__}: {error}") from error
            logger.warning("Ray has lost what deals out the shards: it is begun anew")
            return None
        except self._ray.exceptions.RayError as error:
            raise BulkError(f"Ray: {type(error).__name__}: {error}") from error
        self._unheard_since = None
        if news.events:
            self._n_lost = 0
        return news

    def _settled(self, event: Event) -> Iterator[Event]:
        """An event, if it is not known already."""
        if isinstance(event, ShardFailed):
            if event.shard is not None and event.shard not in self._pending:
                return
            if event.shard is not None:
                del self._pending[event.shard]
            if not self._is_ending:
                self._is_ending = True
                self._office.stop.remote()
            elif event.shard is None:  # what one could not load, others cannot, either
                return
        elif event.shard not in self._pending:
            return
        elif isinstance(event, ShardDone):
            del self._pending[event.shard]
        yield event

    def _check(self, news: News) -> None:
        """Tells when nothing begins.

        Raises:
            BulkError: Ray has ended before all was done.
        """
        if news.error is not None:
            raise BulkError(f"Ray: {news.error}")
        if news.is_over and not news.events and self._pending:
            raise BulkError(f"Ray has ended, but {len(self._pending)} shards are not done")
        if news.events or news.at_work:
            self._quiet_since = None
        if self._quiet_since and time.monotonic() - self._quiet_since > _PATIENCE_S:
            self._quiet_since = None
            pool = self._pool
            logger.warning(
                "no worker has begun yet: each needs %d CPU%s free on one node of the cluster",
                pool.threads,
                f" and {pool.gpus:g} GPU" if pool.gpus else "",
            )


def _ray() -> Any:
    """The package ray.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        told = f"Ray needs the package ray ({error}): pip install 'gigaam[bulk]'"
        raise MissingDependencyError(told) from error
    return ray


def _knock(address: str) -> None:
    """Refuses an address that nobody listens at, for which Ray itself waits minutes.

    Raises:
        OSError: Nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """What a program does when it is terminated; Ray puts something of its own there."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)
