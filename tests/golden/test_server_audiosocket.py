"""Telephone calls by AudioSocket, as Asterisk sends them, and their events by HTTP."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from gigaam.server import ServerSettings
from tests.live_streams import finals_of, free_port, pieces, spoken, texts_of, wait_until
from tests.recognition_server import RunningServer, running_server

HANG_UP, NAME, DTMF, SOUND = 0x00, 0x01, 0x03, 0x10
KINDS = {8_000: 0x10, 16_000: 0x12, 24_000: 0x13, 44_100: 0x15, 48_000: 0x16}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(
        models=("tiny_ctc",), audiosocket=free_port(), max_live=1, stall_s=2.0
    )
    with running_server(settings) as server:
        yield server


class Phone:
    """Asterisk's end."""

    def __init__(self, connection: socket.socket, uuid: UUID) -> None:
        self.connection = connection
        self.uuid = uuid

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.connection.sendall(struct.pack(">BH", kind, len(payload)) + payload)

    def say(self, sound: bytes, rate: int = 8_000, wait_s: float = 0.0) -> None:
        for piece in pieces(sound, rate // 50 * 2):
            self.send(KINDS[rate], piece)
            time.sleep(wait_s)


@contextmanager
def calling(server: RunningServer, uuid: UUID | None = None) -> Iterator[Phone]:
    port = server.service.settings.audiosocket
    with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
        phone = Phone(connection, uuid or uuid4())
        phone.send(NAME, phone.uuid.bytes)
        yield phone


def events(server: RunningServer, uuid: UUID) -> list[dict[str, Any]]:
    """All events of a call, until it is over."""
    url = f"{server.url}/v1/calls/{uuid}/events"
    with requests.get(url, stream=True, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines(decode_unicode=True)
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def texts(told: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in told if event["type"] == "final" and event["text"]]


@pytest.mark.parametrize("rate", KINDS)
def test_events_are_those_of_a_session(server: RunningServer, rate: int) -> None:
    sound = spoken(rate)
    with calling(server) as phone:
        phone.say(sound, rate)
        phone.send(HANG_UP)
        told = events(server, phone.uuid)
    assert texts(told) == texts_of(sound, rate)
    assert told[-1] == {"type": "hangup"}
    kept = [event for event in told if event["type"] != "partial"]
    assert events(server, phone.uuid) == kept  # whoever comes later hears of no partials
    (final, *_) = [event for event in told if event["type"] == "final"]
    (segment, *_) = finals_of(sound, rate, word_timestamps=True)
    assert [word["text"] for word in final["words"]] == segment.text.split()


def test_subscribers_from_before_and_during_the_call(server: RunningServer) -> None:
    sound, uuid = spoken(8_000, 2), uuid4()
    heard: list[list[dict[str, Any]]] = []

    def subscribe() -> threading.Thread:
        thread = threading.Thread(target=lambda: heard.append(events(server, uuid)))
        thread.start()
        return thread

    before = subscribe()
    wait_until(lambda: server.service.slots.n_connections == 1)
    with calling(server, uuid) as phone:
        phone.say(sound[:100_000], wait_s=0.002)
        during = subscribe()
        phone.send(DTMF, b"5")
        phone.say(sound[100_000:], wait_s=0.002)
        phone.send(HANG_UP)
        for thread in (before, during):
            thread.join(30)
    assert len(heard) == 2
    for told in heard:
        assert texts(told) == texts_of(sound, 8_000)
        assert {"type": "dtmf", "digit": "5"} in told
        assert told[-1] == {"type": "hangup"}
    assert any(event["type"] == "partial" for told in heard for event in told)
    wait_until(lambda: not server.service.slots.n_connections)


def test_a_call_that_breaks_off(server: RunningServer) -> None:
    sound = spoken(8_000, 1)[:64_000]
    with calling(server) as phone:
        phone.say(sound)
    told = events(server, phone.uuid)
    assert texts(told) == texts_of(sound, 8_000)
    assert told[-1] == {"type": "hangup"}


def test_a_call_that_falls_silent(server: RunningServer) -> None:
    with calling(server) as phone:
        phone.say(bytes(3_200))
        told = events(server, phone.uuid)
        assert phone.connection.recv(10) == bytes(3)  # hang-up
    assert [event["type"] for event in told] == ["error", "hangup"]
    assert told[0]["error"]["code"] == "stalled"


def test_too_many_calls(server: RunningServer) -> None:
    wait_until(lambda: not server.service.slots.n_live)
    with calling(server) as one, calling(server) as two:
        one.say(bytes(3_200))
        wait_until(lambda: server.service.slots.n_live == 1)
        two.say(bytes(320))
        told = events(server, two.uuid)
        assert told[0]["error"]["code"] == "too_many_sessions"
        with calling(server, one.uuid) as three:
            assert three.connection.recv(10) == bytes(3)
    wait_until(lambda: not server.service.slots.n_connections)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">BH", SOUND, 320) + bytes(320)]
)
def test_no_call(server: RunningServer, garbage: bytes) -> None:
    port = server.service.settings.audiosocket
    with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) in (bytes(3), b"")
    wait_until(lambda: not server.service.slots.n_connections)


def test_who_does_not_begin_is_dropped(server: RunningServer) -> None:
    port = server.service.settings.audiosocket
    with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
        connection.sendall(b"\x01")  # the beginning of a header
        assert connection.recv(10) == bytes(3)


def test_a_call_is_named_by_its_uuid(server: RunningServer) -> None:
    answer = requests.get(f"{server.url}/v1/calls/seven/events", timeout=10)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "uuid")


def test_the_rate_cannot_change(server: RunningServer) -> None:
    with calling(server) as phone:
        phone.say(bytes(3_200))
        phone.say(bytes(3_200), 16_000)
        told = events(server, phone.uuid)
    assert [event["type"] for event in told] == ["error", "hangup"]
