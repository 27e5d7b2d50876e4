"""``gigaam lm`` on the command line."""

import json
from pathlib import Path

import pytest

import gigaam.ngrams
from tests.small_sentencepiece import LINES, sentencepiece_model
from tests.unit.cli.test_cli import run


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few lines; the commands run where they are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    file = tmp_path / "text.txt"
    file.write_text("\n".join(LINES * 100), encoding="utf-8")
    return file


def test_what_is_said_of_a_model(text: Path) -> None:
    result = run("lm", str(text), "-o", "court.lm", "--held-out", str(text))
    assert result.exit_code == 0
    assert result.stdout == "court.lm\n"
    assert "n-grams of 2,600 words in 300 sentences; perplexity" in result.stderr
    card = gigaam.ngrams.load("court.lm").card
    assert (card["sentences"], card["texts"]) == (300, ["text.txt"])
    json.dumps(card)


@pytest.mark.parametrize("place", ["pieces.model", "model"])
def test_pieces_of_a_model(place: str, text: Path) -> None:
    path = text.parent / place
    if not path.suffix:
        path.mkdir()
        path /= "tokenizer.model"
    path.write_bytes(sentencepiece_model())
    assert run("lm", str(text), "-o", "pieces.lm", "--tokenizer", place).exit_code == 0
    assert gigaam.ngrams.load("pieces.lm").unit == "piece"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.txt"], "there is no text nowhere.txt"),
        (["text.txt", "--order", "9"], "--order"),
        (["text.txt", "--prune", "much"], "--prune: 'much' is neither a number"),
        (["text.txt", "--max-size", "10 apples"], "--max-size: '10 apples' is no size"),
        (["text.txt", "--tokenizer", "tiny_ctc"], "--tokenizer: tiny_ctc has no pieces"),
        (["text.txt", "--tokenizer", "nowhere"], "--tokenizer: no SentencePiece model at"),
        (["text.txt", "--tokenizer", "text.txt"], "--tokenizer: 'text.txt' is not a Sentence"),
        (["text.txt", "--tokenizer", "v3_e2e_rnnt"], "GIGAAM_OFFLINE is set"),
        (["text.txt", "--held-out", "nowhere.txt"], "there is no text nowhere.txt"),
    ],
)
def test_what_cannot_be_done(
    arguments: list[str], told: str, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGAAM_CACHE", str(text.parent / "cache"))
    result = run("lm", *arguments, "-o", "court.lm")
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("gigaam: ")
    assert told in result.stderr
    assert not Path("court.lm").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["text.txt", "-o", "text.txt"], "text.txt is a text: the model would be written over it"),
        (["text.txt", "--held-out", "held.txt", "-o", "held.txt"], "held.txt is a text"),
        (["text.txt", "-o", "court.arpa.gz"], "not compressed as court.arpa.gz says"),
        (["text.txt", "-o", "court.arpa", "--max-size", "1mb"], "--max-size: is for the file"),
        (["text.txt", "-o", "a.lm", "--max-size", "100"], "give a vocabulary_size"),
    ],
)
def test_what_would_do_harm_is_not_written(arguments: list[str], told: str, text: Path) -> None:
    (text.parent / "held.txt").write_text("дуб зелёный\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in text.parent.iterdir()}
    result = run("lm", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert {path: path.read_bytes() for path in text.parent.iterdir()} == before


@pytest.mark.parametrize("ending", ["lm", "arpa"])
def test_pieces_do_not_go_with_a_model_of_characters(
    ending: str, text: Path, example: Path
) -> None:
    (text.parent / "pieces.model").write_bytes(sentencepiece_model())
    out = f"pieces.{ending}"
    assert run("lm", str(text), "-o", out, "--tokenizer", "pieces.model").exit_code == 0
    result = run("transcribe", "--model", "tiny_ctc", str(example), "--lm", out)
    assert result.exit_code == 1
    assert result.stderr.startswith("gigaam: the language model counts the pieces of another")


def test_a_text_is_no_model(text: Path, example: Path) -> None:
    result = run("transcribe", "--model", "tiny_ctc", str(example), "--lm", str(text))
    assert result.exit_code == 2
    assert "is no language model: neither one that 'gigaam lm' made of a text" in result.stderr
