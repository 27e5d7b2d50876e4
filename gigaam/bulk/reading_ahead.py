"""What is read one after the other, while what follows is fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

K = TypeVar("K")
T = TypeVar("T")

_READERS = 4
_AHEAD = 8
_AHEAD_BYTES = 256 << 20


def read_ahead(
    read: Callable[[K], T],
    items: Iterable[K],
    n_bytes: Callable[[K], int] = lambda item: 0,
) -> Iterator[tuple[K, T]]:
    """Each item, in order, with what reading it gives.

    Args:
        read: Called in other threads.
        items: What is read, such as shards by number.
        n_bytes: How large an item is, so that not too much is held at once.
    """
    waiting: deque[tuple[K, int, Future[T]]] = deque()
    with ThreadPoolExecutor(_READERS, "gigaam-read") as pool:
        try:
            for item in items:
                size = n_bytes(item)
                while waiting and _is_full(waiting, size):
                    first, _, content = waiting.popleft()
                    yield first, content.result()
                waiting.append((item, size, pool.submit(read, item)))
            while waiting:
                first, _, content = waiting.popleft()
                yield first, content.result()
        finally:
            for _, _, content in waiting:
                content.cancel()


def _is_full(waiting: deque[tuple[K, int, Future[T]]], size: int) -> bool:
    held = sum(n_bytes for _, n_bytes, _ in waiting)
    return len(waiting) >= _AHEAD or held + size > _AHEAD_BYTES
