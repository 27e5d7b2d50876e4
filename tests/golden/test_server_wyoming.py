"""The Wyoming protocol, spoken by the client of its own package, on a real port."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("wyoming")

from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info

from gigaam.server import ServerSettings, create_app
from tests.live_streams import free_port, pieces, spoken, texts_of, wait_until
from tests.recognition_server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(
        models=("tiny_ctc", "tiny_rnnt"), wyoming=free_port(), max_live=1, stall_s=2.0
    )
    with running_server(settings) as server:
        yield server


def talk(
    server: RunningServer, *events: Any, last: str = "transcript", times: int = 1
) -> list[Event]:
    """What is answered to events, up to an answer of a kind that has come so often."""

    async def answers() -> list[Event]:
        port = server.service.settings.wyoming
        assert port is not None
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for event in events:
                await client.write_event(event.event())
            found: list[Event] = []
            while sum(event.type in (last, "error") for event in found) < times:
                event = await asyncio.wait_for(client.read_event(), 30)
                assert event is not None
                found.append(event)
            return found

    return asyncio.run(answers())


def command(sound: bytes, rate: int = 16_000, width: int = 2, channels: int = 1) -> list[Any]:
    about = {"rate": rate, "width": width, "channels": channels}
    chunks = [AudioChunk(**about, audio=piece) for piece in pieces(sound, 2_048)]
    return [AudioStart(**about), *chunks, AudioStop()]


def test_what_is_there(server: RunningServer) -> None:
    (event,) = talk(server, Describe(), last="info")
    (program,) = Info.from_event(event).asr
    assert [model.name for model in program.models] == ["tiny_ctc", "tiny_rnnt"]
    assert all(model.languages == ["ru"] for model in program.models)
    assert program.supports_transcript_streaming


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_the_transcript_is_all_finals(server: RunningServer, rate: int) -> None:
    sound = spoken(rate)
    wishes = Transcribe(name="tiny_ctc", language="ru")
    answers = talk(server, wishes, *command(sound, rate), last="transcript-stop")
    expected = texts_of(sound, rate)
    types = ["transcript-start", *["transcript-chunk"] * len(expected)]
    assert [event.type for event in answers] == [*types, "transcript", "transcript-stop"]
    transcript = Transcript.from_event(answers[-2])
    assert transcript.text == " ".join(expected)
    assert transcript.language == "ru"
    chunks = [TranscriptChunk.from_event(event).text for event in answers[1:-2]]
    assert "".join(chunks) == transcript.text


def test_names_are_expected(server: RunningServer) -> None:
    sound = spoken()
    names = ["Ватутин", "я" * 300, ""]
    wishes = Transcribe(transcript_names=names, transcript_terms=["ополчение"])
    answers = talk(server, wishes, *command(sound))
    expected = texts_of(sound, hotwords=["Ватутин", "ополчение"])
    assert Transcript.from_event(answers[-1]).text == " ".join(expected)


def test_one_command_after_the_other(server: RunningServer) -> None:
    sound = spoken(times=1)
    answers = talk(server, *command(sound), *command(sound), times=2)
    found = [Transcript.from_event(each).text for each in answers if each.type == "transcript"]
    assert found == [" ".join(texts_of(sound))] * 2
    wait_until(lambda: not server.service.slots.n_live)
    silence = talk(server, *command(bytes(64_000)))
    assert [event.type for event in silence] == ["transcript"]
    assert Transcript.from_event(silence[0]).text == ""
    wait_until(lambda: not server.service.slots.n_live)
    assert Transcript.from_event(talk(server, *command(b""))[0]).text == ""


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([AudioStop()], "unexpected_event"),
        (command(bytes(4_096), width=7), "invalid_audio"),
        ([AudioStart(float("inf"), 2, 1)], "invalid_audio"),
        ([AudioStart(10**400, 2, 1), AudioChunk(10**400, 2, 1, bytes(10))], "invalid_audio"),
        ([AudioStart(16_000, 2, float("inf"))], "invalid_audio"),
        ([Transcribe(transcript_terms=5), *command(bytes(4_096))], "invalid_value"),
        ([AudioStart(16_000, 2, 1), AudioChunk(8_000, 2, 1, bytes(10))], "invalid_audio"),
        ([AudioStart(16_000, 2, 1), Describe()], "unexpected_event"),
        ([Transcribe(language="fr"), *command(bytes(4_096))], "unsupported_language"),
        (command(bytes(4_096))[:2], "stalled"),
    ],
)
def test_what_cannot_be(server: RunningServer, events: list[Any], code: str) -> None:
    (answer,) = talk(server, *events)
    assert (answer.type, answer.data["code"]) == ("error", code)
    wait_until(lambda: not server.service.slots.n_connections)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 100_000,
        b'{"type": "describe", "data_length": 1000000000}\n',
        b'{"type": "describe", "payload_length": -5}\n',
        b'{"type": "describe", "payload_length": Infinity}\n',
        b'{"type": "describe", "payload_length": 1' + b"0" * 400 + b"}\n",
        b'{"type": "describe", "data": 7}\n',
    ],
)
def test_garbage(server: RunningServer, garbage: bytes) -> None:
    port = server.service.settings.wyoming
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as client:
        client.sendall(garbage)
        with client.makefile("rb") as file:
            header = json.loads(file.readline())
            rest = file.read()
    assert header["type"] == "error"
    assert b"internal" not in rest
    wait_until(lambda: not server.service.slots.n_connections)


def test_places(server: RunningServer) -> None:
    port, slots = server.service.settings.wyoming, server.service.slots
    with socket.create_connection(("127.0.0.1", port or 0)) as holder:
        for event in command(bytes(4_096))[:2]:
            told = event.event()
            data = json.dumps(told.data).encode()
            payload = told.payload or b""
            header = {"type": told.type, "data_length": len(data), "payload_length": len(payload)}
            holder.sendall(json.dumps(header).encode() + b"\n" + data + payload)
        wait_until(lambda: slots.n_live == 1)
        (answer,) = talk(server, *command(bytes(4_096)))
        assert answer.data["code"] == "too_many_sessions"
    wait_until(lambda: not slots.n_live and not slots.n_connections)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        app = create_app(ServerSettings(models=("tiny_ctc",), wyoming=port))

        async def start() -> str:
            async with app.router.lifespan_context(app):
                assert app.state.service.failed.is_set()
                return str(app.state.service.not_ready)

        reason = asyncio.run(start())
    assert reason.startswith(f"wyoming: cannot listen on 127.0.0.1, port {port}: ")
