"""What runs shards: the interface, and what it tells."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gigaam.bulk.ledger import Summary
from gigaam.bulk.shard import ShardTask

__all__ = ["Event", "Executor", "ShardAt", "ShardDone", "ShardFailed", "WorkerLost"]


@dataclass(frozen=True)
class ShardAt:
    """A shard is at work.

    Attributes:
        shard: Its number.
        done_s: How many of its seconds are done.
    """

    shard: int
    done_s: float


@dataclass(frozen=True)
class ShardDone:
    """A shard has its file.

    Attributes:
        shard: Its number.
        summary: What it was.
    """

    shard: int
    summary: Summary


@dataclass(frozen=True)
class ShardFailed:
    """A shard cannot be done: not for a recording's sake, of which its file tells.

    Attributes:
        shard: Its number; None if no worker could begin.
        kind: The class of the error.
        message: What it says.
    """

    shard: int | None
    kind: str
    message: str


@dataclass(frozen=True)
class WorkerLost:
    """A worker has ended before its shard was done; the shard is begun anew.

    Attributes:
        shard: Its number.
        reason: How it ended.
    """

    shard: int
    reason: str


Event: TypeAlias = ShardAt | ShardDone | ShardFailed | WorkerLost


class Executor(Protocol):
    """Workers, on this machine or on others."""

    @property
    def called(self) -> str:
        """What it is, for people: such as "2 processes of 1 thread"."""

    def run(self, task: ShardTask, shards: Iterable[int]) -> Generator[Event, None, None]:
        """Does shards, in any order; ends early when it is closed.

        Each shard is done once or told to have failed, whatever workers are lost meanwhile. After a
        `ShardFailed` no further shards are begun: what one could not write, others cannot.

        Raises:
            BulkError: Workers cannot be started.
        """
