"""``gigaam eval --speakers`` on conversations of two voices, with the nets that users have."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import gigaam
from gigaam.audio import read_audio
from gigaam.cli import app
from gigaam.errors import ArgumentError, DatasetError
from gigaam.speakers import Turn, diarize
from gigaam.speakers.graphs import VARIABLE
from gigaam.speakers.rttm import rttm_lines
from gigaam.training import SpeakerReport, evaluate
from tests.nets import random_emo
from tests.waves import write_wav

RATE = 16_000


@pytest.fixture(autouse=True)
def nets(speaker_nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(speaker_nets))


def written(folder: Path, name: str, voices: Sequence[np.ndarray], text: str) -> dict[str, str]:
    """A recording of voices in turns, with its files; its line of a manifest."""
    pause, parts, turns, at = np.zeros(8_000, np.float32), [], [], 0
    for number, voice in enumerate(voices):
        turns.append(Turn(at / RATE, (at + len(voice)) / RATE, "ab"[number % 2]))
        parts += [voice, pause]
        at += len(voice) + len(pause)
    write_wav(folder / f"{name}.wav", np.concatenate(parts))
    lines = (f"{line}\n" for line in rttm_lines(turns, name))
    (folder / f"{name}.rttm").write_text("".join(lines))
    said = (f"{name} 1 {t.speaker} {t.start} {t.end} {text}\n" for t in turns)
    (folder / f"{name}.stm").write_text("".join(said), encoding="utf-8")
    return {"path": f"{name}.wav", "rttm": f"{name}.rttm", "stm": f"{name}.stm"}


@pytest.fixture(scope="module")
def manifest(
    tmp_path_factory: pytest.TempPathFactory, example: Path, packaged_model: gigaam.GigaAMASR
) -> Path:
    """A dialogue with turns and words, one with turns alone, and a recording that is missing.

    What the model hears in the higher voice is said in all turns.
    """
    folder = tmp_path_factory.mktemp("talks")
    high = read_audio(example)
    low = np.interp(np.arange(0, len(high) - 1, 0.72), np.arange(len(high)), high)
    text = str(packaged_model.transcribe(example))
    first = written(folder, "first", [high, low.astype(np.float32)] * 3, text)
    second = written(folder, "second", [low.astype(np.float32), high] * 2, text)
    rows = [first, {**second, "stm": None}, {"path": "gone.wav", "rttm": "first.rttm"}]
    path = folder / "talks.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", "tiny_ctc", *map(str, arguments), "--device", "cpu"])


def test_report_of_two_conversations(
    manifest: Path, tmp_path: Path, packaged_model: gigaam.GigaAMASR
) -> None:
    files = ("--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    result = run(manifest, "--speakers", 2, "--by", "rttm", *files)
    assert result.exit_code == 1
    assert "talks.jsonl, line 3: " in result.stderr
    assert "  DER  " in result.stdout
    assert "  The number of speakers is right in 2 of 2 recordings." in result.stdout
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert content["speakers"] == "2"
    (report,) = content["reports"]
    assert report["task"] == "speakers"
    assert report["der"]["rate"] < 0.2  # the turns begin and end with silence
    assert report["der"]["confused_s"] < 0.03 * report["der"]["length_s"]
    assert list(report["groups"]) == ["first.rttm", "second.rttm"]
    first, second = report["results"]
    # The model knows the voice that speaks half of the turns, and mishears the other one.
    assert first["cpwer"] < 0.75
    assert len(first["hypothesis"]) == 2
    assert second["cpwer"] is None
    turns = [asdict(turn) for turn in diarize(manifest.parent / "first.wav", 2)]
    assert first["turns"] == turns  # the diarizer's, not those of segments
    heard = packaged_model.transcribe_longform(
        manifest.parent / "first.wav", word_timestamps=True, speakers=2
    )
    words = [word for segment in heard for word in segment.words or ()]
    assert len(" ".join(first["hypothesis"].values()).split()) == len(words)
    assert "Worst recordings" in (tmp_path / "r.html").read_text(encoding="utf-8")


def asdict(turn: Turn) -> dict[str, Any]:
    return {"start": turn.start, "end": turn.end, "speaker": turn.speaker}


def test_python_and_a_diarizer_of_ones_own(
    manifest: Path, packaged_model: gigaam.GigaAMASR
) -> None:
    class Silent:
        def stream(self, count: object) -> "Silent":
            return self

        def feed(self, samples: np.ndarray) -> None:
            pass

        def finish(self) -> list[Turn]:
            return []

    report = evaluate(packaged_model, manifest, speakers=Silent())
    assert isinstance(report, SpeakerReport)
    errors = report.scores.der.errors
    assert errors.missed == pytest.approx(errors.whole)
    assert report.scores.counted_right == 0
    assert {word.speaker for each in report.results for word in each.heard.words} == {None}


def test_transcriptions_make_a_wer_as_well(
    manifest: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    row = {"path": str(manifest.parent / "first.wav"), "rttm": str(manifest.parent / "first.rttm")}
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({**row, "transcription": "да"}), encoding="utf-8")
    report = evaluate(packaged_model, path, speakers="auto")
    assert report.recognition is not None
    assert report.recognition.scores.raw_wer.edits.length == 1
    assert report.recognition.results[0].text == report.results[0].heard.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--speakers", "many"), "--speakers: must be auto|N|MIN-MAX"),
        (("--speakers", "0"), "--speakers: must be auto|N|MIN-MAX"),
    ],
)
def test_wrong_command_line(arguments: Sequence[str], complaint: str, manifest: Path) -> None:
    result = run(manifest, *arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_a_manifest_without_speakers_is_refused_before_a_model_is_loaded(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tsv"
    path.write_text(f"path\ttranscription\n{example}\tда\n", encoding="utf-8")
    monkeypatch.setattr(gigaam, "load_model", None)
    result = run(path, "--speakers", "auto")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "m.tsv, line 2: who speaks is not known" in result.stderr


def test_what_cannot_be_evaluated(manifest: Path, packaged_model: gigaam.GigaAMASR) -> None:
    with pytest.raises(DatasetError, match=r"line 1: the line has no transcription"):
        evaluate(packaged_model, manifest)
    with pytest.raises(ArgumentError, match="speakers must be"):
        evaluate(packaged_model, manifest, speakers=0)
    with pytest.raises(ArgumentError, match="speakers are for recognisers"):
        evaluate(random_emo(), manifest, speakers="auto")


def test_stretches_that_are_not_to_be_scored_are_told_of(
    manifest: Path,
    packaged_model: gigaam.GigaAMASR,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = {"path": "gone.wav", "rttm": str(manifest.parent / "first.rttm"), "uem": "a.uem"}
    (tmp_path / "m.jsonl").write_text(json.dumps(row))
    report = evaluate(packaged_model, tmp_path / "m.jsonl", speakers="auto")
    assert len(report.run.failures) == 1
    assert "uem is not read: all of each recording is scored" in caplog.messages[0]


def test_references_of_other_recordings_are_told_of(
    manifest: Path,
    packaged_model: gigaam.GigaAMASR,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "m.rttm").write_text("SPEAKER first 1 500 3 <NA> <NA> a <NA> <NA>\n")
    row = {"path": str(manifest.parent / "first.wav"), "rttm": "m.rttm"}
    (tmp_path / "m.jsonl").write_text(json.dumps(row))
    evaluate(packaged_model, tmp_path / "m.jsonl", speakers=2)
    assert "line 1: speakers are said to speak until 503.0 s, but there are" in caplog.text
