"""Known speakers in the long form; small nets stand for those of voices."""

from pathlib import Path

import numpy as np
import pytest

import gigaam
from gigaam.audio import read_audio
from gigaam.errors import ArgumentError
from gigaam.speakers import diarize, load
from gigaam.speakers.sherpa import SherpaDiarizer
from tests.speaker_nets import (
    HIGH_HZ,
    LOW_HZ,
    silence,
    voice,
    write_embedding,
    write_nets,
    write_segmentation,
)

RATE = 16_000
LOW = RATE, voice(LOW_HZ, 4)


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nets(tmp_path)
    monkeypatch.setenv("GIGAAM_SPEAKERS", str(tmp_path))


def test_segments_bear_names(packaged_model: gigaam.GigaAMASR, example: Path) -> None:
    speech = read_audio(example)
    # The packaged speech, faint beside the tone that each person is to the nets.
    low, high = (
        (speech / 20 + voice(hertz, len(speech) / RATE)).astype(np.float32) / 2
        for hertz in (LOW_HZ, HIGH_HZ)
    )
    known = {"Анна": (RATE, low), "Борис": (RATE, high)}
    source = (RATE, np.concatenate([low, silence(1.5), high]))
    found = packaged_model.transcribe_longform(source, vad="none", known_speakers=known)
    assert {segment.speaker for segment in found} == {"Анна", "Борис"}
    pieces = packaged_model.iter_longform(source, vad="none", known_speakers=known)
    assert list(pieces) == list(found)


def test_what_cannot_be_known_is_said_before_anything_is_recognised(
    packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match="'Анна' cannot be used"):
        packaged_model.iter_longform("no_such.wav", known_speakers={"Анна": "nor_this.wav"})
    pytest.importorskip("sherpa_onnx")
    sherpa = SherpaDiarizer(
        write_segmentation(tmp_path / "segmentation.onnx", for_sherpa=True),
        write_embedding(tmp_path / "embedding.onnx", for_sherpa=True),
    )
    with pytest.raises(ArgumentError, match="SherpaDiarizer knows nobody by voice"):
        packaged_model.transcribe_longform(
            "no_such.wav", speakers=sherpa, known_speakers={"Анна": LOW}
        )


def test_a_diarizer_is_told_how_many_people_there_are(packaged_model: gigaam.GigaAMASR) -> None:
    source = (RATE, np.concatenate([LOW[1], silence(1.5), voice(HIGH_HZ, 4)]))
    knowing = load().knowing({"Анна": LOW})
    assert {turn.speaker for turn in diarize(source, knowing)} == {"Анна", "SPEAKER_00"}
    assert len({turn.speaker for turn in diarize(source, (knowing, 1))}) == 1
    assert {turn.speaker for turn in diarize(source, (knowing, (2, 3)))} == {"Анна", "SPEAKER_00"}
    for wrong in ((knowing, 0), (knowing, "two"), (knowing,)):
        with pytest.raises(ArgumentError, match="speakers must be"):
            packaged_model.transcribe_longform(source, speakers=wrong)
