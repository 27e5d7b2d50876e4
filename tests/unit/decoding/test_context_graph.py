import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.decoding.context_graph import ContextGraph, phrase_reward
from gigaam.decoding.hotwords import Phrase
from gigaam.decoding.scoring import JointScorer, Scorer
from gigaam.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer
from gigaam.errors import ArgumentError
from tests.small_sentencepiece import sentencepiece_model

RUSSIAN = CharTokenizer(" абвгдежзийклмнопрстуфхцчшщъыьэюя")
SMALL = CharTokenizer(" аб")
PIECES = SentencePieceTokenizer(sentencepiece_model())


def gains(graph: Scorer, tokens: list[int]) -> list[float]:
    """What each token gains, and the end."""
    state = graph.start()[None]
    all_gains = []
    for token in tokens:
        state, gained = graph.advance(state, np.array([token]))
        all_gains.append(gained.item())
    return [*all_gains, graph.finish(state).item()]


def total(graph: ContextGraph, text: str, tokenizer=RUSSIAN) -> float:
    return sum(gains(graph, tokenizer.encode(text)))


def reward(text: str, weight: float = 1.0) -> float:
    return weight * phrase_reward(len(text.replace(" ", "")))


def expected(text: str, phrases: dict[str, float]) -> float:
    """The rewards of all whole-word occurrences, found by comparing words."""
    words = text.split()
    return sum(
        reward(phrase, weight)
        for phrase, weight in phrases.items()
        for first in range(len(words))
        if words[first : first + len(phrase.split())] == phrase.split()
    )


words = st.text("аб", min_size=1, max_size=3)
small_phrases = st.dictionaries(
    st.lists(words, min_size=1, max_size=4).map(" ".join), st.floats(0.1, 5), max_size=8
)


@settings(deadline=None, max_examples=300)
@given(small_phrases, st.lists(st.one_of(words, st.just(" ")), max_size=14), st.data())
def test_gains_are_the_rewards_of_whole_words(phrases, parts, data):
    text = "".join(data.draw(st.sampled_from([part, f"{part} "])) for part in parts)
    graph = ContextGraph(SMALL, [Phrase(*item) for item in phrases.items()], 1)
    assert total(graph, text, SMALL) == pytest.approx(expected(text, phrases), abs=1e-9)


@settings(deadline=None, max_examples=200)
@given(small_phrases, st.lists(small_phrases, max_size=3))
def test_phrases_one_after_the_other(phrases, others):
    text = " ".join([*phrases, *(phrase for other in others for phrase in other), *phrases])
    graph = ContextGraph(SMALL, [Phrase(*item) for item in phrases.items()], 1)
    assert total(graph, text, SMALL) == pytest.approx(expected(text, phrases), abs=1e-9)


@settings(deadline=None)
@given(small_phrases, st.lists(st.integers(0, 2), max_size=30))
def test_what_a_state_is_depends_on_nothing_but_its_tokens(phrases, tokens):
    graph = ContextGraph(SMALL, [Phrase(*item) for item in phrases.items()], 1)
    one = graph.start()[None]
    many = np.repeat(one, 5, axis=0)
    for token in tokens:
        one, gain = graph.advance(one, np.array([token]))
        before = many.copy()
        many, gained = graph.advance(many, np.array([token] * 5))
        assert many.tolist() == one.tolist() * 5
        assert gained.tolist() == gain.tolist() * 5
        assert before.shape == many.shape


small_pieces = st.lists(st.integers(0, len(PIECES) - 1), max_size=20)
piece_words = st.sampled_from(["на", "песни", "дева", "уж", "я", "мои", "дуб", "любви", "у"])
piece_phrases = st.lists(piece_words, min_size=1, max_size=3).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(piece_phrases, st.floats(0.1, 5), max_size=8), st.lists(piece_words))
def test_gains_with_pieces(phrases, text):
    graph = ContextGraph(PIECES, [Phrase(*item) for item in phrases.items()], 1)
    met = expected(" ".join(text), phrases)
    assert total(graph, " ".join(text), PIECES) == pytest.approx(met, abs=1e-9)


def tokens_of(phrase: str) -> list[int]:
    return PIECES.encode(phrase)


@settings(deadline=None, max_examples=200)
@given(st.sets(piece_phrases, max_size=6), small_pieces)
def test_gains_of_any_pieces(phrases, tokens):
    graph = ContextGraph(PIECES, [Phrase(phrase) for phrase in phrases], 1)
    bounds = [
        PIECES.starts_word(token) or PIECES.stands_alone(token) or PIECES.pieces[token] in ",."
        for token in tokens
    ] + [True]
    met = sum(
        reward(phrase)
        for phrase in phrases
        for first in range(len(tokens))
        for spelled in [tokens_of(phrase)]
        if tokens[first : first + len(spelled)] == spelled and bounds[first + len(spelled)]
    )
    assert sum(gains(graph, tokens)) == pytest.approx(met, abs=1e-9)


def test_nothing_without_phrases():
    graph = ContextGraph(RUSSIAN, [], 1)
    assert gains(graph, RUSSIAN.encode("новый год")) == [0] * 10
    assert graph.unspellable == ()


def test_lent_and_taken_back():
    graph = ContextGraph(RUSSIAN, [Phrase("год")], 1)
    lent = gains(graph, RUSSIAN.encode("год"))
    assert all(gain > 0 for gain in lent[:-1])
    assert lent[:-1] == sorted(lent[:-1])  # the first letters get least
    assert sum(lent) == reward("год")
    assert total(graph, "года") == pytest.approx(0)
    assert gains(graph, RUSSIAN.encode("года"))[3] == pytest.approx(-reward("год"))
    assert total(graph, "огод") == 0


