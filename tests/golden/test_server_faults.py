"""Clients that go away, stall, send too much or the wrong thing: the next one is answered right."""

import contextlib
import socket
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import gigaam
from gigaam.server import ServerSettings
from tests.recognition_server import RunningServer, running_server
from tests.waves import write_wav

ROUTE = "/v1/audio/transcriptions"
LIMITS = ServerSettings(
    models=("tiny_ctc",),
    stall_s=1.0,
    max_upload_bytes=32 << 20,
    max_duration_s=1_200.0,
    max_requests=4,
    at_once=2,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningServer]:
    with running_server(LIMITS) as server:
        yield server


@pytest.fixture
def server(shared: RunningServer, example: Path) -> Iterator[RunningServer]:
    """The server; after each test it has nothing to do, and answers as it did."""
    yield shared
    wait_until_idle(shared)
    answer = post(shared, example)
    while answer.status_code == 503:  # connections that were closed may still be noticed
        time.sleep(float(answer.headers["Retry-After"]))
        answer = post(shared, example)
    assert answer.json()["text"].startswith("ну отеперь")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Ten minutes of speech."""
    samples = np.tile(gigaam.load_audio(example).numpy(), 85)
    return write_wav(tmp_path_factory.mktemp("long") / "long.wav", samples)


def post(server: RunningServer, path: Path, **fields: str) -> requests.Response:
    with open(path, "rb") as file:
        return requests.post(f"{server.url}{ROUTE}", data=fields, files={"file": file}, timeout=120)


def wait_until_idle(server: RunningServer) -> None:
    for _ in range(500):
        if not server.service.admission.n_requests:
            return
        time.sleep(0.02)
    raise AssertionError("a request is still there")


def heard_s(server: RunningServer) -> float:
    value = server.service.metrics.registry.get_sample_value(
        "gigaam_audio_seconds_total", {"kind": "file"}
    )
    return value or 0.0


def raw_request(body: bytes, length: int | None = None, extra: str = "") -> bytes:
    """A form with one file, as it goes over the line."""
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + body
        + b"\r\n--x--\r\n"
    )
    head = (
        f"POST {ROUTE} HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(form) if length is None else length}\r\n\r\n"
    )
    return head.encode() + form


def connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_gone_while_uploading(server: RunningServer) -> None:
    for _ in range(8):
        with connect(server) as client:
            client.sendall(raw_request(b"RIFF" + bytes(100_000), length=30_000_000))


def test_gone_while_recognised(server: RunningServer, long: Path) -> None:
    with connect(server) as client:
        client.sendall(raw_request(long.read_bytes()))
        before = heard_s(server)
        while heard_s(server) == before:
            time.sleep(0.01)
    at_end = heard_s(server)
    wait_until_idle(server)
    assert heard_s(server) - at_end <= 60.0  # of 600: what was at work, no more
    time.sleep(0.3)
    assert heard_s(server) - at_end <= 60.0


def test_gone_while_streaming(server: RunningServer, long: Path) -> None:
    with open(long, "rb") as file:
        answer = requests.post(
            f"{server.url}{ROUTE}",
            data={"stream": "true"},
            files={"file": file},
            stream=True,
            timeout=60,
        )
        next(answer.iter_lines())
        answer.close()
    at_end = heard_s(server)
    wait_until_idle(server)
    assert heard_s(server) - at_end <= 60.0


def test_stalled_body(server: RunningServer) -> None:
    with connect(server) as client:
        client.sendall(raw_request(b"RIFF", length=1_000_000))
        assert status_of(client.recv(1_000)) == 408


def test_trickling_body(server: RunningServer) -> None:
    with connect(server) as client:
        client.sendall(raw_request(b"RIFF", length=1_000_000))
        client.settimeout(0.2)
        for _ in range(60):
            with contextlib.suppress(TimeoutError):
                answer = client.recv(1_000)
                break
            client.sendall(b"x")
        assert status_of(answer) == 408


def test_too_large_by_its_header(server: RunningServer) -> None:
    with connect(server) as client:
        client.sendall(raw_request(b"RIFF", length=1 << 40))  # no more is sent, nor needed
        assert status_of(client.recv(1_000)) == 413


def test_too_large_without_a_header(server: RunningServer) -> None:
    def endless() -> Iterator[bytes]:
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield form
        for _ in range(64):
            yield bytes(1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with contextlib.suppress(requests.ConnectionError):  # the answer may come before the body's end
        answer = requests.post(f"{server.url}{ROUTE}", data=endless(), headers=headers, timeout=30)
        assert answer.status_code == 413
        assert "Maximum content size limit" in answer.json()["error"]["message"]


def test_too_long(server: RunningServer, tmp_path: Path) -> None:
    """An hour of silence, small as a file."""
    import av

    path = tmp_path / "hour.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        silence = np.zeros((1, 16_000 * 60), np.int16)
        for _ in range(60):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    answer = post(server, path)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "audio_too_long"


def test_many_fields(server: RunningServer) -> None:
    fields = [(f"f{n}", (None, "x")) for n in range(10_000)]
    answer = requests.post(f"{server.url}{ROUTE}", files=fields, timeout=60)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_large_fields(server: RunningServer) -> None:
    files = [("prompt", (None, "x" * (3 << 20)))]
    answer = requests.post(f"{server.url}{ROUTE}", files=files, timeout=60)
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_fields_that_are_large_together(server: RunningServer, kind: str) -> None:
    fields = {f"field{n}": "x" * 900_000 for n in range(20)}
    if kind == "multipart/form-data":
        form: dict[str, Any] = {"files": {name: (None, each) for name, each in fields.items()}}
    else:
        form = {"data": fields}
    answer = requests.post(f"{server.url}{ROUTE}", **form, timeout=60)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["code"] in ("invalid_form", "upload_too_large")


def test_names_that_no_header_can_hold(server: RunningServer, example: Path) -> None:
    answer = post(server, example, **{"a\0b\r\nX-Evil: 1": "x", "поле": "x"})
    assert answer.status_code == 200
    assert "X-Evil" not in answer.headers
    assert answer.headers["x-gigaam-ignored"] == r"ab%0D%0AX-Evil: 1, \u043f\u043e\u043b\u0435"


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "nan"])
def test_numbers_that_are_none(server: RunningServer, example: Path, value: str) -> None:
    answer = post(server, example, temperature=value)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")


def test_channels_count_each(server: RunningServer, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as writer:
        writer.setparams((2, 2, 8_000, 0, "NONE", ""))
        writer.writeframes(bytes(2 * 2 * 8_000 * 700))
    answer = post(server, tmp_path / "a.wav", channels="split")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "audio_too_long")


def test_endless_headers(server: RunningServer) -> None:
    with connect(server) as client:
        sent = 0
        with contextlib.suppress(ConnectionError):
            client.sendall(f"POST {ROUTE} HTTP/1.1\r\n".encode())
            while sent < 1 << 30:
                client.sendall(b"X-Y: " + b"z" * 60_000 + b"\r\n")
                sent += 60_000
        assert sent < 1 << 24  # the server did not take a gigabyte


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400),
        ("application/x-www-form-urlencoded", b"file=text", 400),
    ],
)
def test_no_form(server: RunningServer, kind: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": kind}
    answer = requests.post(f"{server.url}{ROUTE}", data=body, headers=headers, timeout=30)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_names_are_no_paths(server: RunningServer) -> None:
    files = {"file": ("../../../etc/passwd", b"no sound at all")}
    answer = requests.post(f"{server.url}{ROUTE}", files=files, timeout=30)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "'passwd'" in message
    assert ".." not in message


def test_other_routes_and_methods(server: RunningServer) -> None:
    for method, path, status in (
        ("GET", ROUTE, 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("POST", "/v1/chat/completions", 404),
    ):
        answer = requests.request(method, server.url + path, timeout=10)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_many_more_than_it_can_do(server: RunningServer, long: Path, example: Path) -> None:
    """Those that are let in are answered right; the others are told at once when to come again."""
    text = post(server, long).json()["text"]
    began = threading.Event()

    def ask(number: int) -> tuple[int, str, float]:
        started = time.perf_counter()
        answer = post(server, long)
        seconds = time.perf_counter() - started
        if answer.status_code != 200:
            assert 1 <= int(answer.headers["Retry-After"]) <= 120
        began.set()
        return answer.status_code, answer.json().get("text", ""), seconds

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(ask, range(40)))
    accepted = [found for status, found, _ in answers if status == 200]
    refused = [seconds for status, _, seconds in answers if status == 503]
    assert len(accepted) + len(refused) == 40
    assert 1 <= len(accepted) <= 8
    assert set(accepted) == {text}
    assert np.median(refused) < 5.0
