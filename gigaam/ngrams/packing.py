"""The arrays of a model as they lie in its file: small, and searched where they are.

The n-grams of order n + 1 lie in ranges, one for each n-gram of order n, which is their context. Of
a range the start is stored: a difference to the base that 64 starts share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.estimates import Estimates
from gigaam.ngrams.quantizing import quantize

__all__ = ["BLOCK_BITS", "Arrays", "pack", "starts", "unpacked_words"]

Arrays = Mapping[str, NDArray[Any]]
"""By name and order: ``words2``, ``high2``, ``log_probs2``, ``log_prob_values2``, ``back_offs2``,
``back_off_values2``, ``bases2``, ``starts2``. What is not needed is left out: ``high`` of words
that two bytes hold, the values of numbers that are not quantised, ``back_offs`` and ``starts`` of
the longest n-grams, ``words1``."""

BLOCK_BITS = 6
"""2 to this power starts share a base."""


def pack(estimates: Estimates, quantized: bool) -> dict[str, NDArray[Any]]:
    """The arrays of a model.

    Args:
        estimates: The model.
        quantized: Whether logarithms become one byte each; otherwise they are float32.
    """
    arrays: dict[str, NDArray[Any]] = {}
    levels, size = estimates.levels, len(estimates.words)
    for order, level in enumerate(levels, start=1):
        if order > 1:
            arrays[f"words{order}"] = level.words.astype(
                np.uint16 if size <= 1 << 24 else np.uint32
            )
            if 1 << 16 < size <= 1 << 24:
                arrays[f"high{order}"] = (level.words >> 16).astype(np.uint8)
        _add_numbers(arrays, "log_prob", order, level.log_probs, quantized)
        if order < len(levels):
            _add_numbers(arrays, "back_off", order, level.back_offs, quantized)
            _add_starts(arrays, order, levels[order].contexts, len(level))
    return arrays


def _add_numbers(
    arrays: dict[str, NDArray[Any]], name: str, order: int, numbers: NDArray[Any], quantized: bool
) -> None:
    if quantized:
        codes, values = quantize(numbers)
        arrays[f"{name}s{order}"], arrays[f"{name}_values{order}"] = codes, values
    else:
        arrays[f"{name}s{order}"] = numbers.astype(np.float32)


def _add_starts(
    arrays: dict[str, NDArray[Any]], order: int, contexts: NDArray[np.int64], count: int
) -> None:
    bounds = np.searchsorted(contexts, np.arange(count + 1))
    bases = bounds[:: 1 << BLOCK_BITS]
    differences = bounds - np.repeat(bases, 1 << BLOCK_BITS)[: len(bounds)]
    most = int(differences.max())
    dtype = np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.uint32
    arrays[f"bases{order}"] = bases.astype(np.uint64 if bounds[-1] >= 1 << 32 else np.uint32)
    arrays[f"starts{order}"] = differences.astype(dtype)


def starts(arrays: Arrays, order: int) -> NDArray[np.int64]:
    """Where the ranges of the n-grams of an order begin, and the end of the last, [N + 1]."""
    differences = arrays[f"starts{order}"].astype(np.int64)
    bases = arrays[f"bases{order}"].astype(np.int64)
    return differences + np.repeat(bases, 1 << BLOCK_BITS)[: len(differences)]


def unpacked_words(arrays: Arrays, order: int) -> NDArray[np.int64]:
    """Ids of the last words of an order above 1, [N]."""
    words = arrays[f"words{order}"].astype(np.int64)
    if (high := arrays.get(f"high{order}")) is not None:
        words += high.astype(np.int64) << 16
    return words
