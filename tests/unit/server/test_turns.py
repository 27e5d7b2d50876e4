"""Places are given to clients in turn."""

import asyncio

from gigaam.server.turns import FairTurns


async def _take(turns: FairTurns, client: str, order: list[str], release: asyncio.Event) -> None:
    async with turns.turn(client):
        order.append(client)
        await release.wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_clients_alternate() -> None:
    async def run() -> list[str]:
        turns, order, release = FairTurns(1), list[str](), asyncio.Event()
        names = ["a", "a", "a", "a", "b", "b"]
        tasks = [asyncio.create_task(_take(turns, name, order, release)) for name in names]
        await _settle()
        release.set()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(run()) == ["a", "a", "b", "a", "b", "a"]


def test_who_goes_away_takes_no_place() -> None:
    async def run() -> list[str]:
        turns, order, release = FairTurns(1), list[str](), asyncio.Event()
        tasks = [asyncio.create_task(_take(turns, name, order, release)) for name in "abc"]
        await _settle()
        tasks[1].cancel()
        await _settle()
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with turns.turn("d"):
            order.append("d")
        return order

    assert asyncio.run(run()) == ["a", "c", "d"]


def test_a_place_given_to_who_goes_away_is_passed_on() -> None:
    async def run() -> list[str]:
        turns, order, release = FairTurns(1), list[str](), asyncio.Event()
        first = asyncio.create_task(_take(turns, "a", order, release))
        others = [asyncio.create_task(_take(turns, name, order, release)) for name in "bc"]
        await _settle()
        release.set()
        await asyncio.sleep(0)  # the first leaves, and the second is given its place
        others[0].cancel()
        await asyncio.gather(first, *others, return_exceptions=True)
        async with turns.turn("d"):
            order.append("d")
        return [name for name in order if name != "b"]

    assert asyncio.run(run()) == ["a", "c", "d"]
