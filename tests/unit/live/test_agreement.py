"""What is committed stays; what hypotheses agree on is committed in time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.live.agreement import Agreement
from gigaam.types import Word
from tests.examples import examples


def word(text: str, start: float, end: float | None = None) -> Word:
    return Word(text, start, start + 0.3 if end is None else end)


def texts(words: list[Word]) -> list[str]:
    return [each.text for each in words]


def heard(*hypotheses: tuple[list[Word], float], hold_back: float = 0.6, wait: float = 4.0):
    agreement = Agreement(hold_back, wait)
    for words, edge in hypotheses:
        agreement.hear(words, edge)
    return agreement


def test_two_hypotheses_commit_what_they_agree_on():
    first = [word("ну", 0.0), word("как", 0.4), word("де", 0.8)]
    second = [word("ну", 0.02), word("как", 0.41), word("дела", 0.8, 1.3)]
    agreement = heard((first, 1.1), (second, 1.5))
    assert texts(agreement.committed) == ["ну", "как"]
    assert texts(agreement.tentative) == ["дела"]


def test_nothing_is_committed_by_one_hypothesis():
    agreement = heard(([word("ну", 0.0), word("как", 0.4)], 3.0))
    assert not agreement.committed


def test_words_at_the_edge_are_held_back():
    same = [word("ну", 0.0), word("как", 0.4)]
    agreement = heard((same, 1.0), (same, 1.29))
    assert texts(agreement.committed) == ["ну"]
    agreement.hear(same, 1.31)
    assert texts(agreement.committed) == ["ну", "как"]


def test_doubtful_words_take_three_hypotheses_and_more_sound():
    doubtful = [Word("как", 0.4, 0.7, confidence=0.7), word("так", 0.8)]
    agreement = Agreement(0.6, 4.0)
    for edge in (2.0, 2.4, 2.6):
        agreement.hear(doubtful, edge)
        assert not agreement.committed
    agreement.hear(doubtful, 2.8)
    assert texts(agreement.committed) == ["как", "так"]


def test_case_punctuation_and_yo_do_not_matter():
    agreement = heard(([word("Еще", 0.0)], 1.0), ([word("ещё,", 0.0)], 1.4))
    assert texts(agreement.committed) == ["ещё,"]


def test_the_same_word_elsewhere_is_another_one():
    agreement = heard(([word("да", 0.0)], 2.0), ([word("да", 0.9)], 2.4))
    assert not agreement.committed


def test_words_do_not_wait_for_ever():
    agreement = Agreement(0.6, 4.0)
    for step in range(12):
        agreement.hear([word("дом" if step % 2 else "том", 0.0), word("там", 3.0)], 1 + step * 0.4)
        if step < 9:
            assert not agreement.committed
    assert texts(agreement.committed) == ["дом", "там"]  # never agreed on the first: 4 s old


def test_a_window_that_begins_later_does_not_repeat_words():
    sentence = [word("раз", 0.0), word("два", 0.5), word("три", 1.0)]
    agreement = heard((sentence, 3.0), (sentence, 3.4))
    # The next window begins within "два": half of it is heard as another word, "три" a bit later.
    later = [word("ва", 0.6, 0.75), word("три", 1.1, 1.5), word("четыре", 1.6)]
    agreement.hear(later, 3.8)
    agreement.hear(later, 4.2)
    assert texts(agreement.committed) == ["раз", "два", "три", "четыре"]


def test_a_final_takes_its_words_along():
    sentence = [word("раз", 0.0), word("два", 0.5), word("три", 1.0)]
    agreement = heard((sentence, 1.6), (sentence, 2.0))
    agreement.drop_to(0.9)
    assert texts(agreement.committed) == ["три"]
    agreement.drop_to(2.0)
    assert not agreement.committed
    agreement.hear([*sentence, word("четыре", 2.1)], 3.0)
    assert texts(agreement.tentative) == ["четыре"]


def test_boundaries_leave_their_context():
    sentence = [word(str(n), n * 0.5) for n in range(10)]
    agreement = heard((sentence, 6.0), (sentence, 6.4))
    assert agreement.boundary_s(2.0) == 2.8  # the words end at 4.8, 4.3, … 2.8
    assert agreement.boundary_s(9.0) is None


WORDS = st.lists(
    st.tuples(st.sampled_from(["да", "нет", "дом", "ток"]), st.floats(0.01, 0.8)), max_size=12
)


@settings(max_examples=examples(100))
@given(st.lists(WORDS, min_size=1, max_size=25), st.floats(0.0, 1.0), st.floats(1.0, 5.0))
def test_what_is_committed_is_never_taken_back(hypotheses, hold_back, wait):
    agreement = Agreement(hold_back, wait)
    committed: list[Word] = []
    for step, chosen in enumerate(hypotheses):
        edge, words, at = 1 + step * 0.4, [], 0.0
        for text, gap in chosen:
            words.append(Word(text, at, at + gap))
            at += gap
        agreement.hear([each for each in words if each.end <= edge], edge)
        assert agreement.committed[: len(committed)] == committed
        committed = list(agreement.committed)
        ends = [each.end for each in [*agreement.committed, *agreement.tentative]]
        assert ends == sorted(ends)
