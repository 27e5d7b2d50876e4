import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gigaam.ngrams
from gigaam.decoding.language_model import WordScorer, language_model_scorer
from gigaam.decoding.scoring import Scorer
from gigaam.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer
from gigaam.errors import ArgumentError
from gigaam.ngrams import NGramModel
from gigaam.ngrams.prefix_tree import PrefixTree, prefix_tree
from tests.small_arpa import write_arpa
from tests.small_sentencepiece import sentencepiece_model

LETTERS = " имраыкотя"
WEIGHT, BONUS = 0.7, 1.25


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> NGramModel:
    return gigaam.ngrams.load(write_arpa(tmp_path_factory.mktemp("lm") / "a.arpa"))


@pytest.fixture(scope="module")
def tree(model: NGramModel) -> PrefixTree:
    return prefix_tree(model)


def gain(scorer: Scorer, tokens: list[int]) -> float:
    """What a whole sequence gains, its end included."""
    states, total = scorer.start()[None], 0.0
    for token in tokens:
        states, gains = scorer.advance(states, np.array([token]))
        total += float(gains[0])
    return total + float(scorer.finish(states)[0])


def spelled(tree: PrefixTree, word: str) -> float:
    """The log-probability of a spelling, letter by letter."""
    letters = tree.alphabet.numbers(np.array([ord(c) for c in word], np.uint32)).tolist()
    row = [0, 0, *letters, 0]
    return sum(
        float(tree.spelling[a, b, c]) for a, b, c in zip(row, row[1:], row[2:], strict=False)
    )


def expected(model: NGramModel, words: list[str]) -> float:
    values = model.sentence(words, eos=False)
    extra = [spelled(prefix_tree(model), each) for each in words if model.word_id(each) is None]
    return WEIGHT * (sum(values) + sum(extra)) + BONUS * len(words)


@given(text=st.text(LETTERS, max_size=14))
def test_gains_of_letters_add_up_to_those_of_words(model: NGramModel, text: str) -> None:
    tokenizer = CharTokenizer(list(LETTERS))
    scorer = language_model_scorer(tokenizer, model, WEIGHT, BONUS)
    assert gain(scorer, tokenizer.encode(text)) == pytest.approx(expected(model, text.split()))


PIECES = SentencePieceTokenizer(sentencepiece_model("bpe"))
PLAIN = [i for i, piece in enumerate(PIECES.pieces) if not piece.startswith("<")]


@given(tokens=st.lists(st.sampled_from(PLAIN), max_size=10))
def test_gains_of_pieces_add_up_however_words_are_split(
    model: NGramModel, tokens: list[int]
) -> None:
    scorer = language_model_scorer(PIECES, model, WEIGHT, BONUS)
    text = "".join(PIECES.pieces[token] for token in tokens).lower().replace("ё", "е")
    for mark in "▁,.":
        text = text.replace(mark, " ")
    assert gain(scorer, tokens) == pytest.approx(expected(model, text.split()))


def test_known_words_need_no_spelling(model: NGramModel) -> None:
    scorer = language_model_scorer(CharTokenizer(list(LETTERS)), model, 1.0)
    log10 = -0.4 - 0.2
    assert gain(scorer, CharTokenizer(list(LETTERS)).encode("мир кот")) == pytest.approx(
        log10 * math.log(10), abs=1e-6
    )


def test_look_ahead_is_the_sum_of_what_may_follow(model: NGramModel, tree: PrefixTree) -> None:
    size = tree.alphabet.size
    log_masses = model.unigrams()
    total = np.exp(np.delete(log_masses, [1, 2])).sum()  # without the ends of sentences
    for prefix in range(len(tree.ahead)):
        parts = []
        for letter in range(1, size):
            longer = int(tree.longer(np.array([prefix]), np.array([letter]))[0])
            step = float(tree.spelling.reshape(-1, size)[tree.last_two[prefix], letter])
            alone = tree.log_unknown + tree.spelled[prefix] + step
            parts.append(tree.ahead[longer] if longer >= 0 else alone)
        end = tree.spelling.reshape(-1, size)[tree.last_two[prefix], 0]
        parts.append(tree.log_unknown + tree.spelled[prefix] + end)
        if tree.ends[prefix] >= 0:
            parts.append(log_masses[tree.ends[prefix]] - np.log(total))
        assert np.logaddexp.reduce(parts) == pytest.approx(tree.ahead[prefix], abs=1e-4)


def test_spellings_share_all_probability(tree: PrefixTree) -> None:
    assert np.exp(tree.spelling).sum(-1) == pytest.approx(1)


def test_many_continuations_are_as_one_by_one(model: NGramModel) -> None:
    tokenizer = CharTokenizer(list(LETTERS))
    scorer = language_model_scorer(tokenizer, model, WEIGHT, BONUS)
    rng = np.random.default_rng(0)
    states = np.repeat(scorer.start()[None], 40, 0)
    for _ in range(8):
        tokens = rng.integers(0, len(tokenizer), 40)
        after, gains = scorer.advance(states, tokens)
        for row, token in enumerate(tokens):
            alone, gained = scorer.advance(states[row : row + 1], np.array([token]))
            assert (alone[0] == after[row]).all()
            assert gained[0] == gains[row]
        states = after


@pytest.mark.parametrize("tokenizer", [CharTokenizer(list("АЁ -.1")), PIECES])
def test_case_and_punctuation(model: NGramModel, tokenizer: Tokenizer) -> None:
    scorer = language_model_scorer(tokenizer, model, WEIGHT, BONUS)
    assert isinstance(scorer, WordScorer)
    assert scorer.size == len(scorer.start()) == 2
    assert not scorer.expects(np.zeros((3, 2), np.int64)).any()
    if isinstance(tokenizer, CharTokenizer):
        one, two = gain(scorer, [0, 3, 0]), gain(scorer, [0, 2, 4, 0])
        assert one == two  # punctuation ends a word as a space does
        assert gain(scorer, [2, 3, 4]) == 0.0


def test_words_that_nothing_knows_are_not_impossible(tmp_path: Path) -> None:
    model = gigaam.ngrams.load(write_arpa(tmp_path / "a.arpa", unknown=False))
    unigrams = model.unigrams()
    assert unigrams[model.unknown] == pytest.approx(-1.5 * math.log(10) - math.log(4))
    scorer = language_model_scorer(CharTokenizer(list("zй")), model, 1.0)
    assert -60 < gain(scorer, [0, 1, 0]) < -5


def test_pieces_of_another_model_are_refused(model: NGramModel) -> None:
    model.card["tokenizer"], model.unit = "0" * 64, "piece"
    try:
        with pytest.raises(ArgumentError, match="another model's tokenizer"):
            language_model_scorer(PIECES, model, 1.0)
    finally:
        model.unit = "word"


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_that_mean_nothing(model: NGramModel, weight: float) -> None:
    with pytest.raises(ArgumentError, match="lm_weight"):
        language_model_scorer(PIECES, model, weight)
