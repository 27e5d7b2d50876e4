"""The application: what it leaves as it was, and what a second run of it says."""

import asyncio
import threading

import pytest
from starlette.testclient import TestClient

from gigaam.errors import ArgumentError
from gigaam.server import ServerSettings, create_app

TINY = ServerSettings(models=("tiny_ctc",))


def test_headers_that_pages_of_other_sites_may_read() -> None:
    origin = "https://example.org"
    app = create_app(ServerSettings(models=("tiny_ctc",), allow_origins=(f"{origin}/",)))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        answer = client.get("/v1/models", headers={"Origin": origin})
        stranger = client.get("/v1/models", headers={"Origin": "https://example.com"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"location", "retry-after", "x-gigaam-ignored", "x-gigaam-warning"} <= set(exposed)
    assert stranger.status_code == 403


def test_an_application_runs_once() -> None:
    app = create_app(TINY)
    with TestClient(app) as client:
        assert client.get("/health").status_code == 200
    with pytest.raises(ArgumentError, match="create_app"), TestClient(app):
        pass


def test_the_loop_is_left_as_it_was() -> None:
    """That of an application which mounts this one."""

    async def where() -> str:
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        return name.partition("_")[0]

    async def run() -> list[str]:
        app = create_app(TINY)
        before = await where()
        async with app.router.lifespan_context(app):
            within = await where()
        return [before, within, await where()]

    assert asyncio.run(run()) == ["asyncio"] * 3
