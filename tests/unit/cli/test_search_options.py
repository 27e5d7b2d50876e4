"""Hotwords and beams on the command line, with the packaged models."""

import json
from pathlib import Path

import pytest

import gigaam
from tests.unit.cli.test_cli import run

MISHEARD = "довольно хныкать"


def test_hotwords_are_heard(example: Path, tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text(f"{MISHEARD}:2\n", encoding="utf-8")
    arguments = ["transcribe", "--model", "tiny_ctc", str(example)]
    assert MISHEARD not in run(*arguments).stdout
    expected = gigaam.load_model("tiny_ctc", device="cpu").transcribe(example, hotwords=file)
    for asked in (
        ["--hotwords", str(file)],
        ["--hotword", MISHEARD, "--hotword", "каско", "--hotword-weight", "2"],
    ):
        result = run(*arguments, *asked)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.strip() == expected
        assert MISHEARD in expected


def test_a_language_model_is_asked(example: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(f"{MISHEARD}\nмне наплевать\n" * 20, encoding="utf-8")
    model = str(tmp_path / "court.lm")
    assert run("lm", str(text), "-o", model, "--order", "2").exit_code == 0
    result = run(
        *("transcribe", "--model", "tiny_ctc", str(example)),
        *("--lm", model, "--lm-weight", "0.7", "--word-bonus", "1.5", "--beam-size", "12"),
    )
    assert result.exit_code == 0, result.stderr
    options = gigaam.DecodingOptions(lm=model, lm_weight=0.7, word_bonus=1.5, beam_size=12)
    expected = gigaam.load_model("tiny_ctc", device="cpu").transcribe(example, decoding=options)
    assert result.stdout.strip() == expected
    assert MISHEARD in expected


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["--lm-weight", "1"], "gigaam: --lm-weight: means nothing without --lm"),
        (["--word-bonus", "1"], "gigaam: --word-bonus: means nothing without --lm"),
        (["--inflect"], "gigaam: --inflect: means nothing without --hotword"),
        (["--lm", "nowhere.lm"], "gigaam: --lm: there is no language model nowhere.lm"),
        (["--lm", "blank.txt"], "gigaam: --lm: blank.txt"),
        (["--hotwords", "blank.txt"], "there are no phrases in blank.txt"),
        (["--hotword", "каско", "--hotword-weight", "nan"], "--hotword-weight: must be a number"),
        (["--hotword", "каско", "--beam-size", "0"], "--beam-size"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_model_is_loaded(
    asked: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blank.txt").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "a.wav").write_bytes(b"")
    result = run("transcribe", "--model", "v3_rnnt", "a.wav", *asked)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_evaluation_with_hotwords(example: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "set.tsv"
    text = "ну а теперь довольно хныкать мне наплевать сколько войн ты проиграл"
    manifest.write_text(f"path\ttranscription\n{example}\t{text}\n", encoding="utf-8")
    plain = run("eval", "tiny_rnnt", str(manifest), "--json", str(tmp_path / "plain.json"))
    hot = run(
        *("eval", "tiny_rnnt", str(manifest), "--json", str(tmp_path / "hot.json")),
        *("--hotword", MISHEARD, "--beam-size", "4"),
    )
    assert (plain.exit_code, hot.exit_code) == (0, 0)
    report = (tmp_path / "hot.json").read_text(encoding="utf-8")
    assert MISHEARD in report
    assert json.loads(report)["decoding"] == {"beam_size": 4, "hotwords": {MISHEARD: 1.0}}
    assert json.loads((tmp_path / "plain.json").read_text(encoding="utf-8"))["decoding"] == {}
