"""Counting of edits against hand-made cases and a plain Levenshtein distance."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.errors import MissingDependencyError
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, bootstrap
from gigaam.evaluation.scoring import AlignedPart, Edits, compare, error_rates, tidy_text

texts = st.lists(st.sampled_from(["да", "нет", "нетто", "а"]), max_size=7).map(" ".join)


def distance(said: list[str] | str, heard: list[str] | str) -> int:
    """Levenshtein's, by the definition: the last symbols are dropped, added or replaced."""
    previous = list(range(len(heard) + 1))
    for i, one in enumerate(said, 1):
        current = [i]
        for j, other in enumerate(heard, 1):
            replaced = previous[j - 1] + (one != other)
            current.append(min(previous[j] + 1, current[j - 1] + 1, replaced))
        previous = current
    return previous[-1]


@pytest.mark.parametrize(
    ("said", "heard", "words", "characters"),
    [
        ("он пришел домой", "он пришел домой", Edits(3), Edits(15)),
        ("он пришел домой", "он ушел домой", Edits(2, 1, 0, 0), Edits(12, 1, 2, 0)),
        ("он пришел домой", "он домой", Edits(2, 0, 1, 0), Edits(8, 0, 7, 0)),
        ("он пришел", "он не пришел", Edits(2, 0, 0, 1), Edits(9, 0, 0, 3)),
        ("на плевать", "наплевать", Edits(0, 1, 1, 0), Edits(9, 0, 1, 0)),
        ("да", "", Edits(0, 0, 1, 0), Edits(0, 0, 2, 0)),
        ("", "да", Edits(0, 0, 0, 1), Edits(0, 0, 0, 2)),
        ("", "", Edits(), Edits()),
    ],
)
def test_counts_of_hand_made_cases(said: str, heard: str, words: Edits, characters: Edits) -> None:
    (found,) = compare([said], [heard])
    assert (found.words, found.characters) == (words, characters)


def test_alignment_puts_the_words_side_by_side() -> None:
    (found,) = compare(["он пришел домой вчера"], ["он ушел домой не вчера да"])
    assert found.alignment == (
        AlignedPart("equal", ("он",), ("он",)),
        AlignedPart("substitute", ("пришел",), ("ушел",)),
        AlignedPart("equal", ("домой",), ("домой",)),
        AlignedPart("insert", (), ("не",)),
        AlignedPart("equal", ("вчера",), ("вчера",)),
        AlignedPart("insert", (), ("да",)),
    )


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_edits_are_the_fewest_and_account_for_both_sides(pairs: list[tuple[str, str]]) -> None:
    found = compare([said for said, _ in pairs], [heard for _, heard in pairs])
    assert len(found) == len(pairs)
    for (said, heard), each in zip(pairs, found, strict=True):
        for edits, one, other in (
            (each.words, said.split(), heard.split()),
            (each.characters, said, heard),
        ):
            assert edits.errors == distance(one, other)
            assert edits.length == len(one)
            assert edits.hits + edits.substitutions + edits.insertions == len(other)
        assert [word for part in each.alignment for word in part.reference] == said.split()
        assert [word for part in each.alignment for word in part.hypothesis] == heard.split()


def test_rates_are_total_edits_over_total_length() -> None:
    rates = error_rates(["Раз, два!", "три", ""], ["раз два", "тр", "да"])
    assert (rates.wer, rates.cer, rates.utterances) == (2 / 3, 3 / 10, 3)
    assert math.isnan(error_rates([], []).wer)
    assert math.isnan(error_rates([""], ["да"]).cer)


def test_tidy_text_keeps_case_and_punctuation() -> None:
    assert tidy_text("  Ещё\u00a0не\n\tвсё, и\u0306од! ") == "Ещё не всё, йод!"


def test_missing_jiwer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(MissingDependencyError, match="pip install jiwer"):
        compare(["да"], ["да"])


def ratio_intervals(
    errors: np.ndarray, lengths: np.ndarray, options: BootstrapOptions = DEFAULT_OPTIONS
) -> Interval:
    (interval,) = bootstrap(
        len(errors),
        lambda drawn: np.array([errors[drawn].sum() / max(lengths[drawn].sum(), 1)]),
        options,
    )
    return interval


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=30))
def test_interval_contains_the_estimate(counts: list[tuple[int, int]]) -> None:
    errors, lengths = np.array(counts).T
    interval = ratio_intervals(errors, lengths, BootstrapOptions(resamples=200))
    assert interval.low <= errors.sum() / lengths.sum() <= interval.high


def test_interval_is_seeded_and_shrinks_with_more_data(rng: np.random.Generator) -> None:
    lengths = rng.integers(5, 20, 1600)
    errors = rng.binomial(lengths, 0.2)
    few, many = (ratio_intervals(errors[:n], lengths[:n]) for n in (100, 1600))
    assert few == ratio_intervals(errors[:100], lengths[:100])
    assert few != ratio_intervals(errors[:100], lengths[:100], BootstrapOptions(seed=1))
    # 16 times the data: a quarter of the width.
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.25, rel=0.3)


def test_interval_has_the_width_that_theory_gives(rng: np.random.Generator) -> None:
    errors, lengths = rng.binomial(1, 0.3, 400), np.ones(400)
    interval = ratio_intervals(errors, lengths, BootstrapOptions(resamples=4000))
    mean = errors.mean()
    half = 1.96 * math.sqrt(mean * (1 - mean) / 400)
    assert interval == pytest.approx((mean - half, mean + half), abs=0.006)


def test_undefined_figures_have_no_interval() -> None:
    assert bootstrap(0, lambda drawn: np.zeros(2)) == []
    assert bootstrap(1, lambda drawn: np.zeros(2)) == []
    nothing, half = bootstrap(5, lambda drawn: np.array([np.nan, np.nan if drawn[0] else 1.0]))
    assert math.isnan(nothing.low)
    assert half == (1.0, 1.0)
