"""The set that hotwords are measured on: what is chosen, and how it is counted."""

from pathlib import Path

import pytest

from benchmarks.hotword_texts import candidates, choose, forms, read_sentences
from benchmarks.hotwords import counts, in_the_nominative, lists_of, rare_words
from gigaam.dataset.manifests import Utterance
from gigaam.dataset.text import normalize_text

TEXTS = """
Он поставил жаровню в самый угол.
Наконец пришёл сам Вельчанинов с братом.
Никто не видел Вельчанинова после обеда.
Вельчанинов вышел и сел на стул.
Никто не видел никакой терморегулятор.
Она читала ABC до вечера.
Это слишком
Терморегулятор опять не работал весь день.
Мы пошли домой через тихий сад.
"""


@pytest.fixture
def sentences(tmp_path: Path) -> list[str]:
    path = tmp_path / "texts.txt"
    path.write_text(TEXTS, encoding="utf-8")
    return read_sentences([path], {"мы пошли домой через тихий сад"})


def test_sentences_are_readable_and_not_held_out(sentences):
    assert len(sentences) == 6
    assert not any("ABC" in each or "слишком" in each or "сад" in each for each in sentences)


def test_candidates_are_rare_nouns_and_name_their_nominative(sentences):
    known = set(normalize_text(TEXTS).split()) - {
        *forms(["жаровня", "терморегулятор", "вельчанинов"])
    }
    found = [(each.hotword, each.said, each.kind) for each in candidates(sentences, known)]
    assert found == [
        ("жаровня", "жаровню", "term"),
        ("вельчанинов", "вельчанинов", "name"),
        ("вельчанинов", "вельчанинова", "name"),
        ("терморегулятор", "терморегулятор", "term"),
    ]
    known |= forms(["жаровня", "терморегулятор", "вельчанинов"])
    assert list(candidates(sentences, known)) == []


def test_halves_share_no_hotword_and_plain_sentences_have_none():
    nouns = ["жаровня", "стреха", "бекеша", "охапка", "фельдшерица", "похвальба", "шнуровка"]
    accusatives = ["двуколку", "афишку", "овчарню", "котомку", "бечевку", "рубанок", "пилюлю"]
    sentences = [f"Вот и опять {noun} лежит" for noun in nouns]
    sentences += [f"Он взял {noun} и ушёл" for noun in accusatives]
    sentences += [f"Он сказал {word} ещё раз" for word in ("да", "нет", "сам", "тут", "вот")]
    known = {"опять", "лежит", "сказал", "вот", "ушел", "взял"}
    halves = choose(sentences, known, {"term": 4}, n_plain=2, seed=1)
    again = choose(sentences, known, {"term": 4}, n_plain=2, seed=1)
    assert halves == again
    first, second = ({each.hotword for each in half.spoken} for half in halves)
    assert len(first) == len(second) == 4
    assert not first & second
    for half in halves:
        assert sum(each.said != each.hotword for each in half.spoken) == 2
        said = {word for each in half.plain for word in normalize_text(each).split()}
        assert len(half.plain) == 2
        assert not said & forms(first | second)


def utterance(text: str, **columns: str) -> Utterance:
    return Utterance(Path("a.wav"), 0, 16_000, text, columns)


def test_lists_of_manifests_that_name_their_hotwords():
    spoken = [
        utterance("взял жаровню", hotword="жаровня", said="жаровню", kind="term", list="0"),
        utterance("вот стреха", hotword="стреха", said="стреха", kind="term", list="1"),
        utterance("вот мозгляков", hotword="мозгляков", said="мозгляков", kind="name", list="0"),
    ]
    plain = [utterance("да"), utterance("нет")]
    first, second = lists_of(spoken, plain, [])
    assert (first.listed, first.spoken, first.plain) == (("жаровню", "мозгляков"), (0, 2), (3,))
    assert (second.listed, second.spoken, second.plain) == (("стреха",), (1,), (4,))
    nominative = in_the_nominative(first, spoken)
    assert nominative.listed == ("жаровня", "Мозгляков")
    assert nominative.other_forms == {"жаровню"}
    assert nominative.expected >= {"жаровня", "жаровню", "жаровней", "мозглякову"}


def test_rare_words_in_lists_of_one_size():
    said = [["жаровня", "и", "бекеша"], ["стреха", "жаровня", "охапка", "котомка"]]
    lists = rare_words(said, {"котомка"}, letters=5, size=2)
    assert [len(each) for each in lists] == [2, 2]
    assert {word for each in lists for word in each} == {"жаровня", "бекеша", "стреха", "охапка"}


def test_lists_for_all_utterances():
    texts = ["взял жаровню", "вот стреха", "да"]
    first, second = lists_of(list(map(utterance, texts)), [], [("жаровня",), ("стреха", "бекеша")])
    assert (first.listed, first.spoken, first.plain) == (("жаровня",), (0,), (1, 2))
    assert (second.spoken, second.plain) == ((1,), (0, 2))


def test_counts():
    said = [["взял", "жаровню"], ["жаровню", "и", "жаровню"], ["да"]]
    heard = [["взял", "жаровню"], ["жаровню"], ["жаровню", "бекеша"]]
    found = counts(said, heard, frozenset(["жаровню", "бекеша"]))
    assert found == {"said": 3, "missed": 1, "false": 2}
