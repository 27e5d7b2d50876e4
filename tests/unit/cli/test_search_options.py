"""Hotwords and beams on the command line, with the packaged models."""

from pathlib import Path

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
    assert MISHEARD in (tmp_path / "hot.json").read_text(encoding="utf-8")
