"""A live session in an event loop: its work is done in threads, one piece of work at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gigaam.audio.pushed import Piece
from gigaam.live.events import Event

if TYPE_CHECKING:
    from gigaam.live.session import LiveSession

__all__ = ["events_of"]

_WAITING_PIECES = 256
"""Pieces that wait while those before are recognised; then the source waits."""

Waiting = asyncio.Queue["Piece | None"]  # None is the end


async def events_of(
    session: LiveSession, source: AsyncIterable[Piece] | Iterable[Piece]
) -> AsyncGenerator[Event, None]:
    """The events of all pieces of a source; see `LiveSession.events`."""
    waiting: Waiting = asyncio.Queue(_WAITING_PIECES)
    reader = asyncio.create_task(_read(source, waiting))
    try:
        while pieces := await _next(waiting):
            for event in await asyncio.to_thread(session.push_all, pieces):
                yield event
        for event in await asyncio.to_thread(session.finish):
            yield event
        await reader  # which raises what the source did
    finally:
        reader.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reader


async def _next(waiting: Waiting) -> Sequence[Piece]:
    """All pieces that wait, at least one; none at the end."""
    pieces: list[Piece] = []
    while not (pieces and waiting.empty()):
        piece = await waiting.get()
        if piece is None:
            waiting.put_nowait(None)  # for the call after this one
            break
        pieces.append(piece)
    return pieces


async def _read(source: AsyncIterable[Piece] | Iterable[Piece], waiting: Waiting) -> None:
    try:
        if isinstance(source, AsyncIterable):
            async for piece in source:
                await waiting.put(piece)
        else:
            pieces = iter(source)
            while (next_piece := await asyncio.to_thread(next, pieces, None)) is not None:
                await waiting.put(next_piece)
    except Exception:
        await waiting.put(None)
        raise
    await waiting.put(None)
