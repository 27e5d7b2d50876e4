import gzip
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gigaam.ngrams
from gigaam.errors import CheckpointError, MissingDependencyError, UnknownModelError
from gigaam.ngrams import NGramModel, train
from gigaam.ngrams.quantizing import quantize
from tests.small_arpa import ARPA, write_arpa

LN_10 = math.log(10)
WORDS = ["мир", "мира", "мы", "кот", "дом"]


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_arpa(tmp_path_factory.mktemp("lm") / "a.arpa")


@pytest.fixture(scope="module")
def model(arpa: Path) -> NGramModel:
    return gigaam.ngrams.load(arpa)


def test_what_the_model_is(model: NGramModel) -> None:
    assert (model.order, model.unit) == (3, "word")
    assert list(model.words) == ["<unk>", "<s>", "</s>", "кот", "мир", "мира", "мы"]
    assert model.word_id("мир") == 4
    assert model.word_id("дом") is None
    assert model.words[model.unknown] == "<unk>"


def test_log_probabilities_back_off(model: NGramModel) -> None:
    found = model.sentence(["мир", "кот"])
    assert found == pytest.approx([-0.4 * LN_10, -0.2 * LN_10, -0.3 * LN_10])
    found = model.sentence(["дом", "мира"])  # <unk> has no back-off
    assert found[:2] == pytest.approx([(-0.3 - 1.7) * LN_10, -0.8 * LN_10])
    assert model.sentence(["кот"], bos=False, eos=False) == pytest.approx([-1.5 * LN_10])
    assert model.perplexity(["мир кот", "дом"]).n_unknown == 1


@given(words=st.lists(st.sampled_from(WORDS), max_size=8), bos=st.booleans(), eos=st.booleans())
def test_kenlm_says_the_same(
    arpa: Path, model: NGramModel, words: list[str], bos: bool, eos: bool
) -> None:
    kenlm = pytest.importorskip("kenlm")
    theirs = kenlm.Model(str(arpa))
    expected = [value * LN_10 for value, *_ in theirs.full_scores(" ".join(words), bos, eos)]
    assert model.sentence(words, bos, eos) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_kenlm_says_the_same_of_a_pruned_model(tmp_path: Path, order: int) -> None:
    kenlm = pytest.importorskip("kenlm")
    rng = random.Random(order)
    text = tmp_path / "a.txt"
    lines = [" ".join(rng.choices(WORDS + list("абвгд"), k=rng.randint(1, 9))) for _ in range(300)]
    text.write_text("\n".join(lines), encoding="utf-8")
    train([text], tmp_path / "a.arpa", order=order, prune=1e-4)
    ours, theirs = gigaam.ngrams.load(tmp_path / "a.arpa"), kenlm.Model(str(tmp_path / "a.arpa"))
    for _ in range(60):
        words = rng.choices([*WORDS, *"абвгд", "нет"], k=8)
        expected = [value * LN_10 for value, *_ in theirs.full_scores(" ".join(words))]
        assert ours.sentence(words) == pytest.approx(expected, abs=1e-4)


def test_suffixes_that_an_arpa_file_lacks(tmp_path: Path) -> None:
    """Pruned files of others may have "a b c" without "b c"."""
    text = """
\\data\\
ngram 1=6
ngram 2=1
ngram 3=1
ngram 4=1

\\1-grams:
-99 <s> 0
-1 </s>
-1 <unk>
-0.5 а -0.1
-0.6 б -0.2
-0.7 в -0.3

\\2-grams:
-0.2 а б -0.4

\\3-grams:
-0.1 а б в -0.5

\\4-grams:
-0.05 а б в а

\\end\\
"""
    (tmp_path / "a.arpa").write_text(text, encoding="utf-8")
    model = gigaam.ngrams.load(tmp_path / "a.arpa")
    found = model.sentence(["а", "б", "в", "а", "б"], bos=False, eos=False)
    assert found == pytest.approx([value * LN_10 for value in (-0.5, -0.2, -0.1, -0.05, -0.2)])
    found = model.sentence(["а", "б", "в", "б"], bos=False, eos=False)
    assert found[-1] == pytest.approx((-0.5 - 0.3 - 0.6) * LN_10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "is no language model"),
        ("ngram 2=5", "ngram 2=6", "is no n-gram of order 2|is due"),
        ("ngram 2=5", "ngram 2=4", "is due"),
        ("ngram 3=2", "ngram 4=2", "is no count"),
        ("ngram 1=7", "ngram 1=999999999999", "line 15: .*is no n-gram of order 1"),
        ("-0.4 <s> мир", "-0.4 <s> дом", "line 16: 'дом' is not among the single words"),
        ("-0.2 <s> мир кот", "-0.2 мира мир кот", "is no n-gram of order 2"),
        ("-0.9 мир мы", "-0.9 мир кот", "line 20: 'мир кот' is there twice"),
        ("-0.4 <s> мир", "x <s> мир", "'x' is no logarithm"),
        ("-0.4 <s> мир", "nan <s> мир", "'nan' is no logarithm"),
        ("-0.4 <s> мир", "0.4 <s> мир", "the logarithm of a probability"),
        ("\\end\\", "", "ends too early"),
    ],
)
def test_arpa_files_that_are_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in ARPA
    (tmp_path / "a.arpa").write_text(ARPA.lstrip().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message) as raised:
        gigaam.ngrams.load(tmp_path / "a.arpa")
    assert str(tmp_path / "a.arpa") in str(raised.value)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("file")
    rng = random.Random(1)
    lines = [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(200)]
    (folder / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    train([folder / "a.txt"], folder / "a.lm", order=4)
    return (folder / "a.lm").read_bytes()


@given(data=st.data())
def test_damaged_files_are_refused_or_read(file: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(file))) if data.draw(st.booleans()) else len(file)
    damaged = bytearray(file[:end])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.lm"
        path.write_bytes(bytes(damaged))
        try:
            model = gigaam.ngrams.load(path)
        except CheckpointError as error:
            said = str(error)
        else:
            said = str(path)
            for words in (WORDS, WORDS[::-1], ["дом"] * 6):
                assert np.isfinite(model.sentence(words)).all()
        assert str(path) in said


