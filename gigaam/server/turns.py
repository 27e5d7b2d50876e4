"""A number of places, given in turn to those who wait, a client at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["FairTurns"]


class FairTurns:
    """Places for work; of several clients who wait each gets the next one in turn."""

    def __init__(self, n_places: int) -> None:
        """Places that are free."""
        self._n_free = n_places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """A place, once there is one."""
        if self._n_free:
            self._n_free -= 1
        else:
            await self._wait(client)
        try:
            yield
        finally:
            self._free()

    async def _wait(self, client: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given meanwhile
                self._free()
            else:
                self._forget(client, place)
            raise

    def _free(self) -> None:
        """Hand a place to who has waited longest of the next client."""
        while self._waiting:
            client, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            if queue:
                self._waiting[client] = queue
            if not place.done():
                place.set_result(None)
                return
        self._n_free += 1

    def _forget(self, client: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[client]
