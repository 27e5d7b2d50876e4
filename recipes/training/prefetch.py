"""Items made ahead in a background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """The same items, up to `depth` of them made ahead in a background thread.

    An exception raised while an item is made is raised here in its place. Closing the iterator
    stops the thread.
    """
    ready: queue.Queue[_Made[T]] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_make_ahead, args=(items, ready, stopped), name="batches", daemon=True
    )
    thread.start()
    try:
        while True:
            made = ready.get()
            if made.error is not None:
                raise made.error
            if not made.items:
                return
            yield from made.items
    finally:
        stopped.set()
        thread.join()


@dataclass(frozen=True)
class _Made(Generic[T]):
    """One item, or why there are no more: an error, or (without one) the end."""

    items: tuple[T, ...] = ()
    error: BaseException | None = None


def _make_ahead(items: Iterable[T], ready: queue.Queue[_Made[T]], stopped: threading.Event) -> None:
    try:
        for item in items:
            if not _hand_over(_Made((item,)), ready, stopped):
                return
        _hand_over(_Made(), ready, stopped)
    except BaseException as error:
        _hand_over(_Made(error=error), ready, stopped)


def _hand_over(made: _Made[T], ready: queue.Queue[_Made[T]], stopped: threading.Event) -> bool:
    """Whether anyone was still there to take it."""
    while not stopped.is_set():
        try:
            ready.put(made, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
