"""``/v1/live``, the server's own protocol, on a real port; finals are those of a live session."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gigaam.server import ServerSettings
from tests.live_streams import encoded, finals_of, pieces, spoken, texts_of, wait_until
from tests.recognition_server import RunningServer, running_server, server_process

FINISH = json.dumps({"type": "finish"})


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(models=("tiny_ctc",), max_live=3, max_connections=60, stall_s=2.0)
    with running_server(settings) as server:
        yield server


def live(url: str, query: str = "", **options: Any) -> ClientConnection:
    return connect(f"{url.replace('http', 'ws')}/v1/live?{query}", **options)


def told(client: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the connection is closed."""
    messages: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):  # with a code that tells of an error
        messages.extend(json.loads(message) for message in client)
    return messages


def finals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "final" and event["text"]]


def test_finals_are_those_of_a_session(server: RunningServer) -> None:
    sound = spoken()
    with live(server.url, "word_timestamps=true&files=true") as client:
        assert json.loads(client.recv()) == {"type": "started", "model": "tiny_ctc", "rate": 16000}
        for piece in pieces(sound, 3_201):
            client.send(piece)
            time.sleep(0.01)
        client.send(FINISH)
        events = told(client)
    expected = finals_of(sound, word_timestamps=True)
    assert len(expected) > 1
    assert [event["text"] for event in finals(events)] == [each.text for each in expected]
    for event, segment in zip(finals(events), expected, strict=True):
        assert event["start"] == round(segment.start, 3)
        assert event["confidence"] == round(segment.confidence or 0, 4)
        assert [word["text"] for word in event["words"]] == segment.text.split()
    partials = [event for event in events if event["type"] == "partial"]
    assert any(event["committed"] for event in partials)
    files = events[-1]["files"]
    assert events[-1]["type"] == "finished"
    assert sorted(files) == ["json", "srt", "txt", "vtt"]
    assert files["txt"].split("\n")[:-1] == [each.text for each in expected]
    assert client.close_code == 1000


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("rate=8000&sample_format=mulaw", {"sample_format": "mulaw"}),
        ("rate=8000&endpoint_silence=1.2&partials=false", {"endpoint_silence_s": 1.2}),
        ("rate=8000&hotword=Ватутин&hotword=ополчение", {"hotwords": ["Ватутин", "ополчение"]}),
    ],
)
def test_what_the_query_says(server: RunningServer, query: str, options: dict[str, Any]) -> None:
    sound = spoken(8_000)
    if "mulaw" in query:
        sound = encoded(sound, "mulaw")
    with live(server.url, query) as client:
        for piece in pieces(sound, 8_000):
            client.send(piece)
        client.send(FINISH)
        events = told(client)
    assert [event["text"] for event in finals(events)] == texts_of(sound, 8_000, **options)
    assert ("partial" in {event["type"] for event in events}) == ("partials=false" not in query)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("rat=16000", "rat"),
        ("rate=fast", "rate"),
        ("rate=16000.5", "rate"),
        ("model=none", "model"),
        ("sample_format=mp3", None),
        ("channels=0", "channels"),
        ("partials=perhaps", "partials"),
        ("endpoint_silence=0", "endpoint_silence"),
        ("hotword=" + "я" * 300, "hotword"),
    ],
)
def test_what_cannot_be_is_refused(server: RunningServer, query: str, param: str | None) -> None:
    with live(server.url, query) as client:
        (error,) = told(client)
    assert error["type"] == "error"
    assert error["error"]["type"] in ("invalid_request_error", "not_found_error")
    assert error["error"]["message"]
    if param:
        assert error["error"]["param"] == param
    assert client.close_code == 1008


def test_a_language_that_the_model_does_not_know(server: RunningServer) -> None:
    with live(server.url, "language=fr") as client:
        client.send(bytes(3_200))
        events = told(client)
    assert events[-1]["error"]["code"] == "unsupported_language"


@pytest.mark.parametrize("message", ["finish", "{}", '{"type": "stop"}', "[" * 100_000])
def test_messages_that_are_none(server: RunningServer, message: str) -> None:
    with live(server.url) as client:
        client.send(message)
        events = told(client)
    assert events[-1]["type"] == "error"
    assert client.close_code == 1008


def test_a_message_that_is_too_large(server: RunningServer) -> None:
    with live(server.url) as client:
        client.send(bytes((1 << 20) + 1))
        assert told(client)[-1]["error"]["code"] == "message_too_big"
    assert client.close_code == 1009


