"""Work in threads, cancelled once and twice."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from gigaam.server.threads import in_thread


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_an_error_nobody_waits_for_is_no_news(times: int, fails: bool) -> None:
    begun, abandoned, go_on = Event(), Event(), Event()
    news: list[dict[str, Any]] = []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        if fails:
            raise ValueError("nobody hears this")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: news.append(context))
        with ThreadPoolExecutor(1) as executor:
            task = asyncio.create_task(in_thread(executor, work, abandoned.set))
            await asyncio.to_thread(begun.wait, 10)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0.05)
            assert abandoned.is_set()
            assert task.done() == (times == 2)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.05)
        del task
        gc.collect()

    asyncio.run(main())
    assert news == []


def test_results_and_errors_are_given() -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            assert await in_thread(executor, lambda: 7) == 7
            with pytest.raises(ZeroDivisionError):
                await in_thread(executor, lambda: 1 // 0)

    asyncio.run(main())