def test_nested_phrases_earn_each():
    graph = ContextGraph(RUSSIAN, [Phrase("год"), Phrase("новый год"), Phrase("новый")], 1)
    both = reward("новый год") + reward("год") + reward("новый")
    assert total(graph, "новый год") == pytest.approx(both)
    assert total(graph, "новый гол") == pytest.approx(reward("новый"))
    assert total(graph, "старый год") == pytest.approx(reward("год"))


def test_all_is_lent_where_the_last_word_is_complete():
    graph = ContextGraph(RUSSIAN, [Phrase("год"), Phrase("новый год")], 1)
    *lent, end = gains(graph, RUSSIAN.encode("новый год"))
    assert sum(lent) == pytest.approx(reward("новый год") + reward("год"))
    assert end == pytest.approx(0)


def test_scorers_side_by_side():
    parts = [ContextGraph(RUSSIAN, [Phrase(word)], 1) for word in ("год", "новый год")]
    text = RUSSIAN.encode("новый год")
    assert gains(JointScorer(parts), text) == pytest.approx(
        np.sum([gains(part, text) for part in parts], axis=0)
    )


def test_the_end_between_two_words_takes_back():
    graph = ContextGraph(RUSSIAN, [Phrase("иван ватутин")], 1)
    assert total(graph, "иван ") == pytest.approx(0)
    assert total(graph, "иван") == pytest.approx(0)


def test_expects_inside_of_a_phrase():
    graph = ContextGraph(RUSSIAN, [Phrase("год")], 1)
    state = graph.start()[None]
    seen = [graph.expects(state).item()]
    for token in RUSSIAN.encode(" года год"):
        state, _ = graph.advance(state, np.array([token]))
        seen.append(graph.expects(state).item())
    assert seen == [False, False, True, True, True, False, False, True, True, True]


def test_weights_multiply():
    graph = ContextGraph(RUSSIAN, [Phrase("год", 3), Phrase("год", 2)], 0.5)
    assert total(graph, "год") == pytest.approx(1.5 * reward("год"))


def test_longer_phrases_are_worth_more():
    rewards = [phrase_reward(n) for n in range(1, 30)]
    assert rewards == sorted(set(rewards))
    assert rewards[0] > 0


def test_short_words_get_less_than_their_share():
    shares = [phrase_reward(n) / n for n in range(1, 30)]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        ("Семёнов", "семенов"),
        ("ВТБ", "втб"),
        ("Римский-Корсаков", "римский корсаков"),
        ("«Полис — КАСКО»", "полис каско"),
        ("за\u0301мок", "замок"),
    ],
)
def test_spelled_as_the_model_spells(phrase, heard):
    graph = ContextGraph(RUSSIAN, [Phrase(phrase)], 1)
    assert total(graph, heard) == pytest.approx(reward(heard))


def test_apostrophes_are_one_where_there_is_one():
    tokenizer = CharTokenizer([*RUSSIAN.pieces, "'"])
    graph = ContextGraph(tokenizer, [Phrase("О’Генри")], 1)
    assert total(graph, "о'генри", tokenizer) > 0


def test_both_spellings_where_there_is_yo():
    tokenizer = CharTokenizer([*RUSSIAN.pieces, "ё"])
    graph = ContextGraph(tokenizer, [Phrase("Семёнов")], 1)
    assert total(graph, "семёнов", tokenizer) == total(graph, "семенов", tokenizer) > 0


def test_capitals_where_there_are_such():
    letters = RUSSIAN.pieces + [letter.upper() for letter in RUSSIAN.pieces[1:]] + [*",.-"]
    tokenizer = CharTokenizer(letters)
    graph = ContextGraph(tokenizer, [Phrase("полис каско"), Phrase("ООО Ромашка")], 1)
    for text in ("полис каско", "Полис каско", "Полис Каско", "ооо ромашка", "ООО Ромашка"):
        assert total(graph, text, tokenizer) > 0
        assert total(graph, f"Да, {text}, да.", tokenizer) > 0
        assert total(graph, f"{text}.", tokenizer) > 0
    assert total(graph, "полис-каско", tokenizer) == pytest.approx(0)


def test_what_cannot_be_spelled_is_named():
    phrases = [Phrase(text) for text in ("BMW", "каско", "1С", "…")]
    graph = ContextGraph(RUSSIAN, phrases, 1)
    assert graph.unspellable == ("BMW", "1С", "…")
    assert total(graph, "каско") > 0


def test_pieces_that_are_unknown_are_no_spelling():
    graph = ContextGraph(PIECES, [Phrase("Kiev"), Phrase("цех"), Phrase("дуб")], 1)
    assert graph.unspellable == ("Kiev", "цех")


def test_a_tokenizer_without_a_mark_at_the_beginning():
    tokenizer = SentencePieceTokenizer(sentencepiece_model(add_dummy_prefix=False))
    graph = ContextGraph(tokenizer, [Phrase("дуб")], 1)
    assert not tokenizer.starts_word(tokenizer.encode("дуб")[0])
    assert total(graph, "у дуб", tokenizer) == pytest.approx(reward("дуб"))


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", None])
def test_bad_weight(weight):
    with pytest.raises(ArgumentError, match="the weight of hotwords"):
        ContextGraph(RUSSIAN, [], weight)


def test_many_phrases():
    generator = np.random.default_rng(0)
    letters = np.array(list("абвгдеиклмнопрст"))
    phrases = {"".join(generator.choice(letters, 9)): 1.0 for _ in range(3000)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = ContextGraph(RUSSIAN, [Phrase(*item) for item in phrases.items()], 1)
    text = " ".join(list(phrases)[::200])
    assert total(graph, text) == pytest.approx(expected(text, phrases))
