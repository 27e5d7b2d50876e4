"""Numbers as bytes: each is the nearest of 256 values chosen for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["quantize"]

_VALUES = 256
_ROUNDS = 8  # of moving the values to the means of what is nearest to them; more gains nothing


def quantize(numbers: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes of numbers, uint8 [N], and the values of the codes, ascending, float32 [256].

    Up to 256 different numbers stay what they are.
    """
    numbers = np.asarray(numbers, np.float64)
    distinct = np.unique(numbers)
    if len(distinct) <= _VALUES:
        values = distinct
    else:
        ordered = np.sort(numbers)
        quantiles = ((np.arange(_VALUES) + 0.5) * len(ordered) / _VALUES).astype(np.int64)
        values = np.unique(ordered[quantiles])
        spare = distinct[np.linspace(0, len(distinct) - 1, _VALUES - len(values)).astype(np.int64)]
        values = np.union1d(values, spare)  # where many numbers are equal, the rest get more
        values = _moved(ordered, values)
    codes = _nearest(values, numbers)
    table = np.full(_VALUES, values[-1] if len(values) else 0.0, np.float32)
    table[: len(values)] = values
    return codes.astype(np.uint8), table


def _moved(ordered: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values after rounds of Lloyd's algorithm over sorted numbers."""
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(_ROUNDS):
        middles = (values[1:] + values[:-1]) / 2
        bounds = np.concatenate([[0], np.searchsorted(ordered, middles), [len(ordered)]])
        counts = np.diff(bounds)
        means = np.diff(sums[bounds]) / np.maximum(counts, 1)
        values = np.unique(np.where(counts, means, values))
    return values


def _nearest(values: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted((values[1:] + values[:-1]) / 2, numbers)
