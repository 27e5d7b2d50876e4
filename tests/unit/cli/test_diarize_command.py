"""Speakers on the command line; small nets that know tones stand for those that know voices."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gigaam.audio import read_audio
from gigaam.cli import app
from tests.speaker_nets import (
    HIGH_HZ,
    LOW_HZ,
    silence,
    voice,
    write_nets,
)
from tests.waves import write_wav

RATE = 16_000


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a call, by two tones, and a recording of each tone."""
    nets = tmp_path / "nets"
    nets.mkdir()
    write_nets(nets)
    monkeypatch.setenv("GIGAAM_SPEAKERS", str(nets))
    low, high = (voice(hertz, 4) for hertz in (LOW_HZ, HIGH_HZ))
    calls = tmp_path / "calls"
    (calls / "may").mkdir(parents=True)
    write_wav(calls / "may" / "a.wav", np.concatenate([low, silence(1.5), high]))
    apart = np.concatenate([low, silence(5.5)]), np.concatenate([silence(5.5), high])
    write_wav(calls / "b.wav", *apart)
    write_wav(tmp_path / "low.wav", low)
    write_wav(tmp_path / "high.wav", high)
    monkeypatch.chdir(tmp_path)
    return calls


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def spoken(result: Result) -> list[tuple[str, str]]:
    """Recording and speaker of each line."""
    assert result.exit_code == 0, result.stderr
    return [(line.split()[1], line.split()[7]) for line in result.stdout.splitlines()]


def test_directories_and_names() -> None:
    known = ("--known-speaker", "Анна=low.wav", "--known-speaker", "Пётр=high.wav")
    assert spoken(run("diarize", "calls", *known)) == [
        ("b", "Анна"),
        ("b", "Пётр"),
        ("may/a", "Анна"),
        ("may/a", "Пётр"),
    ]


def test_channels_apart() -> None:
    found = run("diarize", "calls/b.wav", "--channels", "split")
    assert spoken(found) == [("b", "SPEAKER_00"), ("b", "SPEAKER_01")]
    one = run("diarize", "calls/b.wav", "--speakers", "1")
    assert {speaker for _, speaker in spoken(one)} == {"SPEAKER_00"}


def test_failures_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "calls" / "empty.wav").write_bytes(b"")
    found = run("diarize", "calls", "missing.wav", "-o", "out.rttm")
    assert found.exit_code == 1
    assert "empty.wav" in found.stderr
    assert "missing.wav" in found.stderr
    assert (tmp_path / "out.rttm").read_text().count("SPEAKER ") == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--known-speaker", "low.wav"], "must be NAME=FILE, not 'low.wav'"),
        (["--known-speaker", "=low.wav"], "must be NAME=FILE"),
        (["--known-speaker", "А=low.wav", "--known-speaker", "А=high.wav"], "А is named twice"),
        (["--known-speaker", "А=no.wav"], "no.wav: there is no such file"),
        (["--speakers", "0-2"], "must be auto|N|MIN-MAX"),
        (["--speakers", ""], "must be auto|N|MIN-MAX"),
    ],
)
@pytest.mark.parametrize("command", ["diarize", "transcribe"])
def test_wrong_options(command: str, arguments: list[str], complaint: str) -> None:
    found = run(command, "calls", *arguments)
    assert found.exit_code == 2
    assert complaint in found.stderr


def test_known_speakers_who_cannot_be_known(tmp_path: Path) -> None:
    write_wav(tmp_path / "nobody.wav", silence(3))
    for command in ("diarize", "transcribe"):
        found = run(command, "calls", "--known-speaker", "Анна=nobody.wav")
        assert found.exit_code == 1
        assert "'Анна'" in found.stderr
        assert not found.stdout


def test_transcribed_with_names(example: Path, tmp_path: Path) -> None:
    speech = read_audio(example)
    low, high = (
        (speech / 20 + voice(hertz, len(speech) / RATE)).astype(np.float32) / 2
        for hertz in (LOW_HZ, HIGH_HZ)
    )
    write_wav(tmp_path / "talk.wav", np.concatenate([low, silence(1.5), high]))
    write_wav(tmp_path / "low.wav", low)
    write_wav(tmp_path / "high.wav", high)
    known = ("--known-speaker", "Анна=low.wav", "--known-speaker", "Пётр=high.wav")
    found = run("transcribe", "talk.wav", "--model=tiny_ctc", "--json", "--vad=none", *known)
    assert found.exit_code == 0, found.stderr
    segments = json.loads(found.stdout)["segments"]
    assert {segment["speaker"] for segment in segments} == {"Анна", "Пётр"}
