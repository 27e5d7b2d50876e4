"""Those who wait for news of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Watchers"]


class Watchers:
    """Wakes those who wait, in the event loop that it was made in, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of a job; whoever hears it clears it."""
        event = asyncio.Event()
        self._waiting.setdefault(id, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[id]
            events.discard(event)
            if not events:
                del self._waiting[id]

    def tell(self, id: str) -> None:
        """There is news of a job."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._wake, id)

    def tell_all(self) -> None:
        """There is news for everybody: the server is about to end."""
        for id in list(self._waiting):
            self._wake(id)

    def _wake(self, id: str) -> None:
        for event in self._waiting.get(id, ()):
            event.set()