def test_nothing_is_sent(server: RunningServer) -> None:
    with live(server.url, "files=true") as client:
        client.send(FINISH)
        client.send(bytes(100))  # after the end, and of no interest
        events = told(client)
    assert events[-1]["files"]["txt"] == ""


def test_who_sends_nothing_more_is_dropped(server: RunningServer) -> None:
    sound = spoken(times=1)[:100_000]
    with live(server.url) as client:
        client.send(sound)
        events = told(client)
    assert [event["text"] for event in finals(events)] == texts_of(sound)
    assert events[-1]["error"]["code"] == "stalled"
    assert not any(event["type"] == "finished" for event in events)
    assert client.close_code == 1008


def test_who_leaves_frees_the_place(server: RunningServer) -> None:
    slots = server.service.slots
    for _ in range(4):  # more than there are places
        client = live(server.url)
        client.recv()
        client.send(spoken()[:64_000])
        wait_until(lambda: slots.n_live == 1)
        client.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: slots.n_live == 0)
    wait_until(lambda: slots.n_connections == 0)


def test_idle_connections_cost_nothing_and_places_run_out(server: RunningServer) -> None:
    slots = server.service.slots
    clients = [live(server.url) for _ in range(50)]
    try:
        wait_until(lambda: slots.n_connections == 50)
        assert slots.n_live == 0
        for client in clients[:3]:
            client.send(bytes(3_200))
        wait_until(lambda: slots.n_live == 3)
        clients[3].send(bytes(3_200))
        assert told(clients[3])[-1]["error"]["code"] == "too_many_sessions"
        assert clients[3].close_code == 1013
        more = [live(server.url) for _ in range(20)]
        clients += more
        assert told(more[-1])[-1]["error"]["code"] == "too_many_connections"
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: slots.n_connections == 0 and slots.n_live == 0)
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'gigaam_live_sessions{protocol="native"} 0.0' in text
    assert 'gigaam_audio_seconds_total{kind="live"}' in text


def test_streams_at_once_do_not_mix(server: RunningServer) -> None:
    sounds = [spoken(times=1), spoken(times=2), spoken(times=1)[80_000:]]

    def heard(sound: bytes) -> list[str]:
        with live(server.url) as client:
            for piece in pieces(sound, 6_400):
                client.send(piece)
                time.sleep(0.005)
            client.send(FINISH)
            return [event["text"] for event in finals(told(client))]

    wait_until(lambda: server.service.slots.n_live == 0)
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(heard, sounds)) == [texts_of(sound) for sound in sounds]


def test_keys_and_origins() -> None:
    settings = ServerSettings(models=("tiny_ctc",), api_keys=("key",))
    with running_server(settings) as server:
        for offered in (None, ["gigaam", "gigaam-key.wrong"]):
            with pytest.raises(InvalidStatus) as raised:
                live(server.url, subprotocols=offered)
            assert raised.value.response.status_code == 401
            assert json.loads(raised.value.response.body)["error"]["code"] == "invalid_api_key"
        with live(server.url, subprotocols=["gigaam", "gigaam-key.key"]) as client:
            assert client.subprotocol == "gigaam"
        with live(server.url, additional_headers={"Authorization": "Bearer key"}) as client:
            assert client.subprotocol is None
            assert json.loads(client.recv())["type"] == "started"
        headers = {"Authorization": "Bearer key", "Origin": "https://evil.example"}
        with pytest.raises(InvalidStatus) as raised:
            live(server.url, additional_headers=headers)
        assert raised.value.response.status_code == 403
        key = {"Authorization": "Bearer key"}
        text = requests.get(f"{server.url}/metrics", headers=key, timeout=10).text
        assert 'gigaam_requests_total{route="other",status="401"}' in text


@pytest.mark.parametrize(("path", "word"), [("/v1/realtime", "--realtime"), ("/nope", "here")])
def test_protocols_that_are_not_spoken(server: RunningServer, path: str, word: str) -> None:
    with pytest.raises(InvalidStatus) as raised:
        connect(f"ws://127.0.0.1:{server.port}{path}")
    assert raised.value.response.status_code == 404
    assert word in json.loads(raised.value.response.body)["error"]["message"]


def test_the_end_of_the_server(tmp_path: Path) -> None:
    sound = spoken(times=1)[:100_000]
    with server_process(tmp_path / "log") as server:
        with live(server.url) as idle, live(server.url) as client:
            client.send(sound)
            client.recv()
            client.recv()  # a partial: the sound was heard
            server.process.terminate()
            events = told(client)
            assert [event["type"] for event in told(idle)] == ["started"]
            assert client.close_code == idle.close_code == 1001
        assert [event["text"] for event in finals(events)] == texts_of(sound)
        server.process.wait(20)
