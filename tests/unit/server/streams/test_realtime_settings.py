"""What clients of OpenAI's Realtime protocol may say of their session."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.server.refusals import Refusal
from gigaam.server.streams.realtime_settings import LOGPROBS, Detection, RealtimeSettings
from gigaam.server.streams.stream import Sound

INFINITY = float("inf")


def heard(**said: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": said}}


def test_what_is_not_named_stays() -> None:
    settings = RealtimeSettings().merged(heard(transcription={"keywords": ["Ватутин", " "]}))
    settings = settings.merged(heard(turn_detection={"type": "server_vad", "threshold": 0.7}))
    settings = settings.merged(heard(turn_detection={"silence_duration_ms": 900}))
    settings = settings.merged({"include": [LOGPROBS]})
    assert settings.keywords == ("Ватутин",)
    assert settings.detection == Detection(0.7, 900)
    assert settings.logprobs
    assert not settings.merged({"include": None}).logprobs
    assert settings.merged({}) == settings


def test_formats() -> None:
    settings = RealtimeSettings()
    assert settings.sound == Sound(24_000)
    assert settings.merged(heard(format={"type": "audio/pcma"})).sound == Sound(8_000, "alaw")
    assert settings.merged({"input_audio_format": "g711_ulaw"}).sound == Sound(8_000, "mulaw")
    wide = settings.merged(heard(format={"type": "audio/pcm", "rate": 48_000}))
    assert wide.told("tiny")["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 48_000}
    assert wide.merged(heard(format=None)) == wide


def test_the_session_that_is_told_can_be_sent_back() -> None:
    languages = {"language": "ru", "languages": ["kk-KZ"], "keywords": ["да"]}
    settings = RealtimeSettings(model="tiny").merged(heard(transcription=languages))
    settings = settings.merged({"include": [LOGPROBS]})
    assert settings.languages == ("kk", "ru")
    told = {"id": "sess", "object": "realtime.transcription_session", **settings.told("tiny")}
    assert RealtimeSettings().merged(told) == settings
    assert RealtimeSettings().merged(settings.told_as_before("tiny")) == settings


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"voice": "x"}, "session.voice"),
        ({"audio": {"output": {}}}, "session.audio.output"),
        ({"audio": 5}, "session.audio"),
        ({"include": ["all"]}, "session.include"),
        ({"include": "logprobs"}, "session.include"),
        ({"input_audio_format": "mp3"}, "session.audio.input.format"),
        ({"input_audio_format": "pcm16", "audio": {}}, "session.audio"),
        (heard(gain=1), "session.audio.input.gain"),
        (heard(format={"type": "audio/pcm", "rate": 4_000}), "session.audio.input.format.rate"),
        (heard(format={"type": "audio/pcm", "rate": 10**400}), "session.audio.input.format.rate"),
        (heard(format={"type": "audio/pcm", "rate": INFINITY}), "session.audio.input.format.rate"),
        (heard(format={"type": "audio/pcmu", "rate": 16_000}), "session.audio.input.format.rate"),
        (heard(format={"type": ["x"]}), "session.audio.input.format"),
        (heard(transcription=None), "session.audio.input.transcription"),
        (heard(transcription={"model": 5}), "session.audio.input.transcription.model"),
        (heard(transcription={"keywords": "да"}), "session.audio.input.transcription.keywords"),
        (heard(turn_detection={"type": "magic"}), "session.audio.input.turn_detection"),
        (
            heard(turn_detection={"type": "server_vad", "threshold": 2}),
            "session.audio.input.turn_detection.threshold",
        ),
        (
            heard(turn_detection={"silence_duration_ms": 10**400}),
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (
            heard(turn_detection={"type": "semantic_vad", "eagerness": "none"}),
            "session.audio.input.turn_detection.eagerness",
        ),
    ],
)
def test_what_cannot_be(said: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as raised:
        RealtimeSettings().merged(said)
    assert raised.value.param == param


NAMES = st.sampled_from(
    [
        *("type", "audio", "input", "format", "rate", "transcription", "turn_detection"),
        *("include", "keywords", "languages", "model", "threshold", "silence_duration_ms"),
        *("input_audio_format", "modalities", "eagerness"),
    ]
)
WORDS = st.sampled_from(
    ["server_vad", "semantic_vad", "audio/pcm", "transcription", "да", LOGPROBS]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(ANYTHING)
def test_anything_is_understood_or_refused(said: Any) -> None:
    try:
        settings = RealtimeSettings().merged(said)
    except Refusal:
        return
    assert RealtimeSettings().merged(settings.told("tiny")).told("tiny") == settings.told("tiny")
    settings.sound.check()


@given(ANYTHING)
def test_anything_may_be_heard(said: Any) -> None:
    try:
        settings = RealtimeSettings().merged(heard(format=said, turn_detection=said))
    except Refusal:
        return
    assert settings.listening