def test_a_file_that_would_fill_the_memory_is_refused_at_once(file: bytes, tmp_path: Path) -> None:
    length = int.from_bytes(file[8:16], "little")
    header = json.loads(file[16 : 16 + length])
    header |= {"n_words": 10**9, "vocabulary_bytes": 10**11}
    text = json.dumps(header).encode().ljust(length + 64)
    path = tmp_path / "a.lm"
    path.write_bytes(file[:8] + len(text).to_bytes(8, "little") + text + file[16 + length :])
    with pytest.raises(CheckpointError, match="single words, not 1,000,000,000"):
        gigaam.ngrams.load(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("\\data\\" + "x" * (1 << 20), "over 65,536 characters"),
        ("\n" * 10**6, "no language model"),
        ("\\data\\\nngram 1=3\n" + "\n" * 10**6, "empty lines"),
    ],
)
def test_packed_files_of_nothing(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arpa.gz"
    path.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(CheckpointError, match=told):
        gigaam.ngrams.load(path)


def headers() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "its format is 2", {"format": 2}
    yield "order 11", {"order": 11}
    yield "order is 'x'", {"order": "x"}
    yield "unit", {"unit": "letter"}
    yield "no card", {"card": 3}
    yield "words", {"n_words": 5}
    yield "no vocabulary", {"vocabulary_bytes": 1 << 40}
    yield "no list of arrays", {"arrays": 3}
    yield "0 single words", {"arrays": []}


@pytest.mark.parametrize(("message", "change"), list(headers()))
def test_headers_that_lie(
    file: bytes, tmp_path: Path, message: str, change: dict[str, Any]
) -> None:
    length = int.from_bytes(file[8:16], "little")
    header = json.loads(file[16 : 16 + length]) | change
    text = json.dumps(header, ensure_ascii=False).encode()
    text = text.ljust(length) if len(text) <= length else text
    (tmp_path / "a.lm").write_bytes(
        file[:8] + len(text).to_bytes(8, "little") + text + file[16 + length :]
    )
    with pytest.raises(CheckpointError, match=message):
        gigaam.ngrams.load(tmp_path / "a.lm")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="there is no language model"):
        gigaam.ngrams.load(tmp_path / "a.lm")
    for content in (b"", b"\0" * 100, b"GIGAAMLM", b"mmap lm http://kheafield.com/code no"):
        (tmp_path / "a.lm").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a\.lm"):
            gigaam.ngrams.load(tmp_path / "a.lm")


def test_quantised_numbers_are_near() -> None:
    numbers = np.random.default_rng(0).normal(-5, 2, 50_000)
    codes, values = quantize(numbers)
    assert np.abs(values[codes] - numbers).mean() < 0.02
    few = np.repeat(numbers[:200], 3)
    codes, values = quantize(few)
    assert (values[codes] == few.astype(np.float32)).all()


@pytest.mark.parametrize("name", ["small", "without_unknown"])
def test_binary_files_of_kenlm(tmp_path: Path, name: str) -> None:
    """Made by build_binary of KenLM 0.3.0 from the file of `tests.small_arpa`."""
    pytest.importorskip("kenlm")
    theirs = gigaam.ngrams.load(Path(__file__).with_name(f"{name}.kenlm"))
    ours = gigaam.ngrams.load(write_arpa(tmp_path / "a.arpa", unknown=name == "small"))
    assert sorted(theirs.words) == sorted(ours.words)
    assert theirs.unigrams()[theirs.unknown] == pytest.approx(ours.unigrams()[ours.unknown])
    for words in (["мир", "кот"], ["кот", "мир", "кот", "мы", "мира"], ["дом", "мир"], []):
        for bos in (True, False):
            assert theirs.sentence(words, bos) == pytest.approx(ours.sentence(words, bos), abs=1e-5)


def test_kenlm_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(MissingDependencyError, match="pip install ufal-kenlm"):
        gigaam.ngrams.load(Path(__file__).with_name("small.kenlm"))
