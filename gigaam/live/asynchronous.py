"""A live session in an event loop: its work is done in threads, one piece of work at a time.

All that is read is put into the session at once, and events are taken out of it one by one: whoever
leaves early finds both there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from threading import Thread
from typing import TYPE_CHECKING

from gigaam.audio.pushed import Piece
from gigaam.live.events import Event

if TYPE_CHECKING:
    from gigaam.live.session import LiveSession

__all__ = ["events_of"]

_WAITING_PIECES = 256
"""Pieces that wait while those before are recognised; then the source waits."""

_POLL_S = 0.02


async def events_of(
    session: LiveSession, source: AsyncIterable[Piece] | Iterable[Piece]
) -> AsyncGenerator[Event, None]:
    """The events of all pieces of a source; see `LiveSession.events`."""
    reading = _Reading(session)
    read = reading.follow if isinstance(source, AsyncIterable) else reading.follow_in_thread
    reader = asyncio.create_task(read(source))  # type: ignore[arg-type]
    try:
        while await reading.has_more():
            await asyncio.to_thread(session.work)
            while (event := session.next_event()) is not None:
                yield event
        await asyncio.to_thread(session.end)
        while (event := session.next_event()) is not None:
            yield event
        await reader  # which raises what the source did
    finally:
        reading.is_wanted = False
        reader.cancel()
        await asyncio.wait({reader})


class _Reading:
    """The pieces of a source on their way into a session.

    Attributes:
        is_wanted: Whether they are still to be read.
    """

    def __init__(self, session: LiveSession) -> None:
        self.is_wanted = True
        self._session = session
        self._has_ended = False
        self._changed = asyncio.Event()

    async def has_more(self) -> bool:
        """Whether pieces wait, once some do; False at the end."""
        while not self._session.n_waiting:
            if self._has_ended:
                return False
            await self._changed.wait()
            self._changed.clear()
        return True

    async def follow(self, source: AsyncIterable[Piece]) -> None:
        """Read a source that is asynchronous."""
        try:
            async for piece in source:
                self._put(piece)
                while self._session.n_waiting >= _WAITING_PIECES:
                    await asyncio.sleep(_POLL_S)
        finally:
            self._end()

    async def follow_in_thread(self, source: Iterable[Piece]) -> None:
        """Read a source that may block, in a thread that keeps neither loop nor program alive."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def tell(failure: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(failure)

        def read() -> None:
            failure: BaseException | None = None
            try:
                for piece in source:
                    loop.call_soon_threadsafe(self._put, piece)
                    while self.is_wanted and self._session.n_waiting >= _WAITING_PIECES:
                        time.sleep(_POLL_S)
                    if not self.is_wanted:
                        break
            except BaseException as error:  # the loop's thread is to raise it
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, failure)

        Thread(target=read, name="gigaam-live-source", daemon=True).start()
        try:
            failure = await ended
            if failure is not None:
                raise failure
        finally:
            self._end()

    def _put(self, piece: Piece) -> None:
        self._session.put(piece)
        self._changed.set()

    def _end(self) -> None:
        self._has_ended = True
        self._changed.set()
