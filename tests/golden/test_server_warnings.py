"""Warnings: every request and every job hears its own, however often they were raised before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from gigaam.server import ServerSettings
from tests.job_server import JobClient
from tests.recognition_server import RunningServer, running_server

UNSPELLABLE = {"keywords[]": "Kubernetes"}


@pytest.fixture  # of each test: pytest puts its own filters of warnings back between them
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(ServerSettings(models=("tiny_ctc",), jobs_dir=tmp_path)) as server:
        yield server


def post(server: RunningServer, recording: Path, **fields: str) -> requests.Response:
    with open(recording, "rb") as file:
        return requests.post(
            f"{server.url}/v1/audio/transcriptions", data=fields, files={"file": file}, timeout=60
        )


def test_each_request_is_warned(server: RunningServer, example: Path) -> None:
    for _ in range(3):
        answer = post(server, example, **UNSPELLABLE)
        assert "Kubernetes" in answer.headers["x-gigaam-warning"]
        assert "Kubernetes" in answer.json()["warnings"][0]
    assert "warnings" not in post(server, example).json()


def test_each_job_is_warned(server: RunningServer, example: Path) -> None:
    client = JobClient(server.url)
    for _ in range(2):
        job = client.wait(client.make(example, **UNSPELLABLE))
        assert job["status"] == "succeeded"
        assert "Kubernetes" in job["warnings"][0]
        result = client.ask("GET", f"/{job['id']}/result")
        assert "Kubernetes" in result.headers["x-gigaam-warning"]
