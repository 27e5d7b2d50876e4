"""How much a figure would vary with other recordings of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_OPTIONS", "BootstrapOptions", "Interval", "bootstrap"]


LEVEL = 0.95


class Interval(NamedTuple):
    """Where a figure lies with a probability of `LEVEL`; NaN where it is not defined."""

    low: float
    high: float


class BootstrapOptions(NamedTuple):
    """How intervals are found.

    Attributes:
        resamples: Sets drawn.
        seed: Of the draws; the same seed gives the same intervals.
    """

    resamples: int = 1000
    seed: int = 0


DEFAULT_OPTIONS = BootstrapOptions()


def bootstrap(
    n: int,
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    options: BootstrapOptions = DEFAULT_OPTIONS,
) -> list[Interval]:
    """Percentile intervals of the figures of a set of `n` recordings.

    As many recordings as there are, drawn with replacement, are a set that might have been; the
    figures of many such sets spread as those of new recordings would.

    Args:
        n: Recordings.
        statistic: Gives the figures, float64 [k], of the recordings with some indices, int64 [n];
            NaN for a figure that they do not define.
        options: How many sets are drawn, and how.

    Returns:
        The intervals of the k figures; none of fewer than two recordings: one tells no spread.
    """
    if n < 2:
        return []
    rng = np.random.default_rng(options.seed)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(options.resamples)]
    return [_interval(figures) for figures in np.stack(drawn, axis=1)]


def _interval(figures: NDArray[np.float64]) -> Interval:
    """The middle of the figures drawn, float64 [resamples], without those that are NaN."""
    defined = figures[~np.isnan(figures)]
    if not len(defined):
        return Interval(np.nan, np.nan)
    low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(low), float(high))
