"""Models that take long to load, or cannot be: who asks for others does not notice."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

import gigaam
from gigaam.server import ServerSettings
from gigaam.server.service import Service
from tests.recognition_server import RunningServer, running_server

SETTINGS = ServerSettings(models=("tiny_ctc", "tiny_rnnt"), at_once=2)


def ask(server: RunningServer, path: Path, model: str) -> requests.Response:
    with open(path, "rb") as file:
        url = f"{server.url}/v1/audio/transcriptions"
        return requests.post(url, data={"model": model}, files={"file": file}, timeout=60)


def test_nobody_waits_for_the_model_of_others(
    packaged_model: gigaam.GigaAMASR, example: Path
) -> None:
    is_there = threading.Event()

    def load(name: str) -> gigaam.GigaAMASR:
        assert name == "tiny_ctc" or is_there.wait(60)
        return packaged_model

    with running_server(SETTINGS, load) as server, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(ask, server, example, "tiny_rnnt") for _ in range(4)]
        try:
            assert ask(server, example, "tiny_ctc").headers["x-gigaam-model"] == "tiny_ctc"
            assert not any(each.done() for each in waiting)
        finally:
            is_there.set()
        answers = [each.result() for each in waiting]
    assert {each.headers["x-gigaam-model"] for each in answers} == {"tiny_rnnt"}
    assert {each.status_code for each in answers} == {200}


def test_a_model_that_fails_is_not_tried_by_everybody(
    packaged_model: gigaam.GigaAMASR, example: Path
) -> None:
    tried: list[str] = []

    def load(name: str) -> gigaam.GigaAMASR:
        tried.append(name)
        if name == "tiny_rnnt":
            raise OSError("the hub is away")
        return packaged_model

    with running_server(SETTINGS, load) as server:
        answers = [ask(server, example, "tiny_rnnt") for _ in range(3)]
    assert {each.json()["error"]["code"] for each in answers} == {"model_unavailable"}
    assert {each.headers["retry-after"] for each in answers} == {"10"}
    assert tried == ["tiny_ctc", "tiny_rnnt"]


def test_a_server_that_ends_is_not_ready_any_more() -> None:
    async def ended() -> str | None:
        service = Service(SETTINGS)
        service.close()
        service.begin()  # as a model that was being loaded meanwhile does
        return service.not_ready

    assert asyncio.run(ended()) == "the server is about to end"
