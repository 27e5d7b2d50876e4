"""How much a figure would vary on other recordings of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_OPTIONS", "BootstrapOptions", "Interval", "bootstrap", "pooled_rate"]


LEVEL = 0.95


class Interval(NamedTuple):
    """A confidence interval at `LEVEL`; NaN where the figure is undefined."""

    low: float
    high: float


class BootstrapOptions(NamedTuple):
    """How intervals are computed.

    Attributes:
        resamples: Number of sets drawn.
        seed: Seed of the draws; the same seed gives the same intervals.
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

    Drawing `n` recordings with replacement gives a set that might have been recorded instead; the
    figures of many such sets spread as those of new recordings would.

    Args:
        n: Number of recordings.
        statistic: Returns the figures, float64 [k], of the recordings with the given indices,
            int64 [n]; NaN for a figure that is undefined for them.
        options: How many sets to draw, and the seed.

    Returns:
        The intervals of the k figures; none for fewer than two recordings, which have no spread.
    """
    if n < 2:
        return []
    rng = np.random.default_rng(options.seed)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(options.resamples)]
    return [_interval(figures) for figures in np.stack(drawn, axis=1)]


def pooled_rate(
    parts: Sequence[float], wholes: Sequence[float], options: BootstrapOptions = DEFAULT_OPTIONS
) -> tuple[float, Interval]:
    """The share of the parts in the wholes, each summed over all recordings, and its interval.

    Args:
        parts: What is counted of each recording, such as its errors.
        wholes: What it is counted in.
        options: How many sets to draw, and the seed.

    Returns:
        NaN for what is undefined: the share of nothing, and the interval of one recording.
    """
    table = np.array([parts, wholes], np.float64)

    def share(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        part, whole = table[:, drawn].sum(1)
        return np.array([part / whole if whole else np.nan])

    n = table.shape[1]
    (rate,) = share(np.arange(n)).tolist()
    return rate, next(iter(bootstrap(n, share, options)), Interval(np.nan, np.nan))


def _interval(figures: NDArray[np.float64]) -> Interval:
    """The central part of the figures drawn, float64 [resamples], ignoring NaN."""
    defined = figures[~np.isnan(figures)]
    if not len(defined):
        return Interval(np.nan, np.nan)
    low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(low), float(high))
