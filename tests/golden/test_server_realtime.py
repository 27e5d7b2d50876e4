"""OpenAI's Realtime protocol, spoken by OpenAI's own client, on a real port."""

import base64
import json
import math
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import openai
import pytest
from websockets.sync.client import connect

from gigaam.server import ServerSettings
from gigaam.vad import VadOptions
from tests.live_streams import encoded, finals_of, pieces, spoken, texts_of, wait_until
from tests.recognition_server import RunningServer, running_server

TRANSCRIPTION = "conversation.item.input_audio_transcription"
PCM = {"type": "audio/pcm", "rate": 24_000}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(
        models=("tiny_ctc", "tiny_rnnt"), realtime=True, max_live=2, stall_s=3.0
    )
    with running_server(settings) as server:
        yield server


class Talk:
    """A session of OpenAI's client."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def next(self) -> Any:
        return self.connection.recv()

    def until(self, *kinds: str) -> list[Any]:
        """Events up to one of a kind."""
        events = [self.next()]
        while events[-1].type not in kinds:
            events.append(self.next())
        return events

    def update(self, **heard: Any) -> Any:
        """The session that is told back."""
        session = {"type": "transcription", "audio": {"input": heard}}
        self.connection.session.update(session=session)
        (updated,) = self.until("session.updated", "error")
        return updated

    def send(self, sound: bytes, size: int = 24_000, wait_s: float = 0.0) -> None:
        for piece in pieces(sound, size):
            audio = base64.b64encode(piece).decode()
            self.connection.input_audio_buffer.append(audio=audio)
            time.sleep(wait_s)

    def commit(self) -> None:
        self.connection.input_audio_buffer.commit()

    def completed(self, number: int) -> list[Any]:
        """Events up to the completion of that many items."""
        events: list[Any] = []
        for _ in range(number):
            events += self.until(f"{TRANSCRIPTION}.completed")
        return events


@contextmanager
def talking(server: RunningServer, **query: str) -> Iterator[Talk]:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
    query = {"intent": "transcription", **query}
    with client.realtime.connect(extra_query=query) as connection:
        talk = Talk(connection)
        created = talk.next()
        assert created.type == "session.created"
        assert created.session.type == "transcription"
        assert created.session.object == "realtime.transcription_session"
        yield talk


def transcripts(events: list[Any]) -> list[str]:
    return [event.transcript for event in events if event.type == f"{TRANSCRIPTION}.completed"]


def test_items_are_the_finals_of_a_session(server: RunningServer) -> None:
    sound = spoken(24_000)
    expected = finals_of(sound, 24_000)
    with talking(server) as talk:
        talk.send(sound, 4_800, wait_s=0.01)
        events = talk.completed(len(expected))
    assert transcripts(events) == [segment.text for segment in expected]
    deltas = [event.delta for event in events if event.type == f"{TRANSCRIPTION}.delta"]
    assert len(deltas) > len(expected)  # words came before their item was complete
    order = [event.type.rpartition(".")[2] for event in events if event.type[-5:] != "delta"]
    assert order == ["speech_started", "speech_stopped", "committed", "completed"] * len(expected)
    items = [event for event in events if event.type == "input_audio_buffer.committed"]
    assert [item.previous_item_id for item in items] == [None, *(i.item_id for i in items[:-1])]
    stopped = [event for event in events if event.type.endswith("speech_stopped")]
    assert [each.audio_end_ms for each in stopped] == [round(s.end * 1000) for s in expected]
    last = events[-1]
    assert last.usage.type == "duration"
    assert last.usage.seconds == pytest.approx(expected[-1].end - expected[-1].start, abs=1e-3)


@pytest.mark.parametrize(
    ("heard", "rate", "sample_format"),
    [
        ({"type": "audio/pcmu"}, 8_000, "mulaw"),
        ({"type": "audio/pcma"}, 8_000, "alaw"),
        ({"type": "audio/pcm", "rate": 16_000}, 16_000, "s16le"),
    ],
)
def test_formats(
    server: RunningServer, heard: dict[str, Any], rate: int, sample_format: str
) -> None:
    sound = spoken(rate)
    if sample_format != "s16le":
        sound = encoded(sound, sample_format)
    expected = texts_of(sound, rate, sample_format=sample_format)
    with talking(server) as talk:
        told = talk.update(format=heard).session.audio.input.format
        assert told.type == heard["type"]
        talk.send(sound)
        assert transcripts(talk.completed(len(expected))) == expected


def test_what_is_in_effect_is_told(server: RunningServer) -> None:
    with talking(server, model="gpt-realtime-whisper") as talk:
        told = talk.update(
            transcription={"model": "whisper-1", "language": "ru-RU", "prompt": "Да"},
            noise_reduction={"type": "near_field"},
            turn_detection={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 50},
        ).session.audio.input
        assert (told.transcription.model, told.transcription.language) == ("tiny_ctc", "ru")
        assert told.transcription.prompt is None
        assert told.noise_reduction is None
        assert told.turn_detection.silence_duration_ms == 200  # the least
        assert told.turn_detection.threshold == 0.5
        told = talk.update(transcription={"model": "tiny_rnnt"}).session.audio.input
        assert (told.transcription.model, told.transcription.language) == ("tiny_rnnt", "ru")
        assert told.turn_detection.threshold == 0.5  # what is not named stays
        told = talk.update(turn_detection={"type": "semantic_vad", "eagerness": "low"})
        assert told.session.audio.input.turn_detection.type == "server_vad"
        assert told.session.audio.input.turn_detection.silence_duration_ms == 1200
        assert talk.update(turn_detection=None).session.audio.input.turn_detection is None


def test_detection_and_keywords_are_heeded(server: RunningServer) -> None:
    sound = spoken(24_000)
    keywords = ["Ватутин", "ополчение"]
    options: dict[str, Any] = {"vad_options": VadOptions(threshold=0.6), "hotwords": keywords}
    expected = texts_of(sound, 24_000, endpoint_silence_s=0.3, **options)
    with talking(server) as talk:
        talk.update(
            transcription={"model": "tiny_ctc", "keywords": keywords},
            turn_detection={"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 300},
        )
        talk.send(sound)
        assert transcripts(talk.completed(len(expected))) == expected


def test_the_client_commits(server: RunningServer) -> None:
    sounds = [spoken(24_000, 1), spoken(24_000, 2), spoken(24_000, 1)]
    expected = [" ".join(texts_of(sound, 24_000, vad="none")) for sound in sounds]
    with talking(server) as talk:
        talk.update(turn_detection=None)
        for sound in sounds:
            talk.send(sound, wait_s=0.005)
            talk.commit()
        events = talk.completed(3)
    assert transcripts(events) == expected
    committed = [e.item_id for e in events if e.type == "input_audio_buffer.committed"]
    completed = [e.item_id for e in events if e.type == f"{TRANSCRIPTION}.completed"]
    assert committed == completed
    for item in completed:
        deltas = [e.delta for e in events if e.type[-5:] == "delta" and e.item_id == item]
        assert deltas
    assert events[-1].usage.seconds == pytest.approx(len(sounds[-1]) / 48_000, abs=1e-3)


def test_a_commit_is_always_answered(server: RunningServer) -> None:
    with talking(server) as talk:
        talk.commit()
        error = talk.next()
        assert (error.type, error.error.code) == ("error", "input_audio_buffer_commit_empty")
        talk.send(bytes(48_000))  # silence
        talk.commit()
        assert transcripts(talk.completed(1)) == [""]
        speech = spoken(24_000, 1)[:300_000]
        talk.send(speech)
        talk.commit()
        events = talk.completed(1)
    (segment,) = finals_of(speech, 24_000)
    assert transcripts(events) == [segment.text]
    stopped = [event for event in events if event.type.endswith("speech_stopped")]
    assert [event.audio_end_ms for event in stopped] == [1000 + round(segment.end * 1000)]


def test_sound_that_is_cleared_is_not_heard(server: RunningServer) -> None:
    with talking(server) as talk:
        talk.update(turn_detection=None)
        talk.send(spoken(24_000, 1)[:100_000])
        talk.connection.input_audio_buffer.clear()
        assert talk.until("input_audio_buffer.cleared")
        talk.commit()
        assert talk.next().error.code == "input_audio_buffer_commit_empty"
        sound = spoken(24_000, 1)
        talk.send(sound)
        talk.commit()
        expected = " ".join(texts_of(sound, 24_000, vad="none"))
        assert transcripts(talk.completed(1)) == [expected]


def test_logprobs(server: RunningServer) -> None:
    name = "item.input_audio_transcription.logprobs"
    sound = spoken(24_000, 1)
    with talking(server) as talk:
        session: Any = {"type": "transcription", "include": [name]}
        talk.connection.session.update(session=session)
        assert talk.next().session.include == [name]
        talk.send(sound)
        last = talk.completed(1)[-1]
    (segment,) = finals_of(sound, 24_000, word_timestamps=True)
    assert "".join(each.token for each in last.logprobs) == segment.text
    words = segment.words or []
    for each, word in zip(last.logprobs, words, strict=True):
        assert each.logprob == pytest.approx(math.log(word.confidence), abs=1e-3)


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ("not JSON", "invalid_json", None),
        ("[1]", "invalid_json", None),
        ({"type": "response.create"}, "unknown_event", "type"),
        ({"type": ["x"]}, "unknown_event", "type"),
        ({"type": "input_audio_buffer.append"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "§"}, "invalid_value", "audio"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", None),
        ({"type": "session.update", "session": {"voice": "x"}}, "unknown_parameter", None),
        ({"type": "session.update", "session": {"audio": {"input": 1}}}, "invalid_value", None),
    ],
)
def test_errors_leave_the_session_open(
    server: RunningServer, event: Any, code: str, param: str | None
) -> None:
    with talking(server) as talk:
        is_event = isinstance(event, dict)
        sent = json.dumps({**event, "event_id": "mine"}) if is_event else event
        talk.connection._connection.send(sent)
        told = talk.next()
        assert (told.type, told.error.code) == ("error", code)
        assert param is None or told.error.param == param
        assert told.error.event_id == ("mine" if is_event else None)
        assert talk.update(format=PCM).type == "session.updated"


def test_languages_that_the_model_does_not_know(server: RunningServer) -> None:
    with talking(server) as talk:
        told = talk.update(format=PCM, transcription={"language": "en"})
        assert (told.type, told.error.code) == ("error", "unsupported_language")
        assert talk.update(transcription={"language": "ru"}).type == "session.updated"


def test_half_of_a_character(server: RunningServer) -> None:
    with talking(server) as talk:
        talk.connection._connection.send('{"type": "x", "event_id": "\\ud800"}')
        assert talk.next().error.event_id == "?"
        assert talk.update(format=PCM).type == "session.updated"


def test_too_much_in_one_event(server: RunningServer) -> None:
    with talking(server) as talk:
        talk.send(bytes((15 << 20) + 2), 16 << 20)
        assert talk.next().error.code == "message_too_big"
        assert talk.update(format=PCM).type == "session.updated"


def test_commits_make_no_room(server: RunningServer) -> None:
    """A minute waits to be heard, in one item or in many, besides what is at work."""
    registry = server.service.metrics.registry
    n_items, item_s = 7, 30.0
    sound = encoded(bytes(round(item_s * 16_000)), "mulaw")

    def taken_s() -> float:
        return registry.get_sample_value("gigaam_audio_seconds_total", {"kind": "live"}) or 0.0

    with talking(server) as talk, ThreadPoolExecutor(1) as pool:
        talk.update(format={"type": "audio/pcmu"}, turn_detection=None)
        before, done_s = taken_s(), 0.0

        def send() -> None:
            for _ in range(n_items):
                talk.send(sound, len(sound))
                talk.commit()

        sending = pool.submit(send)
        for _ in range(n_items):
            assert taken_s() - before - done_s <= 60.0 + 2 * item_s
            done_s += talk.completed(1)[-1].usage.seconds
        sending.result()
    assert done_s == pytest.approx(n_items * item_s)


def test_many_small_commits(server: RunningServer) -> None:
    with talking(server) as talk, ThreadPoolExecutor(1) as pool:
        talk.update(turn_detection=None)

        def send() -> None:
            for _ in range(150):
                talk.send(bytes(480))
                talk.commit()

        sending = pool.submit(send)
        assert len(transcripts(talk.completed(150))) == 150
        sending.result()


def test_places_run_out_and_are_given_back(server: RunningServer) -> None:
    slots = server.service.slots
    wait_until(lambda: not slots.n_live)
    with talking(server) as one, talking(server) as two, talking(server) as three:
        for talk in (one, two):
            talk.send(bytes(4_800))
        wait_until(lambda: slots.n_live == 2)
        three.send(bytes(4_800))
        assert three.next().error.code == "too_many_sessions"
        wait_until(lambda: not slots.n_live)  # after silence, though the connections stay
        sound = spoken(24_000, 1)
        three.send(sound)
        assert transcripts(three.completed(1)) == texts_of(sound, 24_000)
    wait_until(lambda: not slots.n_connections)


def test_the_names_of_the_beta(server: RunningServer) -> None:
    url = f"{server.url.replace('http', 'ws')}/v1/realtime?intent=transcription"
    key = "openai-insecure-api-key.any"
    offered: Any = ["realtime", key, "openai-beta.realtime-v1"]
    sound = encoded(spoken(8_000, 1), "mulaw")
    with connect(url, subprotocols=offered) as client:
        assert client.subprotocol == "realtime"
        assert json.loads(client.recv())["type"] == "transcription_session.created"
        session = {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "ru"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
        }
        client.send(json.dumps({"type": "transcription_session.update", "session": session}))
        told = json.loads(client.recv())
        assert told["type"] == "transcription_session.updated"
        assert told["session"]["input_audio_format"] == "g711_ulaw"
        assert told["session"]["turn_detection"]["silence_duration_ms"] == 600
        audio = base64.b64encode(sound).decode()
        client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        events: list[dict[str, Any]] = [{"type": ""}]
        while not events[-1]["type"].endswith("completed"):
            events.append(json.loads(client.recv()))
    expected = texts_of(sound, 8_000, sample_format="mulaw", endpoint_silence_s=0.6)
    assert [events[-1]["transcript"]] == expected


def test_who_does_not_read_is_dropped(server: RunningServer) -> None:
    keywords = [f"слово {number}" for number in range(900)]  # which are told back
    heard = {"transcription": {"keywords": keywords}}
    session = {"type": "transcription", "audio": {"input": heard}}
    update = json.dumps({"type": "session.update", "session": session}).encode()
    frame = struct.pack(">BBHI", 0x81, 0xFE, len(update), 0) + update  # with a mask of zeros
    slots = server.service.slots
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as client:
        client.sendall(
            b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        wait_until(lambda: slots.n_connections == 1)
        with suppress(OSError):
            for _ in range(2_000):
                client.sendall(frame)
        wait_until(lambda: slots.n_connections == 0)
