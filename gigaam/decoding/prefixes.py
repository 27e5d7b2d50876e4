"""Token sequences of a beam: told apart by 64-bit keys, spelled by walking back.

Shapes: H hypotheses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["History", "extended_keys", "first_keys"]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing
_SHIFT = np.uint64(29)


def first_keys(count: int) -> NDArray[np.uint64]:
    """Keys of the empty sequence in each of so many recordings."""
    return extended_keys(np.arange(count, dtype=np.uint64), np.zeros(count, np.int64))


def extended_keys(keys: NDArray[np.uint64], tokens: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Keys of sequences with one more token each: equal only for equal sequences of a recording.

    Two of a million different ones are equal with a probability below 1e-7.
    """
    mixed: NDArray[np.uint64] = (keys ^ (keys >> _SHIFT)) * _FACTOR
    mixed += (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return mixed


class History:
    """A forest of tokens, to which a search adds leaves as it goes.

    Args:
        columns: Of what is noted with each token, the dtypes.
    """

    def __init__(self, *columns: Any) -> None:
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._dtypes = (np.int64, np.int64, *columns)
        self._size = 0

    def add(
        self, parents: NDArray[np.int64], tokens: NDArray[np.int64], *notes: NDArray[Any]
    ) -> NDArray[np.int64]:
        """The nodes of tokens that follow those of other nodes, or nothing (-1): all [H]."""
        nodes = np.arange(self._size, self._size + len(tokens))
        self._size += len(tokens)
        self._parts.append((parents, tokens, *notes))
        return nodes

    def trace(self, nodes: NDArray[np.int64]) -> list[tuple[NDArray[Any], ...]]:
        """The tokens up to each node, first to last, and what was noted with them."""
        columns = [
            np.concatenate([np.zeros(0, dtype), *(part[i] for part in self._parts)])
            for i, dtype in enumerate(self._dtypes)
        ]
        parents = columns[0].tolist()
        paths = []
        for node in nodes.tolist():
            path = []
            while node >= 0:
                path.append(node)
                node = parents[node]
            paths.append(np.array(path[::-1], np.int64))
        return [tuple(column[path] for column in columns[1:]) for path in paths]
