"""What becomes of requests that have not ended when the server must."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gigaam.server.ending import Ending, EndingRequests
from gigaam.server.metrics import Metrics


class _Service:
    metrics = Metrics()


async def _slow(request: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("done")


async def _quick(request: Request) -> Response:
    return PlainTextResponse("done")


async def _events(request: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        yield "data: one\r\n\r\n"
        await asyncio.sleep(60)

    return StreamingResponse(events(), media_type="text/event-stream")


async def asked(path: str, ending: Ending) -> list[dict[str, Any]]:
    """All that is sent to who asks for a path."""
    routes = [Route("/slow", _slow), Route("/quick", _quick), Route("/events", _events)]
    app = Starlette(routes=routes, middleware=[Middleware(EndingRequests, ending=ending)])
    app.state.service = _Service
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await app(scope, receive, send)
    return sent


def run(path: str, seconds: float = 0.05) -> list[dict[str, Any]]:
    async def both() -> list[dict[str, Any]]:
        ending = Ending()
        ending.begin(seconds)
        return await asyncio.wait_for(asked(path, ending), 5)

    return asyncio.run(both())


def test_a_request_is_answered() -> None:
    start, body = run("/slow")
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (503, b"5")
    assert json.loads(body["body"])["error"]["code"] == "server_ends"


def test_a_stream_has_a_last_event() -> None:
    start, first, last = run("/events")
    assert start["status"] == 200
    assert first["body"] == b"data: one\r\n\r\n"
    assert json.loads(last["body"].removeprefix(b"data:"))["error"]["code"] == "server_ends"
    assert not last.get("more_body")


def test_what_ends_in_time_is_left_alone() -> None:
    start, body = run("/quick", 60.0)
    assert (start["status"], body["body"]) == (200, b"done")


@pytest.mark.parametrize("is_begun", [True, False])
def test_the_end_can_be_hastened(is_begun: bool) -> None:
    async def hastened() -> Ending:
        ending = Ending()
        assert ending.left_s is None
        if is_begun:
            ending.begin(60)
            assert 59 < (ending.left_s or 0) <= 60
        ending.hasten()
        await asyncio.wait_for(ending.wait(), 5)
        return ending

    assert asyncio.run(hastened()).is_over


def test_what_is_open_is_closed_in_time() -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        yield
        closed.append("begun")
        await asyncio.sleep(60)
        closed.append("done")

    async def close() -> None:
        ending = Ending()
        async with ending.in_time(opened()):
            ending.begin(0.0)

    asyncio.run(asyncio.wait_for(close(), 10))
    assert closed == ["begun"]
