"""The end of ``gigaam serve``: requests that take too long, impatient people, one deadline."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import requests

import gigaam
from tests.recognition_server import ServerProcess, server_process
from tests.waves import write_wav


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Half an hour of speech."""
    samples = np.tile(gigaam.load_audio(example).numpy(), 260)
    return write_wav(tmp_path_factory.mktemp("long") / "long.wav", samples)


def ask(server: ServerProcess, path: Path, **fields: str) -> requests.Response:
    with open(path, "rb") as file:
        return requests.post(
            f"{server.url}/v1/audio/transcriptions",
            data=fields,
            files={"file": file},
            stream=True,
            timeout=120,
        )


def wait_for_work(server: ServerProcess) -> None:
    while (
        'gigaam_audio_seconds_total{kind="file"}'
        not in requests.get(f"{server.url}/metrics", timeout=10).text
    ):
        time.sleep(0.01)


def test_a_request_that_takes_too_long_is_told(tmp_path: Path, long: Path) -> None:
    answers: list[requests.Response] = []
    with server_process(tmp_path / "log", "--shutdown", "1") as server:
        thread = threading.Thread(target=lambda: answers.append(ask(server, long)))
        thread.start()
        wait_for_work(server)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        thread.join()
        server.process.wait(30)
    assert 1.0 <= time.monotonic() - began < 10.0
    assert answers[0].status_code == 503
    assert answers[0].json()["error"]["code"] == "server_ends"
    assert int(answers[0].headers["Retry-After"]) >= 1
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "status=503" in log


def test_a_stream_that_takes_too_long_is_told(tmp_path: Path, long: Path) -> None:
    with server_process(tmp_path / "log", "--shutdown", "1") as server:
        answer = ask(server, long, stream="true")
        lines = answer.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        told = [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
        server.process.wait(30)
    assert told[0]["type"] == "transcript.text.delta"
    assert told[-1]["error"]["code"] == "server_ends"
    assert "Traceback" not in server.log.read_text()


def test_who_asks_twice_does_not_wait(tmp_path: Path, long: Path) -> None:
    with server_process(tmp_path / "log", "--shutdown", "100") as server:
        answer = ask(server, long, stream="true")
        lines = answer.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        server.process.send_signal(signal.SIGINT)
        told = [line for line in lines if line.startswith(b"data:")]
        assert server.process.wait(30) == 130
    assert b"server_ends" in told[-1]
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("pause_s", [0.02, 0.15, 0.3])
def test_ctrl_c_twice_ends_quietly(tmp_path: Path, pause_s: float) -> None:
    with server_process(tmp_path / "log") as server:
        server.process.send_signal(signal.SIGINT)
        time.sleep(pause_s)
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) in (130, -signal.SIGINT)
    log = server.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) <= 4, log


def starting(*options: str) -> subprocess.CompletedProcess[str]:
    """A server that cannot start."""
    command = [sys.executable, "-m", "gigaam", "serve", "--model", "tiny_ctc", "--port", "0"]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)


def test_nothing_listens_when_jobs_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "jobs.sqlite3").write_bytes(b"no database" * 1_000)
    done = starting("--jobs-dir", str(tmp_path / "foreign"))
    assert done.returncode == 1
    assert "listening" not in done.stderr
    assert str(tmp_path / "foreign") in done.stderr


@pytest.mark.parametrize("protocol", ["wyoming", "audiosocket"])
def test_nothing_listens_when_a_port_is_taken(protocol: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = starting("--no-jobs", f"--{protocol}", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "listening on http" not in done.stderr
    assert f"{protocol}: cannot listen on 127.0.0.1" in done.stderr
