"""Error rates of speakers on cases that can be worked out by hand."""

import itertools
import math
import sys
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.errors import MissingDependencyError
from gigaam.evaluation.bootstrap import BootstrapOptions, pooled_rate
from gigaam.evaluation.scoring import Edits, word_edits
from gigaam.evaluation.speaker_errors import (
    DiarizationErrors,
    cpwer,
    der,
    require_simpleder,
    texts_by_speaker,
)


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
        assert math.isnan(der([], []).rate)
        assert der([], [Heard(0, 1, "x")]) == DiarizationErrors(false_alarm=1)
        assert math.isnan(der([], [Heard(0, 1, "x")]).rate)
        assert der(TRUE, []).rate == 1

    def test_speakers_too_many_or_too_few(self) -> None:
        three = [Heard(0, 10, "x"), Heard(10, 16, "y"), Heard(16, 20, "z")]
        assert der(TRUE, three) == DiarizationErrors(0, 0, 4, 20)
        assert der(TRUE, [Heard(0, 20, "x")]) == DiarizationErrors(0, 0, 10, 20)

    def test_sums(self) -> None:
        one = DiarizationErrors(1, 2, 3, 10)
        assert sum([one, one], DiarizationErrors()) == DiarizationErrors(2, 4, 6, 20)


class TestCpwer:
    true = tuple(words("a:да", "b:ну", "a:нет", "b:вот"))

    def test_right_whatever_the_names(self) -> None:
        assert cpwer(self.true, words("2:да", "1:ну", "2:нет", "1:вот")) == Edits(hits=4)

    def test_a_word_at_the_wrong_speaker_is_two_errors(self) -> None:
        found = cpwer(self.true, words("1:да", "2:ну", "2:нет", "2:вот"))
        assert found == Edits(hits=3, deletions=1, insertions=1)

    def test_a_wrong_word_is_one(self) -> None:
        found = cpwer(self.true, words("1:да", "2:но", "1:нет", "2:вот"))
        assert (found, found.rate) == (Edits(hits=3, substitutions=1), 0.25)

    def test_speakers_too_many_or_too_few(self) -> None:
        three = words("1:да", "2:ну", "1:нет", "2:вот", "3:э", "3:э")
        assert cpwer(self.true, three) == Edits(hits=4, insertions=2)
        assert cpwer(self.true, words("1:да", "1:нет")) == Edits(hits=2, deletions=2)

    def test_nothing_told_and_nothing_said(self) -> None:
        assert cpwer(self.true, []) == Edits(deletions=4)
        assert cpwer([], words("1:да")) == Edits(insertions=1)
        assert cpwer([], []) == Edits()

    def test_words_of_nobody_are_one_more_speakers(self) -> None:
        assert cpwer(self.true, words("1:да", ":ну", "1:нет", ":вот")) == Edits(hits=4)

    def test_who_overlaps_whom_does_not_matter(self) -> None:
        true = [Heard(0, 3, "a", "раз два три"), Heard(1, 2, "b", "да")]
        told = [Heard(i, i + 1, "x", text) for i, text in enumerate(("раз", "два", "три"))]
        assert cpwer(true, [*told, Heard(1, 2, "y", "да")]) == Edits(hits=4)

    def test_texts_are_spelt_as_for_wer(self) -> None:
        true = [Heard(5, 6, "a", "Ёлка,"), Heard(0, 1, "a", "«Да!» —")]
        assert texts_by_speaker(true) == {"a": "да елка"}
        assert cpwer(true, words("1:да", "1:елка")) == Edits(hits=2)

    @given(
        *[st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=7)] * 2,
        st.permutations("abc"),
    )
    def test_as_the_best_of_all_permutations(
        self, said: list[tuple[str, str]], heard: list[tuple[str, str]], names: list[str]
    ) -> None:
        true, told = (words(*(f"{who}:{text}" for who, text in it)) for it in (said, heard))
        renamed = [replace(each, speaker=names["abc".index(each.speaker or "")]) for each in told]
        of_true, of_told = texts_by_speaker(true), texts_by_speaker(told)
        best = min(
            sum(
                edits.errors
                for edits in word_edits(
                    [of_true.get(name, "") for name in "abc"], [of_told.get(o, "") for o in order]
                )
            )
            for order in itertools.permutations("abc")
        )
        assert cpwer(true, told).errors == cpwer(true, renamed).errors == best
        assert cpwer(true, told).length == len(true)


class TestPooledRate:
    def test_with_an_interval(self) -> None:
        rate, interval = pooled_rate((0, 10, 20, 30), [100] * 4, BootstrapOptions(resamples=500))
        assert rate == 0.15
        assert 0 <= interval.low < 0.15 < interval.high <= 0.3

    def test_long_recordings_weigh_more(self) -> None:
        assert pooled_rate([0, 100], [900, 100])[0] == 0.1

    def test_one_has_no_interval_and_none_no_rate(self) -> None:
        rate, interval = pooled_rate([1], [2])
        assert (rate, math.isnan(interval.low)) == (0.5, True)
        assert math.isnan(pooled_rate([], [])[0])
        assert math.isnan(pooled_rate([1.5], [0])[0])


@pytest.mark.parametrize("package", ["simpleder", "scipy.optimize"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match="pip install simpleder scipy"):
        require_simpleder()
