"""Work in threads, for coroutines that may be cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(
    executor: Executor, work: Callable[[], T], abandon: Callable[[], object] = lambda: None
) -> T:
    """The result of work. If this is cancelled, the work is waited for all the same.

    Args:
        executor: Where it is done.
        work: What is done.
        abandon: Called if this is cancelled, so that the work may end early.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    # Whoever is cancelled twice does not wait, and nobody is left to hear of an error.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        abandon()
        await asyncio.wait({future})
        raise
