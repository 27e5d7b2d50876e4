"""What a bulk run has on a Ray cluster: an office that deals shards out, and workers that do them.

The office is an actor: in it Ray Data deals the shards out to the workers, each an actor with a
model, and it keeps what they tell until it is fetched. So whoever has begun the run needs nothing
but to ask the office, from wherever, and ends everything with it: the workers are the office's.
"""

from __future__ import annotations

import pickle
import platform
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gigaam.bulk.environment import of_threads
from gigaam.bulk.executors import Event, ShardAt, ShardDone, ShardFailed, WorkerLost
from gigaam.bulk.shard import ShardTask, ShardWorker
from gigaam.errors import BulkError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["News", "Office", "Pool", "RayWorker"]

_MOST_BLOCKS = 10_000  # that Ray Data keeps account of at once with ease
_VAIN_STARTS = 4  # of a worker, after which the model itself must be what ends it
_TOLD_EVERY_S = 1.0


@dataclass(frozen=True)
class Pool:
    """The workers of a run.

    Attributes:
        fewest: How many there are at least, once the cluster has room for them.
        most: How many there are at most; None for as many as it has room for.
        threads: Processor cores of each.
        gpus: Of each.
    """

    fewest: int
    most: int | None
    threads: int
    gpus: float


@dataclass(frozen=True)
class News:
    """What has happened since the office was asked before.

    Attributes:
        events: What workers have told.
        at_work: How many shards are being done.
        is_over: Whether nothing more comes.
        error: Why it ended early.
    """

    events: Sequence[Event]
    at_work: int
    is_over: bool
    error: str | None


class Office:
    """An actor that deals shards out and knows how far they are."""

    def __init__(self, task: ShardTask, pool: Pool) -> None:
        """An office that deals nothing out yet.

        Args:
            task: What workers have to know.
            pool: Of workers.
        """
        self._task, self._pool = task, pool
        self._events: list[Event] = []
        self._at_work: set[int] = set()
        self._starts: defaultdict[str, int] = defaultdict(int)
        self._is_stopped = self._is_over = False
        self._error: str | None = None

    def deal(self, shards: Sequence[int]) -> None:
        """Begin to deal these shards out."""
        import ray

        office = ray.get_runtime_context().current_actor
        threading.Thread(target=self._deal, args=(shards, office), daemon=True).start()

    def start(self, worker: str) -> bool:
        """A worker loads its model: whether it may."""
        self._starts[worker] += 1
        if self._starts[worker] > _VAIN_STARTS:
            self._error = (
                f"workers end again and again while they load {self._task.model} (for want of "
                "memory?)"
            )
        return self._error is None

    def begin(self, shard: int, worker: str) -> bool:
        """A worker is at a shard: whether it may do it."""
        self._starts.pop(worker, None)
        if shard in self._at_work:
            self._at_work.discard(shard)
            self._events.append(WorkerLost(shard, "its process or its node is gone"))
        if not self._is_stopped:
            self._at_work.add(shard)
        return not self._is_stopped

    def tell(self, event: Event) -> None:
        """Keep what a worker tells."""
        if not isinstance(event, ShardAt):
            self._at_work -= {event.shard}
        self._events.append(event)

    def stop(self) -> None:
        """Begin no further shards."""
        self._is_stopped = True

    def news(self) -> News:
        """What has happened since this was asked before."""
        is_over = self._is_over  # before the events are taken, so that the last ones are among them
        told, self._events = self._events, []
        return News(told, len(self._at_work), is_over, self._error)

    def _deal(self, shards: Sequence[int], office: Any) -> None:
        """Has Ray Data deal shards out; what workers told, told again in case it was lost."""
        try:
            for rows in self._dataset(shards, office).iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                self._events.extend(pickle.loads(row.as_py()) for row in rows["event"])
        except Exception as error:
            self._error = self._error or f"{type(error).__name__}: {error}"
        self._is_over = True

    def _dataset(self, shards: Sequence[int], office: Any) -> Any:
        import ray.data

        from gigaam import __version__

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        pool = self._pool
        is_fixed = pool.fewest == pool.most
        strategy = ray.data.ActorPoolStrategy(
            min_size=pool.fewest,
            max_size=pool.most,
            # A second block that waits for a worker is what makes Ray Data add one; where none
            # can be added it would only wait behind a long one while others have nothing to do.
            max_tasks_in_flight_per_actor=1 if is_fixed else 2,
        )
        blocks = min(len(shards), _MOST_BLOCKS)
        return ray.data.from_items(list(shards), override_num_blocks=blocks).map_batches(
            RayWorker,
            batch_size=1,
            batch_format="pyarrow",
            compute=strategy,
            fn_constructor_kwargs={
                "task": self._task,
                "office": office,
                "version": __version__,
            },
            num_cpus=pool.threads,
            num_gpus=pool.gpus,
            runtime_env={"env_vars": of_threads(pool.threads)},
        )


class RayWorker:
    """A worker: an actor of Ray Data's, with a model.

    It raises nothing, since to Ray Data an exception is the end of the whole run.
    """

    def __init__(self, task: ShardTask, office: Any, version: str) -> None:
        """A worker, which loads its model with its first shard: if that kills it, it is seen.

        Args:
            task: What is to be done.
            office: Who is told.
            version: Of gigaam, where the run was begun.
        """
        import ray

        self._task, self._office, self._version = task, office, version
        self._name = ray.get_runtime_context().get_actor_id()
        self._worker: ShardWorker | None = None
        self._failed: ShardFailed | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """What came of a shard: a row with the event, none if it was not begun."""
        import pyarrow as pa

        event = self._done(batch["item"][0].as_py())
        told = [] if event is None else [pickle.dumps(event)]
        if event is not None:
            self._office.tell.remote(event)
        return pa.table({"event": pa.array(told, pa.binary())})

    def _done(self, shard: int) -> Event | None:
        import ray

        try:
            worker = self._opened()
        except Exception as error:
            return ShardFailed(None, type(error).__name__, str(error))
        if worker is None:
            return None
        if not ray.get(self._office.begin.remote(shard, self._name)):
            return None
        try:
            return ShardDone(shard, worker.do(shard, _Told(self._office, shard)))
        except Exception as error:
            return ShardFailed(shard, type(error).__name__, str(error))

    def _opened(self) -> ShardWorker | None:
        """This worker's model at work; None if it may not be loaded any more."""
        import ray

        from gigaam import __version__

        if self._worker is None:
            if self._version != __version__:
                raise BulkError(
                    f"{platform.node()} has gigaam {__version__}, but the run was begun by "
                    f"{self._version}: install one release everywhere"
                )
            if not ray.get(self._office.start.remote(self._name)):
                return None
            self._worker = self._task.open()
        return self._worker


class _Told:
    """Tells the office how far a shard is, not too often."""

    def __init__(self, office: Any, shard: int) -> None:
        self._office, self._shard, self._told_at = office, shard, time.monotonic()

    def __call__(self, done_s: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            self._office.tell.remote(ShardAt(self._shard, done_s))
