"""Interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998, section 3), as KenLM's lmplz.

Shapes: N n-grams of an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.counting import CountedLevel
from gigaam.ngrams.estimates import Estimates, Level, positions
from gigaam.ngrams.model import LN_10, NEVER, START_ID, Unit

__all__ = ["estimate", "suffixes_of", "without"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]

_Ordered: TypeAlias = CountedLevel | Level

_FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])
"""Discounts of small corpora, in which no n-gram is there just once, twice or so; lmplz's, too."""


def suffixes_of(levels: Sequence[_Ordered], n_words: int) -> list[Int]:
    """Which n-grams of the order below the n-grams of each order are without their first words."""
    found = [np.zeros(n_words, np.int64)]
    for order, level in enumerate(levels[1:], start=2):
        if order == 2:
            found.append(level.words)
            continue
        below = levels[order - 2]
        keys = below.contexts * n_words + below.words
        found.append(positions(keys, found[-1][level.contexts] * n_words + level.words))
    return found


@dataclass
class _Smoothed:
    """An order on its way: counts to discount, and what is kept of them."""

    counts: Int
    kept: NDArray[np.bool_]


def estimate(
    counted: Sequence[CountedLevel], words: Sequence[str], unit: Unit, cutoffs: Sequence[int]
) -> Estimates:
    """The smoothed model of counted n-grams.

    Args:
        counted: By order, single words first.
        words: The vocabulary.
        unit: What the words are.
        cutoffs: By order: n-grams that are there so often or less are left out, but what they take
            from others stays discounted. They must not fall; single words are all kept.
    """
    n_words = len(words)
    suffixes = suffixes_of(counted, n_words)
    orders = _adjusted(counted, suffixes, cutoffs)
    levels: list[Level] = []
    for order, (level, here) in enumerate(zip(counted, orders, strict=True), start=1):
        discounts = _discounts(here.counts)
        discounted = here.counts - discounts[np.minimum(here.counts, 3)]
        discounted[~here.kept] = 0.0
        n_contexts = 1 if order == 1 else len(levels[-1])
        totals = np.bincount(level.contexts, here.counts, n_contexts)
        left = np.bincount(level.contexts, discounted, n_contexts)
        safe = np.maximum(totals, 1)
        spread = np.where(totals > 0, 1 - left / safe, 1.0)
        if order == 1:
            lower = np.full(n_words, 1 / (n_words - 1))
        else:
            lower = np.exp(levels[-1].log_probs)[suffixes[order - 1]]
            levels[-1].back_offs = np.log(spread)
        probs = discounted / safe[level.contexts] + spread[level.contexts] * lower
        back_offs = np.zeros(len(probs))
        levels.append(Level(level.contexts, level.words, np.log(probs), back_offs))
        if order == 1:
            levels[0].log_probs[START_ID] = NEVER * LN_10
    return without(Estimates(words, levels, unit), [each.kept for each in orders])


def _adjusted(
    counted: Sequence[CountedLevel], suffixes: Sequence[Int], cutoffs: Sequence[int]
) -> list[_Smoothed]:
    """Counts of the highest order; of lower ones, how many words come before each n-gram.

    What begins with ``<s>`` has nothing before it, and keeps its count.
    """
    found = []
    firsts = counted[0].words
    for order, level in enumerate(counted, start=1):
        firsts = level.words if order == 1 else firsts[level.contexts]
        counts = level.counts
        if order < len(counted):
            before = np.bincount(suffixes[order], minlength=len(counts))
            counts = np.where(firsts == START_ID, counts, before)
        if order == 1:
            counts = counts.copy()
            counts[START_ID] = 0  # is never foreseen
        cutoff = cutoffs[order - 1] if order > 1 else -1
        found.append(_Smoothed(counts, level.counts > cutoff))
    return found


def _discounts(counts: Int) -> Float:
    """What is taken from counts of 0, 1, 2, and 3 or more."""
    numbers = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    if (numbers == 0).any():
        return _FALLBACK
    y = numbers[0] / (numbers[0] + 2 * numbers[1])
    ranks = np.arange(1, 4)
    found = ranks - (ranks + 1) * y * numbers[1:] / numbers[:-1]
    if (found < 0).any() or (found > ranks).any():
        return _FALLBACK
    return np.concatenate([[0.0], found])


def without(estimates: Estimates, kept: Sequence[NDArray[np.bool_]]) -> Estimates:
    """The model of some of its n-grams; contexts of those that are kept are kept."""
    numbers = np.arange(len(estimates.levels[0]))
    levels = [estimates.levels[0]]
    for level, mask in zip(estimates.levels[1:], kept[1:], strict=True):
        contexts = numbers[level.contexts[mask]]
        levels.append(
            Level(contexts, level.words[mask], level.log_probs[mask], level.back_offs[mask])
        )
        numbers = np.cumsum(mask) - 1
    return Estimates(estimates.words, levels, estimates.unit, estimates.card)
