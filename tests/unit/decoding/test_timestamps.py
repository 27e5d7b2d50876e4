from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.decoding import Hypothesis
from gigaam.decoding.timestamps import words_from_hypothesis
from gigaam.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer
from gigaam.types import Word
from tests.small_sentencepiece import sentencepiece_model

CHARS = CharTokenizer(" абвгд")
PIECES = SentencePieceTokenizer(sentencepiece_model())
BYTES = SentencePieceTokenizer(sentencepiece_model(byte_fallback=True, vocab_size=330))


def hypothesis_of(ids, frames=None, log_probs=None):
    frames = range(len(ids)) if frames is None else frames
    log_probs = [-0.1] * len(ids) if log_probs is None else log_probs
    return Hypothesis(
        np.array(ids, np.int64), np.array(frames, np.int64), np.array(log_probs, np.float32)
    )


def spans(text, frames, tokenizer=CHARS):
    words = words_from_hypothesis(hypothesis_of(tokenizer.encode(text), frames), tokenizer, 1.0)
    return [(word.text, word.start, word.end) for word in words]


def named(*pieces, tokenizer=PIECES):
    return [tokenizer.pieces.index(piece) for piece in pieces]


def test_words_of_characters():
    assert spans("да гад", [2, 3, 5, 8, 9, 12]) == [("да", 2, 4), ("гад", 8, 13)]


def test_seconds_and_confidence():
    hypothesis = hypothesis_of(CHARS.encode("да г"), [0, 4, 5, 9], np.log([0.9, 0.4, 0.1, 0.7]))
    words = words_from_hypothesis(hypothesis, CHARS, 11.29 / 282)
    assert [word.text for word in words] == ["да", "г"]
    assert words[0].start == 0.0
    assert words[0].end == pytest.approx(5 * 11.29 / 282)
    assert words[1].end == pytest.approx(10 * 11.29 / 282)
    assert words[0].confidence == pytest.approx(0.6)  # of д and а; the space is in no word
    assert words[1].confidence == pytest.approx(0.7)
    assert all(type(value) is float for w in words for value in (w.start, w.end, w.confidence))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ", []),
        ("   ", []),
        (" а", [("а", 1, 2)]),
        ("а ", [("а", 0, 1)]),
        ("  а  б ", [("а", 2, 3), ("б", 5, 6)]),
    ],
)
def test_spaces_belong_to_no_word(text, expected):
    assert spans(text, range(len(text))) == expected


def test_words_of_pieces():
    ids = [*named("▁по", "х", "в", "ал"), *named("▁не")] if "ал" in PIECES.pieces else None
    ids = ids or [*named("▁по", "х", "в"), *named("▁н", "е")]
    words = words_from_hypothesis(hypothesis_of(ids), PIECES, 0.04)
    assert " ".join(word.text for word in words) == PIECES.decode(ids)
    assert [word.start for word in words] == [0.0, pytest.approx(0.04 * (len(ids) - 2))]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("▁", "х", "▁", "в"), [("х", 0, 2), ("в", 2, 4)]),  # a bare ▁ begins its word
        (("х", "▁", "в"), [("х", 0, 1), ("в", 1, 3)]),  # a first word without ▁
        (("▁", "▁", "х"), [("х", 1, 3)]),
        (("х", "▁"), [("х", 0, 1)]),
        (("▁",), []),
        (("<s>", "</s>"), []),
        (("▁", "х", "<unk>", "в"), [("х", 0, 2), ("⁇", 2, 3), ("в", 3, 4)]),
        (("<unk>", "<unk>"), [("⁇", 0, 1), ("⁇", 1, 2)]),
        (("▁", "<unk>", "▁", "в"), [("⁇", 1, 2), ("в", 2, 4)]),
    ],
)
def test_awkward_pieces(pieces, expected):
    words = words_from_hypothesis(hypothesis_of(named(*pieces)), PIECES, 1.0)
    assert [(word.text, word.start, word.end) for word in words] == expected


def test_bytes_of_one_character_are_decoded_together():
    ids = BYTES.encode("дуб €5")
    words = words_from_hypothesis(hypothesis_of(ids), BYTES, 1.0)
    assert [word.text for word in words] == ["дуб", "€5"]


def test_tokens_on_one_frame():
    """An RNN-T may emit several tokens, even words, at one frame."""
    assert spans("а б", [3, 3, 3]) == [("а", 3, 4), ("б", 3, 4)]


@st.composite
def hypotheses(draw, tokenizer):
    ids = draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=25))
    steps = draw(st.lists(st.integers(0, 4), min_size=len(ids), max_size=len(ids)))
    log_probs = draw(st.lists(st.floats(-20, 0, width=32), min_size=len(ids), max_size=len(ids)))
    return hypothesis_of(ids, np.cumsum(steps), log_probs)


def check(hypothesis, tokenizer):
    words = words_from_hypothesis(hypothesis, tokenizer, 0.04)
    assert [word.text for word in words] == tokenizer.decode(hypothesis.ids.tolist()).split()
    for word in words:
        assert isinstance(word, Word)
        assert 0 <= word.start < word.end
        assert 0 <= word.confidence <= 1
    for earlier, later in pairwise(words):
        assert earlier.start <= later.start
        assert earlier.end <= later.end
    if words:
        assert words[-1].end <= (hypothesis.frames[-1] + 1) * 0.04


@settings(deadline=None)
@given(hypotheses(CHARS))
def test_words_of_characters_are_the_text(hypothesis):
    check(hypothesis, CHARS)


@settings(deadline=None)
@given(hypotheses(PIECES))
def test_words_of_pieces_are_the_text(hypothesis):
    check(hypothesis, PIECES)
