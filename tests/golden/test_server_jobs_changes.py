"""Jobs around which things change: models, recordings, what is at hand, who looks."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gigaam
from gigaam.server import ServerSettings
from tests.job_server import Gated, JobClient, with_pauses
from tests.recognition_server import RunningServer, running_server
from tests.waves import write_wav

Serve = Callable[..., AbstractContextManager[RunningServer]]


class Quieter(Gated):
    """Another model, that was given the same name."""

    def encode(self, waveforms: Sequence[np.ndarray]) -> Any:
        return super().encode([each * np.float32(0.001) for each in waveforms])


@pytest.fixture
def model(packaged_model: gigaam.GigaAMASR) -> Gated:
    return Gated(packaged_model)


@pytest.fixture
def serve(tmp_path: Path, model: Gated) -> Serve:
    def serve(load: Any = None, **settings: Any) -> Any:
        given = {"models": ("tiny_ctc",), "jobs_dir": tmp_path / "jobs", **settings}
        return running_server(ServerSettings(**given), load or (lambda name: model))

    return serve


@pytest.fixture
def long(tmp_path: Path, example: Path) -> Path:
    samples = with_pauses(gigaam.load_audio(example).numpy(), 2, seed=3)
    return write_wav(tmp_path / "long.wav", samples)


def test_another_model_of_the_same_name(
    serve: Serve, model: Gated, packaged_model: gigaam.GigaAMASR, long: Path, tmp_path: Path
) -> None:
    with serve() as server:
        client = JobClient(server.url)
        with model.closed():
            id = client.make(long)
            model.permit(3)  # one is the look at the model itself
            client.wait(id, lambda job: job["progress"]["done_s"] > 0)
            server.service.jobs._runner.abandon(id)
            server.service.close()
            model.permit(1)
    other = Quieter(packaged_model)
    with serve(lambda name: other) as server:
        client = JobClient(server.url)
        resumed = client.result(id, response_format="verbose_json").json()
        again = client.result(client.make(long), response_format="verbose_json").json()
    assert resumed == again


def test_a_recording_that_changes_meanwhile(serve: Serve, model: Gated, long: Path) -> None:
    with serve(job_root=long.parent) as server:
        client = JobClient(server.url)
        with model.closed():
            id = client.make(path="long.wav")
            model.permit(2)
            client.wait(id, lambda job: job["progress"]["done_s"] > 0)
            with open(long, "r+b") as file:
                file.seek(-1_000_000, 2)
                file.write(bytes(1_000_000))
        assert client.wait(id)["error"]["code"] == "recording_changed"


def test_what_passes_is_waited_for(serve: Serve, model: Gated, example: Path) -> None:
    """The default model is there, and another one cannot be loaded for a while."""
    failures = [OSError("the hub is away"), MemoryError()]

    def load(name: str) -> Gated:
        if name == "tiny_rnnt" and failures:
            raise failures.pop()
        return model

    with serve(load, models=("tiny_ctc", "tiny_rnnt")) as server:
        server.service.models._again_s = 0.0
        client = JobClient(server.url)
        ids = [client.make(example, model="tiny_rnnt") for _ in range(2)]
        assert [client.wait(id)["status"] for id in ids] == ["succeeded"] * 2
    assert failures == []


def test_what_does_not_pass_is_told(serve: Serve, model: Gated, example: Path) -> None:
    def load(name: str) -> Gated:
        if name == "tiny_rnnt":
            raise OSError("the hub is away")
        return model

    with serve(load, models=("tiny_ctc", "tiny_rnnt")) as server:
        server.service.jobs._runner._patience_s = 0.5
        client = JobClient(server.url)
        job = client.wait(client.make(example, model="tiny_rnnt"))
        assert (job["status"], job["error"]["code"]) == ("failed", "model_unavailable")


def test_a_result_that_is_forgotten_while_it_is_fetched(
    serve: Serve, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as server:
        client, jobs = JobClient(server.url), server.service.jobs
        id = client.make(example)
        client.wait(id)
        look = jobs.look
        monkeypatch.setattr(jobs, "look", lambda id: (jobs.forget(id), look(id))[1])
        assert client.result(id, response_format="srt").status_code == 404


def test_places_for_others(serve: Serve, model: Gated, example: Path) -> None:
    with serve(max_jobs=4, api_keys=("one", "two")) as server, model.closed():
        one, two = (JobClient(server.url, key) for key in ("one", "two"))
        for _ in range(3):
            one.make(example)
        full = one.post(example)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
        assert "the other places are for others" in full.json()["error"]["message"]
        two.make(example)
        assert two.post(example).status_code == 429
