"""Figures of speaker attribution on cases that can be worked out by hand."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from gigaam.evaluation.bootstrap import BootstrapOptions
from recipes.speakers.scoring import Counted, attributed, cpwer, der, over_conversations


@dataclass(frozen=True)
class Heard:
    """A turn of no particular type."""

    start: float
    end: float
    speaker: str | None
    text: str = ""


TRUE = [Heard(0, 10, "a"), Heard(10, 20, "b")]


def words(*said: str) -> list[Heard]:
    """Words such as "a:да", a second each."""
    pairs = (word.split(":") for word in said)
    return [Heard(i, i + 1, name or None, text) for i, (name, text) in enumerate(pairs)]


class TestDer:
    def test_names_do_not_matter(self) -> None:
        found = der(TRUE, [Heard(0, 10, "b"), Heard(10, 20, "x")])
        assert (found.part, found.whole, found.rate) == (0, 20, 0)

    def test_each_kind_of_error(self) -> None:
        found = der(TRUE, [Heard(0, 8, "x"), Heard(10, 13, "x"), Heard(13, 24, "y")])
        assert (found.missed, found.confused, found.false_alarm) == (2, 3, 4)
        assert found.rate == pytest.approx(9 / 20)

    def test_a_collar_is_on_both_sides_of_an_edge(self) -> None:
        told = [Heard(0, 11, "x"), Heard(11, 20, "y")]
        assert der(TRUE, told, collar=0.5).part == pytest.approx(0.5)
        assert der(TRUE, told, collar=0.5).whole == pytest.approx(18)
        assert der(TRUE, told, collar=1.0).part == 0

    def test_overlaps_count_for_each_speaker_or_not_at_all(self) -> None:
        true = [Heard(0, 10, "a"), Heard(8, 20, "b")]
        told = [Heard(0, 10, "x"), Heard(10, 20, "y")]
        assert (der(true, told).missed, der(true, told).whole) == (2, 22)
        without = der(true, told, skip_overlap=True)
        assert (without.part, without.whole) == (0, 18)

    def test_one_speaker_twice_at_once_is_one(self) -> None:
        assert der(TRUE, [*TRUE, Heard(2, 9, "a")]).part == 0

    def test_silence(self) -> None:
        assert der([], []).rate == 0
        assert der([], [Heard(0, 1, "x")]).rate == math.inf
        assert der(TRUE, []).rate == 1


class TestAttributed:
    true = tuple(words("a:да", "a:нет", "b:ну", "b:вот", "b:так"))

    def test_turns_give_words_their_speakers(self) -> None:
        found = attributed(self.true, [Heard(0, 2.4, "x"), Heard(2.4, 5, "y")])
        assert found == Counted(5, 5)
        assert attributed(self.true, [Heard(0, 2.6, "x"), Heard(2.6, 5, "y")]).rate == 0.8

    def test_words_may_be_the_answer(self) -> None:
        assert attributed(self.true, words("1:да", "1:нет", "2:ну", "1:вот", "2:так")).part == 4

    def test_the_truth_is_right_where_people_overlap(self) -> None:
        true = [Heard(0, 1, "a"), Heard(1, 2, "a"), Heard(1.2, 1.8, "b"), Heard(0.9, 2.1, "c")]
        assert attributed(true, true).rate == 1

    def test_mapping_is_one_to_one(self) -> None:
        assert attributed(self.true, [Heard(0, 5, "x")]).part == 3
        assert attributed(self.true, words("1:a", "2:b", "3:c", "3:d", "4:e")).part == 3

    def test_nothing_told_and_nothing_said(self) -> None:
        assert attributed(self.true, []) == Counted(0, 5)
        assert attributed(self.true, [Heard(7, 8, "x")]) == Counted(0, 5)
        assert attributed([], [Heard(0, 1, "x")]) == Counted(0, 0)

    def test_words_of_nobody_are_somebody_elses(self) -> None:
        assert attributed(self.true, words(":а", ":б", "1:в", "1:г", "1:д")).part == 5


class TestCpwer:
    true = tuple(words("a:да", "b:ну", "a:нет", "b:вот"))

    def test_right_whatever_the_names(self) -> None:
        assert cpwer(self.true, words("2:да", "1:ну", "2:нет", "1:вот")) == Counted(0, 4)

    def test_a_word_at_the_wrong_speaker_is_two_errors(self) -> None:
        assert cpwer(self.true, words("1:да", "2:ну", "2:нет", "2:вот")).part == 2

    def test_a_wrong_word_is_one(self) -> None:
        assert cpwer(self.true, words("1:да", "2:но", "1:нет", "2:вот")).rate == 0.25

    def test_speakers_too_many_or_too_few(self) -> None:
        assert cpwer(self.true, words("1:да", "2:ну", "1:нет", "2:вот", "3:э", "3:э")).part == 2
        assert cpwer(self.true, words("1:да", "1:нет")).part == 2
        assert cpwer(self.true, []) == Counted(4, 4)
        assert cpwer([], words("1:да")).rate == math.inf
        assert cpwer([], []).rate == 0


class TestOverConversations:
    def test_pooled_with_an_interval(self) -> None:
        figures = [Counted(part, 100) for part in (0, 10, 20, 30)]
        rate, interval = over_conversations(figures, BootstrapOptions(resamples=500))
        assert rate == 0.15
        assert interval is not None
        assert 0 <= interval.low < 0.15 < interval.high <= 0.3

    def test_long_conversations_weigh_more(self) -> None:
        assert over_conversations([Counted(0, 900), Counted(100, 100)])[0] == 0.1

    def test_one_has_no_interval_and_none_no_figure(self) -> None:
        assert over_conversations([Counted(1, 2)]) == (0.5, None)
        rate, interval = over_conversations([])
        assert np.isnan(rate)
        assert interval is None
