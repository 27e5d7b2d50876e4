"""What clients of the live protocols are told when the server ends while they speak."""

import base64
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live_streams import free_port, spoken, texts_of
from tests.recognition_server import server_process

SOUND = spoken(times=1)[:100_000]


def told(client: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the connection is closed."""
    messages: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        messages.extend(json.loads(message) for message in client)
    return messages


def realtime(url: str, **heard: Any) -> ClientConnection:
    """A session of OpenAI's protocol, to which the sound was sent."""
    client = connect(f"{url}/v1/realtime")
    heard = {"format": {"type": "audio/pcm", "rate": 16_000}, **heard}
    session = {"type": "transcription", "audio": {"input": heard}}
    client.send(json.dumps({"type": "session.update", "session": session}))
    audio = base64.b64encode(SOUND).decode()
    client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    return client


def heard_until(client: ClientConnection, ending: str) -> None:
    while not json.loads(client.recv())["type"].endswith(ending):
        pass


def test_events_and_results(tmp_path: Path) -> None:
    with server_process(tmp_path / "log", "--realtime", "--vosk") as server:
        url = server.url.replace("http", "ws")
        with realtime(url) as client, connect(f"{url}/vosk") as vosk:
            vosk.send(json.dumps({"config": {"sample_rate": 16_000}}))
            vosk.send(SOUND)
            assert json.loads(vosk.recv())["partial"]
            heard_until(client, "speech_started")
            server.process.terminate()
            events, results = told(client), told(vosk)
            assert client.close_code == vosk.close_code == 1001
    assert [events[-1]["transcript"]] == [results[-1]["text"]] == texts_of(SOUND)


def test_sound_that_was_not_committed_has_failed(tmp_path: Path) -> None:
    with server_process(tmp_path / "log", "--realtime") as server:
        url = server.url.replace("http", "ws")
        with realtime(url, turn_detection=None) as client:
            heard_until(client, "delta")
            server.process.terminate()
            last = told(client)[-1]
            assert client.close_code == 1001
    assert last["type"] == "conversation.item.input_audio_transcription.failed"
    assert last["error"]["code"] == "server_ends"
    assert last["item_id"]


def test_the_transcript_of_a_command(tmp_path: Path) -> None:
    pytest.importorskip("wyoming")
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.event import read_event, write_event
    from wyoming.ping import Ping

    port = free_port()
    with (
        server_process(tmp_path / "log", "--wyoming", str(port)) as server,
        socket.create_connection(("127.0.0.1", port), timeout=30) as client,
        client.makefile("rwb") as stream,
    ):
        for event in (AudioStart(16_000, 2, 1), AudioChunk(16_000, 2, 1, SOUND), Ping()):
            write_event(event.event(), stream)
        assert read_event(stream).type == "pong"  # all of it was read
        server.process.terminate()
        answers = list(iter(lambda: read_event(stream), None))
    (text,) = texts_of(SOUND)
    assert [each.data["text"] for each in answers if each.type == "transcript"] == [text]
    assert "error" not in [each.type for each in answers]
