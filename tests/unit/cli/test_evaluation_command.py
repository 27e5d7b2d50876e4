"""``gigaam eval`` on the packaged recording, pieces of it, and files that are none."""

import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import gigaam
from gigaam.cli import app
from gigaam.dataset.text import normalize_text
from tests.nets import random_emo, random_ssl

RATE = 16_000


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, example: Path, example_text: str) -> Path:
    """The whole recording, the two halves of it, a broken file and a missing one."""
    directory = tmp_path_factory.mktemp("set")
    with wave.open(str(example)) as file:
        seconds = file.getnframes() / file.getframerate()
    (directory / "broken.mp3").write_bytes(b"ID3 and then nothing" * 20)
    words = example_text.split()
    first, second = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
    half = round(seconds / 2, 2)
    rows = [
        (example, seconds, "", example_text, "whole"),
        (example, half, 0, first, "half"),
        (example, seconds - half, half, second, "half"),
        ("broken.mp3", 1, "", "да", "whole"),
        ("missing.wav", 1, "", "да", "half"),
    ]
    lines = ["path\tduration\toffset\ttranscription\tkind"]
    lines += ["\t".join(map(str, row)) for row in rows]
    path = directory / "set.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def outcome(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """What the command printed, and the folder with its files."""
    out = tmp_path_factory.mktemp("out") / "reports"
    files = ("--json", out / "r.json", "--html", out / "r.html")
    return run("tiny_ctc", manifest, "--by", "kind", "--device", "cpu", *files), out


def test_failures_are_listed_and_the_rest_goes_on(outcome: tuple[Result, Path]) -> None:
    result, _ = outcome
    assert result.exit_code == 1
    broken, missing = result.stderr.splitlines()
    assert broken.startswith("gigaam: ")
    assert "set.tsv, line 5: " in broken
    assert "broken.mp3" in broken
    assert "set.tsv, line 6: " in missing
    assert "missing.wav" in missing
    assert "3 utterances" in result.stdout
    assert "2 failed" in result.stdout
    for name in ("WER", "CER", "kind", "half", "whole", "said:", "heard:"):
        assert f"  {name}" in result.stdout


def test_json_has_these_fields_and_the_models_texts(
    outcome: tuple[Result, Path], packaged_model: gigaam.GigaAMASR, example: Path, example_text: str
) -> None:
    _, out = outcome
    content = json.loads((out / "r.json").read_text(encoding="utf-8"))
    rate = ["rate", "interval", "length", "substitutions", "deletions", "insertions"]
    scores: dict[str, Any] = {
        "utterances": None,
        "duration_s": None,
        "raw": {"wer": dict.fromkeys(rate), "cer": dict.fromkeys(rate)},
        "end_to_end": {"wer": dict.fromkeys(rate), "cer": dict.fromkeys(rate)},
    }
    place = ["line", "path", "offset_s", "duration_s"]
    assert shape(content) == {
        "gigaam": None,
        "model": None,
        "decoding": {},
        "speakers": None,
        "reports": {
            "task": None,
            "manifest": None,
            "failed": None,
            "recognition_s": None,
            "rtfx": None,
            **scores,
            "by": None,
            "groups": {"half": scores, "whole": scores},
            "results": dict.fromkeys([*place, "reference", "hypothesis", "wer", "cer"]),
            "failures": dict.fromkeys([*place, "error"]),
        },
    }
    (report,) = content["reports"]
    assert (content["gigaam"], content["model"]) == (gigaam.__version__, "tiny_ctc")
    assert (report["task"], report["by"], report["failed"]) == ("recognition", "kind", 2)
    whole, first, second = report["results"]
    assert whole["hypothesis"] == str(packaged_model.transcribe(example))
    assert whole["reference"] == example_text
    assert second["offset_s"] == pytest.approx(first["duration_s"])
    words = len(normalize_text(example_text).split())
    assert report["groups"]["whole"]["raw"]["wer"]["length"] == words
    low, high = report["raw"]["cer"]["interval"]
    assert 0 <= low <= report["raw"]["cer"]["rate"] <= high
    assert report["rtfx"] == pytest.approx(report["duration_s"] / report["recognition_s"], rel=1e-3)


def shape(value: Any) -> Any:
    """The keys of an object, down to values; a list looks like its first object."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        (one,) = {json.dumps(shape(each)): shape(each) for each in value}.values()
        return one
    return None


def test_page_is_written(outcome: tuple[Result, Path], example_text: str) -> None:
    _, out = outcome
    page = (out / "r.html").read_text(encoding="utf-8")
    assert "Evaluation of tiny_ctc" in page
    assert "broken.mp3" in page
    assert sorted(path.name for path in out.iterdir()) == ["r.html", "r.json"]


def test_emotions(manifest: Path, tmp_path: Path, example: Path) -> None:
    random_emo().save(tmp_path / "emo")
    lines = [
        json.dumps({"path": str(example), "duration": 1.5, "offset": i, "emotion": emotion})
        for i, emotion in enumerate(("sad", "angry", "sad"))
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = ("--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    result = run(tmp_path / "emo", tmp_path / "m.jsonl", "--device", "cpu", *files)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "unweighted accuracy" in result.stdout
    (report,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["reports"]
    assert np.sum(report["confusion"]) == 3
    assert {"task", "emotions", "unweighted_accuracy", "weighted_accuracy", "macro_f1"} <= set(
        report
    )
    assert "<svg" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_nothing_is_written_if_it_cannot_be_evaluated(manifest: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("path\tduration\ttranscription\nx.wav\tone\tда\n", encoding="utf-8")
    result = run("tiny_ctc", manifest, bad, "--json", tmp_path / "r.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{bad}, line 2: duration is one" in result.stderr
    assert not (tmp_path / "r.json").exists()


def test_missing_jiwer_is_told_before_the_work(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    result = run("tiny_ctc", manifest, "--device", "cpu")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pip install jiwer" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tiny_ctc"], "MANIFEST: none given"),
        (["v3_ssl", "MANIFEST"], "neither recognises speech nor tells emotions"),
        (["tiny_ctcc", "MANIFEST"], "Did you mean tiny_ctc"),
        (["tiny_ctc", "MANIFEST", "--by", "room"], "no column 'room'; there are kind"),
        (["tiny_ctc", "MANIFEST", "--onnx", "onnx"], "MODEL: tiny_ctc does not go with --onnx"),
        (["MANIFEST", "--onnx", "nowhere"], "there is no directory nowhere"),
        (["tiny_ctc", "MANIFEST", "--json", "r", "--html", "r"], "--html"),
        (["tiny_ctc", "MANIFEST", "-q", "-v"], "--quiet"),
    ],
)
def test_wrong_command_line_exits_with_2(
    arguments: list[str], complaint: str, manifest: Path
) -> None:
    result = run(*(manifest if each == "MANIFEST" else each for each in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_a_manifest_of_missing_recordings_is_noticed_before_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    path = tmp_path / "m.tsv"
    path.write_text("path\tduration\ttranscription\nno.wav\t1\tда\n", encoding="utf-8")
    result = run("v3_ctc", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert str(tmp_path / "no.wav") in result.stderr


def test_encoder_alone_cannot_be_evaluated(manifest: Path, tmp_path: Path) -> None:
    random_ssl("v3_ssl").save(tmp_path / "ssl")
    result = run(tmp_path / "ssl", manifest, "--device", "cpu")
    assert result.exit_code == 2
    assert "neither recognises speech" in " ".join(result.stderr.split())
