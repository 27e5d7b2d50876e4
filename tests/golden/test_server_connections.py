"""Websockets that do not behave: what they hold is bounded in size and in time."""

import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from gigaam.server import ServerSettings
from tests.live_streams import wait_until
from tests.recognition_server import RunningServer, running_server, server_process

MASKED = 0x80
TEXT, BINARY, PING = 0x1, 0x2, 0x9


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(models=("tiny_ctc",), stall_s=0.5)
    with running_server(settings) as server:
        yield server


@contextmanager
def upgraded(port: int, path: str = "/v1/live") -> Iterator[socket.socket]:
    """A websocket that does nothing by itself."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b" 101 " in client.recv(16)
        yield client


def frame(size: int, kind: int = BINARY, sent: bytes | None = None) -> bytes:
    """A frame that says it has a size; its mask is of zeros."""
    payload = bytes(size) if sent is None else sent
    if size < 1 << 16:
        return struct.pack(">BBHI", 0x80 | kind, MASKED | 126, size, 0) + payload
    return struct.pack(">BBQI", 0x80 | kind, MASKED | 127, size, 0) + payload


def is_cut(client: socket.socket) -> bool:
    """Whether the server has ended the connection, though not all was read."""
    poller = select.poll()
    poller.register(client, select.POLLRDHUP)
    return bool(poller.poll(0))


def flood(client: socket.socket) -> None:
    """Ask for answers until the server takes no more, and read none of them."""
    keywords = [f"слово {number}" for number in range(900)]  # which are told back
    heard = {"transcription": {"keywords": keywords}}
    session = {"type": "transcription", "audio": {"input": heard}}
    update = json.dumps({"type": "session.update", "session": session}).encode()
    with suppress(OSError):
        for _ in range(2_000):
            client.sendall(frame(len(update), TEXT, update))


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_message_that_never_ends(server: RunningServer) -> None:
    """While the server waits for its rest, it takes little memory, and not for ever."""
    slots, before = server.service.slots, resident_bytes()
    clients = [upgraded(server.port) for _ in range(20)]
    opened = [client.__enter__() for client in clients]
    try:
        wait_until(lambda: slots.n_connections == 20)
        for client in opened:
            with suppress(OSError):  # too much, and cut off
                client.sendall(frame(22 << 20, sent=bytes(1 << 20)))
        time.sleep(0.2)
        assert resident_bytes() - before < 80 << 20
        wait_until(lambda: all(is_cut(client) for client in opened), 6)
        assert slots.n_connections == 0
    finally:
        for each in clients:
            each.__exit__(None, None, None)


def test_a_message_that_comes_slowly(server: RunningServer) -> None:
    with upgraded(server.port) as client:
        client.sendall(frame(1_000, sent=bytes(800)))
        for _ in range(5):
            time.sleep(0.2)
            client.sendall(bytes(40))
        wait_until(lambda: server.service.slots.n_live == 1)


def test_a_message_that_is_far_too_large(server: RunningServer) -> None:
    with connect(f"{server.url.replace('http', 'ws')}/v1/live") as client:
        assert not client.protocol.extensions  # compressed, a little could be a lot
        client.recv()
        with suppress(ConnectionClosed):  # before all of it is sent
            client.send(bytes(2 << 20))
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == 1009


def test_who_does_not_read_is_cut_off() -> None:
    settings = ServerSettings(models=("tiny_ctc",), realtime=True, stall_s=0.5)
    with running_server(settings) as server, upgraded(server.port, "/v1/realtime") as client:
        flood(client)
        wait_until(lambda: not server.service.slots.n_connections)
        wait_until(lambda: is_cut(client), 4)


def test_who_does_not_read_does_not_keep_the_server(tmp_path: Path) -> None:
    with (
        server_process(tmp_path / "log", "--realtime") as server,
        upgraded(int(server.url.rpartition(":")[2]), "/v1/realtime") as client,
    ):
        flood(client)
        server.process.terminate()
        server.process.wait(25)


def test_who_answers_no_ping_is_gone() -> None:
    settings = ServerSettings(models=("tiny_ctc",))
    pings = {"ws_ping_interval": 0.2, "ws_ping_timeout": 0.4}
    with running_server(settings, **pings) as server, upgraded(server.port) as client:
        received = b""
        while chunk := client.recv(1_000):
            received += chunk
        assert bytes([0x80 | PING]) in received
        wait_until(lambda: not server.service.slots.n_connections)
