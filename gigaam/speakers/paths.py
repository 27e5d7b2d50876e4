"""The cheapest sequence of speakers, in which each change has a price (Viterbi, 1967)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["cheapest_path"]


def cheapest_path(costs: NDArray[np.float64], prices: Sequence[float]) -> list[int]:
    """Who speaks in each of n places.

    Args:
        costs: Of each speaker in each place, [n, speakers]; n is at least 1.
        prices: Of a change between each place and the next, [n - 1].
    """
    total = costs[0]
    steps: list[NDArray[np.int64]] = []
    for cost, price in zip(costs[1:], prices, strict=True):
        change = total.min() + price
        steps.append(np.where(total <= change, np.arange(len(total)), total.argmin()))
        total = np.minimum(total, change) + cost
    path = [int(total.argmin())]
    for step in reversed(steps):
        path.append(int(step[path[-1]]))
    return path[::-1]
