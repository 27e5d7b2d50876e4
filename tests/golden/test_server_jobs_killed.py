"""Servers that are killed while they work at jobs: nothing is lost, and the text is the same."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import gigaam
from tests.job_server import JobClient, with_pauses
from tests.recognition_server import server_process
from tests.waves import write_wav


def dialogue(folder: Path, example: Path, minutes: int) -> Path:
    """A recording of two who say the same, never quite so, at different times."""
    samples = gigaam.load_audio(example).numpy()
    left, right = (with_pauses(samples, minutes, seed) for seed in (1, 2))
    n_samples = minutes * 60 * 16_000
    return write_wav(folder / "long.wav", left[:n_samples], right[:n_samples])


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Six minutes, which take some seconds."""
    return dialogue(tmp_path_factory.mktemp("long"), example, 6)


def options(tmp_path: Path, *further: str) -> tuple[str, ...]:
    return ("--jobs-dir", str(tmp_path / "jobs"), "--log-format", "json", *further)


def everything(client: JobClient, id: str) -> Any:
    """The result with all it has."""
    query = {"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]}
    answer = client.result(id, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def killed_again_and_again(
    tmp_path: Path, recording: Path, n_kills: int, seed: int, **fields: str
) -> tuple[Any, Any, list[float]]:
    """The result with and without kills; how far the job was when each of them came."""
    rng = np.random.default_rng(seed)
    id, done_s = "", [0.0]
    for _ in range(n_kills):
        with server_process(tmp_path / "log", *options(tmp_path)) as server:
            client = JobClient(server.url)
            id = id or client.make(recording, **fields)
            total_s = client.look(id)["duration"]
            target_s = done_s[-1] + rng.uniform(0, 1) * total_s / (n_kills + 1)
            job = client.wait(id, lambda job, s=target_s: job["progress"]["done_s"] > s)
            assert job["status"] == "running"
            done_s.append(job["progress"]["done_s"])
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
    with server_process(tmp_path / "log", *options(tmp_path)) as server:
        client = JobClient(server.url)
        assert client.look(id)["progress"]["done_s"] >= done_s[-1]
        result = everything(client, id)
        told = [event for event in client.events(id) if event[0] == "segment"]
        assert [number for *_, number in told] == list(map(str, range(len(result["segments"]))))
        undisturbed = everything(client, client.make(recording, **fields))
    assert list((tmp_path / "jobs" / "uploads").iterdir()) == []
    return result, undisturbed, done_s


@pytest.mark.parametrize("channels", ["mix", "split"])
def test_killed_jobs_go_on(tmp_path: Path, long: Path, channels: str) -> None:
    result, undisturbed, done_s = killed_again_and_again(
        tmp_path, long, n_kills=2, seed=len(channels), channels=channels
    )
    assert result == undisturbed
    assert len(result["segments"]) > 10
    assert done_s == sorted(done_s)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("channels", ["mix", "split"])
def test_jobs_that_are_killed_twenty_times(tmp_path: Path, example: Path, channels: str) -> None:
    long = dialogue(tmp_path, example, 30)
    result, undisturbed, _ = killed_again_and_again(
        tmp_path, long, n_kills=20, seed=0, channels=channels
    )
    assert result == undisturbed


def recognised_s(url: str) -> float:
    """Seconds of sound of jobs that went through the nets of a server."""
    text = requests.get(f"{url}/metrics", timeout=10).text
    lines = [line for line in text.splitlines() if 'audio_seconds_total{kind="job"}' in line]
    return float(lines[0].split()[1]) if lines else 0.0


def test_a_server_that_is_ended_goes_on_later(tmp_path: Path, long: Path) -> None:
    with server_process(tmp_path / "log", *options(tmp_path)) as server:
        client = JobClient(server.url)
        ids = [client.make(long) for _ in range(2)]
        client.wait(ids[0], lambda job: job["progress"]["done_s"] > 120)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in (0, -signal.SIGTERM)
    assert "job is interrupted" in server.log.read_text()
    with server_process(tmp_path / "log", *options(tmp_path)) as server:
        client = JobClient(server.url)
        jobs = [client.look(id)["status"] for id in ids]
        assert jobs == ["running", "queued"]
        first = everything(client, ids[0])
        assert recognised_s(server.url) < first["duration"] - 100
        assert everything(client, ids[1]) == first
        text = set(first["text"].split())
    log = server.log.read_text()
    assert not any(word in log for word in text)
    assert "long.wav" not in log
    assert "x.wav" not in log


def test_two_servers_share_no_directory(tmp_path: Path) -> None:
    with server_process(tmp_path / "log", *options(tmp_path)):
        command = ["serve", "--model", "tiny_ctc", "--port", "0", *options(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "gigaam", *command], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "another server keeps its jobs in" in done.stderr


def test_cut_recordings_are_told(tmp_path: Path, long: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(long.read_bytes()[:4_000_000])
    with server_process(tmp_path / "log", *options(tmp_path)) as server:
        client = JobClient(server.url)
        id = client.make(cut)
        with open(cut, "rb") as file:
            url = f"{server.url}/v1/audio/transcriptions"
            expected = requests.post(url, files={"file": ("x.wav", file)}, timeout=60)
        result = client.result(id)
        assert result.json() == expected.json()
        assert result.headers["x-gigaam-warning"] == expected.headers["x-gigaam-warning"]
        assert "cut short" in client.look(id)["warnings"][0]
