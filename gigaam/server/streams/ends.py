"""How a conversation ends other than by the client's word, and waiting that heeds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

__all__ = ["Gone", "ServerEnds", "Stalled", "awaited", "together"]

T = TypeVar("T")


class Gone(Exception):
    """The client has left, or reads nothing any more."""


class Stalled(Exception):
    """The client sends nothing any more.

    Attributes:
        seconds: How long it was waited for.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ServerEnds(Exception):
    """The server is about to end."""


async def awaited(work: Awaitable[T], closing: asyncio.Future[Any], timeout_s: float | None) -> T:
    """The result of work, which is cancelled if it does not come.

    Args:
        work: What is waited for.
        closing: Done when the server is about to end.
        timeout_s: How long, in seconds; None for as long as it takes.

    Raises:
        Stalled: It took too long.
        ServerEnds: The server ends before.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, closing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if closing.done() or timeout_s is None:
            raise ServerEnds
        raise Stalled(timeout_s)
    finally:
        task.cancel()


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of this at once; what fails first ends the others, and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
