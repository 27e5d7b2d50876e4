import bz2
import gzip
import lzma
import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gigaam.ngrams
from gigaam.cli.app import app
from gigaam.decoding.language_model import language_model_scorer
from gigaam.decoding.tokenizer import SentencePieceTokenizer
from gigaam.errors import ArgumentError, DatasetError
from gigaam.ngrams import NGramModel, train
from tests.small_sentencepiece import LINES, sentencepiece_model


def sentences(count: int = 400, seed: int = 3) -> list[str]:
    """Random sentences in which words depend on the word before."""
    rng = np.random.default_rng(seed)
    words = [f"слово{letter}" for letter in "абвгдежзик"]
    found = []
    for _ in range(count):
        row = [int(rng.zipf(1.6)) % 10]
        while rng.random() < 0.8 and len(row) < 9:
            row.append((row[-1] * 3 + int(rng.zipf(1.8))) % 10)
        found.append(" ".join(words[each] for each in row))
    return found


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "a.txt"
    path.write_text("\n".join(sentences()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "held.txt"
    path.write_text("\n".join(sentences(50, seed=4)), encoding="utf-8")
    return path


def sum_of(model: NGramModel, context: list[str]) -> float:
    """Of the probabilities of all words after a context."""
    state = model.start
    for word in context:
        state = model.score(state, model.word_id(word) or 0)[1]
    start = model.word_id("<s>")
    return sum(
        math.exp(model.score(state, index)[0])
        for index in range(len(model.words))
        if index != start
    )


CONTEXTS = [[], ["словоа"], ["словоа", "словог"], ["нет"], ["словоб", "нет"], ["словоа"] * 5]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("prune", [None, [0, 0, 1], 1e-3])
def test_probabilities_add_up_to_one(
    text: Path, tmp_path: Path, order: int, prune: float | list[int] | None
) -> None:
    if isinstance(prune, list):
        prune = prune[:order]
    train([text], tmp_path / "a.lm", order=order, prune=prune, quantized=False)
    model = gigaam.ngrams.load(tmp_path / "a.lm")
    assert [sum_of(model, each) for each in CONTEXTS] == pytest.approx([1.0] * 6, abs=1e-5)


def kneser_ney(lines: list[str]) -> Callable[[str, str], float]:
    """Interpolated modified Kneser-Ney bigrams, as the formulas have them."""
    rows = [["<s>", *line.split(), "</s>"] for line in lines]
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    single = Counter(word for _, word in pairs)
    size = len(single) + 1  # with <unk>

    def discounts(counts: Counter[tuple[str, str]] | Counter[str]) -> list[float]:
        n = [sum(value == k for value in counts.values()) for k in range(5)]
        if not all(n[1:]):
            return [0, 0.5, 1, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        found = [0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))]
        return found if all(0 <= d <= k for k, d in enumerate(found)) else [0, 0.5, 1, 1.5]

    d1, d2 = discounts(single), discounts(pairs)
    total = sum(single.values())
    rest = sum(d1[min(c, 3)] for c in single.values()) / total

    def probability(before: str, word: str) -> float:
        lower = (single[word] - d1[min(single[word], 3)]) / total + rest / size
        here = {pair: count for pair, count in pairs.items() if pair[0] == before}
        if not here:
            return lower
        whole = sum(here.values())
        count = pairs[before, word]
        left = sum(d2[min(c, 3)] for c in here.values()) / whole
        return (count - d2[min(count, 3)]) / whole + left * lower

    return probability


def test_bigrams_are_those_of_the_formulas(text: Path, held_out: Path, tmp_path: Path) -> None:
    train([text], tmp_path / "a.lm", order=2, quantized=False, held_out=[held_out])
    model = gigaam.ngrams.load(tmp_path / "a.lm")
    expected = kneser_ney(sentences())
    for line in [*sentences(20, seed=5), "словоа нет словоб"]:
        words = ["<s>", *line.split(), "</s>"]
        known = [each if model.word_id(each) else "<unk>" for each in words]
        values = [math.log(expected(*pair)) for pair in pairwise(known)]
        assert model.sentence(line.split()) == pytest.approx(values, abs=1e-5)


def test_same_texts_make_same_bytes_in_any_memory(text: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.txt"
    rng = np.random.default_rng(0)
    letters = np.array(list("абвгд"))
    lines = ["".join(rng.choice(letters, 3)) for _ in range(40000)]
    long.write_text("\n".join(" ".join(lines[i : i + 8]) for i in range(0, 40000, 8)), "utf-8")
    train([long, text], tmp_path / "a.lm", memory=1 << 20)
    train([long, text], tmp_path / "b.lm")
    assert (tmp_path / "a.lm").read_bytes() == (tmp_path / "b.lm").read_bytes()


def test_arpa_and_file_say_the_same(text: Path, held_out: Path, tmp_path: Path) -> None:
    models = []
    for name, quantized in (("a.arpa", False), ("a.lm", False), ("b.lm", True)):
        train([text], tmp_path / name, held_out=[held_out], quantized=quantized)
        models.append(gigaam.ngrams.load(tmp_path / name))
    for line in sentences(20, seed=6):
        values = [model.sentence(line.split()) for model in models]
        assert values[0] == pytest.approx(values[1], abs=1e-5)
        assert values[0] == pytest.approx(values[2], abs=0.05)


def test_card_measures_what_was_held_out(text: Path, held_out: Path, tmp_path: Path) -> None:
    card = train([text], tmp_path / "a.lm", held_out=[held_out])
    model = gigaam.ngrams.load(tmp_path / "a.lm")
    assert model.card == card
    assert card["texts"] == ["a.txt"]
    assert (card["sentences"], card["ngrams"][0]) == (400, 13)
    measured = model.perplexity(held_out.read_text("utf-8").splitlines())
    assert card["held_out"]["perplexity"] == pytest.approx(measured.value, abs=0.01)
    own = train([text], tmp_path / "b.lm")
    assert own["held_out"]["sentences"] == 2
    assert own["sentences"] == 398


def test_pruning_costs_little_and_less_is_kept(text: Path, held_out: Path, tmp_path: Path) -> None:
    cards = [
        train([text], tmp_path / "a.lm", prune=prune, held_out=[held_out])
        for prune in (None, 1e-5, 1e-3, 1e-2)
    ]
    sizes = [sum(card["ngrams"]) for card in cards]
    assert sizes == sorted(set(sizes), reverse=True)
    perplexities = [card["held_out"]["perplexity"] for card in cards]
    assert perplexities[2] < perplexities[0] * 1.1
    assert perplexities[3] < 12


def test_max_size_is_kept(text: Path, tmp_path: Path) -> None:
    train([text], tmp_path / "a.lm", order=4)
    most = (tmp_path / "a.lm").stat().st_size - 1000
    train([text], tmp_path / "b.lm", order=4, max_size=most + 4096)
    assert (tmp_path / "b.lm").stat().st_size <= most + 4096
    with pytest.raises(ArgumentError, match="give a vocabulary_size"):
        train([text], tmp_path / "b.lm", max_size=1000)


@pytest.mark.parametrize(("suffix", "opener"), [(".gz", gzip), (".xz", lzma), (".bz2", bz2)])
def test_compressed_texts(text: Path, tmp_path: Path, suffix: str, opener: object) -> None:
    packed = tmp_path / f"a.txt{suffix}"
    packed.write_bytes(opener.compress(text.read_bytes()))  # type: ignore[attr-defined]
    assert train([packed], tmp_path / "a.lm")["words"] == train([text], tmp_path / "b.lm")["words"]
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=rf"a\.txt{suffix}, line .*cannot be read"):
        train([packed], tmp_path / "c.lm")
    assert not (tmp_path / "c.lm").exists()


def test_small_vocabulary_leaves_the_rest_unknown(text: Path, tmp_path: Path) -> None:
    train([text], tmp_path / "a.lm", vocabulary_size=4, quantized=False)
    model = gigaam.ngrams.load(tmp_path / "a.lm")
    assert len(model.words) == 7
    assert sum_of(model, ["словоа"]) == pytest.approx(1, abs=1e-5)
    assert model.score(model.start, model.unknown)[0] > -4


def test_pieces(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("\n".join(LINES), encoding="utf-8")
    tokenizer = SentencePieceTokenizer(sentencepiece_model("bpe"))
    train([text], tmp_path / "a.lm", tokenizer=tokenizer, quantized=False)
    model = gigaam.ngrams.load(tmp_path / "a.lm")
    assert model.unit == "piece"
    scorer = language_model_scorer(tokenizer, model, 0.5, 2.0)
    ids = tokenizer.encode(LINES[0])
    states, total = scorer.start()[None], 0.0
    for token in ids:
        states, gains = scorer.advance(states, np.array([token]))
        total += float(gains[0])
    pieces = [tokenizer.pieces[token] for token in ids]
    bonus = 2.0 * sum(piece.startswith("▁") for piece in pieces)
    assert total == pytest.approx(0.5 * sum(model.sentence(pieces, eos=False)) + bonus)
    assert scorer.finish(states) == 0
    with pytest.raises(ArgumentError, match="another model's tokenizer"):
        language_model_scorer(
            SentencePieceTokenizer(sentencepiece_model("unigram", vocab_size=45)), model, 0.5
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "order must be"),
        ({"order": 7}, "order must be"),
        ({"prune": 2.0}, "prune must be"),
        ({"prune": [0, 2, 1]}, "counts to prune by"),
        ({"prune": [1]}, "counts to prune by"),
        ({"memory": 10}, "memory must be"),
        ({"vocabulary_size": 0}, "vocabulary_size must be"),
        ({"order": "3"}, "order must be a whole number from 1 to 6, not '3'"),
        ({"order": 2.5}, "order must be a whole number"),
        ({"prune": "1e-8"}, "prune must be a rise of perplexity"),
        ({"prune": [0, 0.5]}, "prune must be a rise of perplexity"),
    ],
)
def test_options_out_of_range(
    text: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        train([text], tmp_path / "a.lm", **options)  # type: ignore[arg-type]


def test_what_does_not_go_with_its_file(text: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="max_size is for the file of a mapped model"):
        train([text], tmp_path / "a.arpa", max_size=10_000)
    for one in (text, str(text)):
        with pytest.raises(ArgumentError, match="texts must be a list of files"):
            train(one, tmp_path / "a.lm")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no words"),
        (b"...\n-\n", "no words"),
        (b"abc\n\xff\xfe\n", "line 1 or soon after: not UTF-8"),
        (b"a" * (1 << 21), "line 1: over"),
    ],
)
def test_texts_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        train([tmp_path / "a.txt"], tmp_path / "a.lm")
    with pytest.raises(DatasetError, match="there is no text"):
        train([tmp_path / "b.txt"], tmp_path / "a.lm")


def test_command(text: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "a.lm")
    done = CliRunner().invoke(app, ["lm", str(text), "-o", out, "--prune", "0,0,1", "-q"])
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    with_size = ["lm", "-", "-o", out, "--max-size", "1MB", "--order", "2"]
    done = CliRunner().invoke(app, with_size, input=text.read_bytes())
    assert done.exit_code == 0
    assert gigaam.ngrams.load(out).order == 2
    for wrong in (["--prune", "x"], ["--max-size", "big"], ["--prune", "0,2,1"]):
        assert CliRunner().invoke(app, ["lm", str(text), "-o", out, *wrong]).exit_code == 2
    assert CliRunner().invoke(app, ["lm", str(tmp_path / "no.txt"), "-o", out]).exit_code == 1
