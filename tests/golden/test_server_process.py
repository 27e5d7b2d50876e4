"""``gigaam serve`` as a process: its log, its end, what it needs of the machine."""

import json
import os
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
from tests.recognition_server import server_process
from tests.waves import write_wav


def post(url: str, path: Path, **fields: str) -> requests.Response:
    with open(path, "rb") as file:
        return requests.post(
            f"{url}/v1/audio/transcriptions", data=fields, files={"file": file}, timeout=60
        )


def test_a_cut_recording_is_told(tmp_path: Path, example: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(example.read_bytes()[:100_000])
    with server_process(tmp_path / "log", "--log-format", "json") as server:
        answer = post(server.url, cut)
        assert post(server.url, example).headers.get("x-gigaam-warning") is None
    assert answer.json()["text"]
    assert "cut short" in answer.json()["warnings"][0]
    assert "cut short" in answer.headers["x-gigaam-warning"]


def test_the_log_tells_no_text(tmp_path: Path, example: Path) -> None:
    with server_process(tmp_path / "log", "--log-format", "json") as server:
        text = post(server.url, example, keywords="Ватутин").json()["text"]
        for _ in range(100):
            lines = [json.loads(line) for line in server.log.read_text().splitlines()]
            told = [line for line in lines if line["event"] == "request"]
            if told:
                break
            time.sleep(0.02)
    assert told[0]["route"] == "/v1/audio/transcriptions"
    assert told[0]["status"] == 200
    log = server.log.read_text()
    assert not any(word in log for word in (*text.split(), "Ватутин", "example"))


def test_the_environment_is_heard(tmp_path: Path, example: Path) -> None:
    with server_process(tmp_path / "log", GIGAAM_SERVE_API_KEY="one two") as server:
        url = f"{server.url}/v1/models"
        assert requests.get(url, timeout=10).status_code == 401
        for key in ("one", "two"):
            headers = {"Authorization": f"Bearer {key}"}
            assert requests.get(url, headers=headers, timeout=10).status_code == 200


def test_an_exported_model_is_served(tmp_path: Path, example: Path) -> None:
    gigaam.load_model("tiny_ctc").to_onnx(tmp_path / "export", dtype="int8")
    with server_process(tmp_path / "log", "--onnx", str(tmp_path / "export")) as server:
        text = post(server.url, example).json()["text"]
        models = requests.get(f"{server.url}/v1/models", timeout=10).json()["data"]
    assert text == gigaam.load_model(str(tmp_path / "export")).transcribe(example)
    assert [model["id"] for model in models] == ["tiny_ctc"]


def test_sigterm_finishes_what_is_at_work(tmp_path: Path, example: Path) -> None:
    samples = np.tile(gigaam.load_audio(example).numpy(), 40)
    long = write_wav(tmp_path / "long.wav", samples)
    answers: list[requests.Response] = []
    with server_process(tmp_path / "log") as server:
        thread = threading.Thread(target=lambda: answers.append(post(server.url, long)))
        thread.start()
        while (
            'gigaam_audio_seconds_total{kind="file"}'
            not in requests.get(f"{server.url}/metrics", timeout=10).text
        ):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in (0, -signal.SIGTERM)
        thread.join()
    assert answers[0].status_code == 200
    assert answers[0].json()["text"]


def test_sigterm_finishes_streams(tmp_path: Path, example: Path) -> None:
    """Of a text and of a job; the job goes on at the next start."""
    long = write_wav(tmp_path / "long.wav", np.tile(gigaam.load_audio(example).numpy(), 80))
    options = ["--jobs-dir", str(tmp_path / "jobs"), "--shutdown", "200"]
    with server_process(tmp_path / "log", *options) as server, open(long, "rb") as file:
        job = requests.post(f"{server.url}/v1/jobs", files={"file": file}, timeout=60).json()
        events = requests.get(f"{server.url}/v1/jobs/{job['id']}/events", stream=True, timeout=60)
        file.seek(0)
        text = requests.post(
            f"{server.url}/v1/audio/transcriptions",
            data={"stream": "true"},
            files={"file": file},
            stream=True,
            timeout=60,
        )
        lines = text.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        told = [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
        assert told[-1]["type"] == "transcript.text.done"
        assert b"event: status" in events.content
        assert server.process.wait(60) in (0, -signal.SIGTERM)
    assert "without completing" not in server.log.read_text()


def test_a_model_that_cannot_be_had_ends_the_server(tmp_path: Path) -> None:
    (tmp_path / "broken.ckpt").write_bytes(b"no checkpoint")
    command = ["serve", "--model", str(tmp_path / "broken.ckpt"), "--no-jobs", "--port", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "gigaam", *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "the model broken cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = ["serve", "--model", "tiny_ctc", "--no-jobs", "--port", port]
        done = subprocess.run(
            [sys.executable, "-m", "gigaam", *command], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "v9"], "--model: "),
        (["--model", "ssl"], "does not recognise speech"),
        (["--onnx", "nowhere"], "there is no directory"),
        (["--max-wait", "0"], "--max-wait: must be above 0"),
        (["--model", "tiny_ctc", "--model", "tiny_ctc"], "two models have one name"),
        (["--model", "tiny_ctc", "--api-key-file", os.devnull], "there are no keys"),
    ],
)
def test_refusals(tmp_path: Path, options: list[str], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gigaam", "serve", "--no-jobs", *options],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert words in done.stderr
