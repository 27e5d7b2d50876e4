"""Files of shards, read one after the other while those that follow are fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")

_READERS = 4
_AHEAD = 8  # shards: an hour of speech with its words is some megabytes at most


def read_ahead(read: Callable[[int], T], shards: Iterable[int]) -> Iterator[tuple[int, T]]:
    """Each shard, in order, with what reading it gives.

    Args:
        read: Called in other threads.
        shards: By number.
    """
    waiting: deque[tuple[int, Future[T]]] = deque()
    with ThreadPoolExecutor(_READERS, "gigaam-shards") as pool:
        try:
            for shard in shards:
                waiting.append((shard, pool.submit(read, shard)))
                if len(waiting) == _AHEAD:
                    first, content = waiting.popleft()
                    yield first, content.result()
            while waiting:
                first, content = waiting.popleft()
                yield first, content.result()
        finally:
            for _, content in waiting:
                content.cancel()
