"""Whose words they are."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.speakers.attribution import attributed
from gigaam.speakers.turns import Turn
from gigaam.types import Word


def words(*starts: float, length: float = 0.4, text: str = "да") -> list[Word]:
    return [Word(text, start, start + length) for start in starts]


def speakers(said: list[Word], *turns: Turn) -> str:
    return "".join(word.speaker or "-" for word in attributed(said, turns))


def test_words_are_those_of_who_speaks() -> None:
    said = words(0.0, 0.5, 2.0, 2.5)
    assert speakers(said, Turn(0, 1, "A"), Turn(1.9, 3, "B")) == "AABB"


def test_without_turns_they_are_nobodys() -> None:
    said = words(0.0, 1.0)
    assert attributed(said, []) == said
    assert attributed([], [Turn(0, 1, "A")]) == []


def test_a_flicker_is_no_change() -> None:
    said = words(*(n * 0.5 for n in range(8)))
    turns = [Turn(0, 1.5, "A"), Turn(1.45, 1.75, "B"), Turn(1.7, 4, "A")]
    assert speakers(said, *turns) == "AAAAAAAA"


def test_a_short_answer_between_pauses_is_one() -> None:
    said = [*words(0.0, 0.5), *words(1.6), *words(2.8, 3.3)]
    turns = [Turn(0, 0.9, "A"), Turn(1.55, 2.0, "B"), Turn(2.75, 3.8, "A")]
    assert speakers(said, *turns) == "AABAA"


def test_times_may_be_a_little_off() -> None:
    said = [*words(0.0, 0.5, 1.0), *words(1.5, 2.0, 2.5)]
    for shift in (-0.2, 0.2):
        turns = [Turn(0, 1.45 + shift, "A"), Turn(1.45 + shift, 3, "B")]
        assert speakers(said, *turns) == "AAABBB"


def test_sentences_end_where_speakers_change() -> None:
    said = [Word("Да", 0, 0.4), Word("нет.", 0.4, 0.8), Word("Кто", 0.8, 1.2), Word("там", 1.2, 2)]
    turns = [Turn(0, 0.95, "A"), Turn(0.95, 2, "B")]
    assert speakers(said, *turns) == "AABB"


def test_words_outside_of_turns_are_those_of_the_nearest() -> None:
    said = words(0.0, 4.0)
    assert speakers(said, Turn(1, 1.5, "A"), Turn(3, 3.8, "B")) == "AB"


def test_what_two_say_at_once_is_marked() -> None:
    said = words(0.0, 0.5, 1.0)
    found = attributed(said, [Turn(0, 1.4, "A"), Turn(0.5, 0.9, "B")])
    assert [word.overlapped for word in found] == [False, True, False]
    assert found[1].to_dict()["overlapped"] is True
    assert "overlapped" not in found[0].to_dict()


TURNS = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0.1, 8), st.sampled_from("ABC")), min_size=1, max_size=12
)


@given(st.lists(st.floats(0.05, 2), max_size=30), TURNS)
def test_every_word_stays_and_has_a_speaker(steps: list[float], given: list[tuple]) -> None:
    said, at = [], 0.0
    for step in steps:
        said.append(Word("а", at, at + step * 0.8))
        at += step
    turns = sorted(Turn(start, start + length, who) for start, length, who in given)
    found = attributed(said, turns)
    assert [(word.text, word.start, word.end) for word in found] == [
        (word.text, word.start, word.end) for word in said
    ]
    assert {word.speaker for word in found} <= {turn.speaker for turn in turns}


def test_turns_of_one_speaker_may_overlap() -> None:
    turns = [Turn(0, 100, "A"), Turn(10, 12, "A"), Turn(20, 21, "A"), Turn(48, 48.9, "B")]
    assert speakers(words(49, 49.5, 50, 50.5), *turns) == "AAAA"


def test_the_nearest_is_the_nearest_however_far_away() -> None:
    said = words(50, 50.5)
    assert speakers(said, Turn(0, 1, "A"), Turn(70, 71, "B")) == "BB"


def test_turns_without_length_are_nobodys() -> None:
    assert speakers(words(0.0), Turn(1, 1, "A")) == "-"


@pytest.mark.timeout(60)  # by the square of what is said it would take an hour
def test_long_recordings_take_no_time() -> None:
    edges = [n * 2.0 for n in range(22_000)]  # twelve hours
    turns = [Turn(a, b, "ABCDEFGH"[n % 8]) for n, (a, b) in enumerate(pairwise(edges))]
    said = words(*(n * 0.5 for n in range(4 * len(turns))), length=0.45)
    found = speakers(said, *turns)
    assert found == "".join("ABCDEFGH"[n // 4 % 8] for n in range(len(said)))
