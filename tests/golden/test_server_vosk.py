"""Vosk's protocol as its own clients speak it: send 0.2 s, wait for one message."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from gigaam.server import ServerSettings
from tests.live_streams import finals_of, pieces, spoken, texts_of, wait_until
from tests.recognition_server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    settings = ServerSettings(models=("tiny_ctc",), vosk=True, max_live=2, stall_s=2.0)
    with running_server(settings) as server:
        yield server


def vosk(server: RunningServer, path: str = "/", **config: Any) -> ClientConnection:
    client = connect(f"{server.url.replace('http', 'ws')}{path}")
    if config:
        client.send(json.dumps({"config": config}))
    return client


def asked(client: ClientConnection, sound: bytes, size: int) -> list[dict[str, Any]]:
    """The reply to each piece."""
    replies = []
    for piece in pieces(sound, size):
        client.send(piece)
        replies.append(json.loads(client.recv()))
    return replies


def last_reply(client: ClientConnection) -> dict[str, Any]:
    client.send('{"eof" : 1}')
    reply: dict[str, Any] = json.loads(client.recv())
    with pytest.raises(ConnectionClosed):
        client.recv(timeout=10)
    assert client.close_code == 1000
    return reply


def text_of(replies: list[dict[str, Any]]) -> str:
    return " ".join(reply["text"] for reply in replies if reply.get("text"))


@pytest.mark.parametrize(("path", "rate"), [("/", 8_000), ("/vosk", 16_000), ("/", 48_000)])
def test_results_are_the_finals_of_a_session(server: RunningServer, path: str, rate: int) -> None:
    sound = spoken(rate)
    with vosk(server, path, **({} if rate == 8_000 else {"sample_rate": rate})) as client:
        replies = asked(client, sound, rate * 2 // 5)
        replies.append(last_reply(client))
    expected = finals_of(sound, rate, word_timestamps=True)
    assert text_of(replies) == " ".join(segment.text for segment in expected)
    words = [word for reply in replies for word in reply.get("result", [])]
    assert words == [
        {
            "word": word.text,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "conf": round(word.confidence, 4),
        }
        for segment in expected
        for word in segment.words or ()
    ]
    assert any(reply.get("partial") for reply in replies)


def test_finals_that_come_at_once_are_joined(server: RunningServer) -> None:
    sound = spoken(16_000, 4)
    with vosk(server, sample_rate=16_000) as client:
        (reply,) = asked(client, sound, 1 << 20)
        last = last_reply(client)
    assert text_of([reply, last]) == " ".join(texts_of(sound))


def test_a_reset_ends_an_utterance(server: RunningServer) -> None:
    half = spoken(8_000, 1)[:64_000]
    with vosk(server) as client:
        asked(client, half, 3_200)
        client.send('{"reset":1}')
        first = json.loads(client.recv())
        client.send(json.dumps({"config": {"words": False}}))
        replies = asked(client, half, 3_200)
        last = last_reply(client)
    assert first["text"] == text_of([*replies, last]) == " ".join(texts_of(half, 8_000))
    assert first["result"][0]["start"] < 1
    assert "result" not in last


def test_times_go_on_after_a_reset(server: RunningServer) -> None:
    half = spoken(8_000, 1)[:64_000]
    with vosk(server) as client:
        asked(client, half, 64_000)
        client.send('{"reset":1}')
        first = json.loads(client.recv())
        asked(client, half, 64_000)
        last = last_reply(client)
    starts = [[word["start"] for word in reply["result"]] for reply in (first, last)]
    assert starts[1] == pytest.approx([start + 4 for start in starts[0]], abs=2e-3)


def test_alternatives_and_phrases(server: RunningServer) -> None:
    sound = spoken(8_000, 1)
    phrases = ["Ватутин", "ополчение", "[unk]"]
    with vosk(server, max_alternatives=3, phrase_list=phrases, words=0, other=1) as client:
        asked(client, sound, len(sound))
        (alternative,) = last_reply(client)["alternatives"]
    (segment,) = finals_of(sound, 8_000, hotwords=phrases[:2])
    assert alternative["text"] in (segment.text, "")
    assert "result" not in alternative
    assert "confidence" in alternative


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "invalid_json"),
        ("{}", "unknown_message"),
        ('{"config": 1}', "invalid_value"),
        ('{"config": {"sample_rate": "fast"}}', "invalid_value"),
        ('{"config": {"sample_rate": Infinity}}', "invalid_value"),
        (f'{{"config": {{"sample_rate": 1{"0" * 400}}}}}', "invalid_value"),
        (f'{{"config": {{"max_alternatives": 1{"0" * 400}}}}}', "invalid_value"),
        ('{"config": {"phrase_list": "да"}}', "invalid_value"),
        ('{"config": {"words": "yes"}}', "invalid_value"),
        (bytes((1 << 20) + 1), "message_too_big"),
    ],
)
def test_what_cannot_be(server: RunningServer, message: str | bytes, code: str) -> None:
    with vosk(server) as client:
        client.send(message)
        assert json.loads(client.recv())["error"]["code"] == code
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)


def test_a_config_has_no_reply_and_comes_first(server: RunningServer) -> None:
    with vosk(server, sample_rate=8_000) as client:
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.2)
        assert asked(client, bytes(3_200), 3_200) == [{"partial": ""}]
        client.send('{"config": {"sample_rate": 16000}}')
        assert json.loads(client.recv())["error"]["code"] == "config_too_late"


def test_nothing_is_said(server: RunningServer) -> None:
    with vosk(server) as client:
        assert last_reply(client) == {"text": ""}


def test_places(server: RunningServer) -> None:
    slots = server.service.slots
    wait_until(lambda: not slots.n_live)
    with vosk(server) as one, vosk(server) as two, vosk(server) as three:
        asked(one, bytes(3_200), 3_200)
        asked(two, bytes(3_200), 3_200)
        (reply,) = asked(three, bytes(3_200), 3_200)
        assert reply["error"]["code"] == "too_many_sessions"
        one.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: slots.n_live == 1)
        assert json.loads(two.recv())["error"]["code"] == "stalled"
    wait_until(lambda: not slots.n_connections)
