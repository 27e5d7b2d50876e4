"""Token sequences of a beam as a tree: each sequence is there once, whatever leads to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.scoring import Scorer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Prefix", "score_new", "states_of"]


class Prefix:
    """A sequence of tokens; searches add what they know of it.

    Attributes:
        parent: The sequence without its last token; None of the empty one.
        token: The last token, -1 of the empty one.
        children: The sequences with one more token that were tried, by that token.
        state: The scorer's after it; None until it was asked.
        added: What the scorer added up to here.
    """

    __slots__ = ("added", "children", "parent", "state", "token")

    def __init__(self, parent: Self | None, token: int) -> None:
        self.parent = parent
        self.token = token
        self.children: dict[int, Self] = {}
        self.state: list[int] | None = None
        self.added = 0.0

    @classmethod
    def first(cls, scorer: Scorer) -> Self:
        """The empty sequence."""
        root = cls(None, -1)
        root.state = scorer.start().tolist()
        return root

    def child(self, token: int) -> Self:
        """The sequence with one more token."""
        found = self.children.get(token)
        if found is None:
            found = self.children[token] = type(self)(self, token)
        return found

    def tokens(self) -> NDArray[np.int64]:
        """All tokens, first to last, [U]."""
        found = []
        node = self
        while node.parent is not None:
            found.append(node.token)
            node = node.parent
        return np.array(found[::-1], np.int64)


def score_new(scorer: Scorer, prefixes: Sequence[Prefix]) -> None:
    """Sets ``state`` and ``added`` of those that have none; their parents have."""
    new = [each for each in prefixes if each.state is None]
    if not new:
        return
    parents: list[Any] = [each.parent for each in new]
    states, gains = scorer.advance(
        states_of(scorer, parents),
        np.array([each.token for each in new], np.int64),
    )
    for each, parent, state, gain in zip(
        new, parents, states.tolist(), gains.tolist(), strict=True
    ):
        each.state = state
        each.added = parent.added + gain


def states_of(scorer: Scorer, prefixes: Sequence[Prefix]) -> NDArray[np.int64]:
    """The scorer's states [H, S]."""
    if not scorer.size:
        return np.zeros((len(prefixes), 0), np.int64)
    return np.array([each.state for each in prefixes], np.int64)


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
