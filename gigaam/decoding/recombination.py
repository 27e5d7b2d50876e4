"""Sequences with one outlook: the best goes on for all of them (path merging, arXiv 2012.06749).

A beam without it fills up with the same doubt of some words ago, again and again, and the longer
the recording, the less is left for the word at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from gigaam.decoding.prefixes import Prefixes

__all__ = ["Path", "Recombination"]

Path = tuple[Any, int, int, float] | None
"""The path before; a token, its frame, and the log-probability it was emitted with."""

_Node = tuple[int, Path]
"""A sequence, and how it came about if the search knows."""

_Rest = tuple[tuple[int, Path], Any, int] | None
"""A token and its path; those after it; the earliest frame of all of them."""

_MOST_POPPED = 10_000


class Recombination:
    """Which sequences others stand for, so that lists of the best ones have them, too.

    Args:
        prefixes: The sequences of a recording's beam.
        is_wanted: Whether there is any; otherwise all sequences go on.
        is_noted: Whether it will be asked for more than the best sequence.
    """

    def __init__(self, prefixes: Prefixes, is_wanted: bool, is_noted: bool) -> None:
        self._prefixes, self._is_wanted, self._is_noted = prefixes, is_wanted, is_noted
        self._frame = -1
        self._seen: dict[Any, tuple[float, int]] = {}
        self._others: dict[int, list[tuple[float, int, _Node]]] = {}

    def begin(self, frame: int) -> None:
        """Begins with the sequences of another frame."""
        self._frame = frame
        self._seen.clear()

    def goes_on(
        self, sequence: int, score: float, path: Path = None, may_repeat: bool = True
    ) -> bool:
        """Whether a sequence is the first of this frame with its outlook; the best come first.

        Args:
            sequence: One of the beam's.
            score: With what the scorer adds.
            path: How it came about.
            may_repeat: Whether its last token may come again at once.
        """
        if not self._is_wanted:
            return True
        outlook = self._prefixes.outlook(sequence), may_repeat
        best = self._seen.setdefault(outlook, (score, sequence))
        if best[1] == sequence:
            return True
        if self._is_noted:
            lost = best[0] - score, self._frame, (sequence, path)
            self._others.setdefault(best[1], []).append(lost)
        return False

    def best(
        self, found: Sequence[tuple[float, int, Path]], n: int
    ) -> Iterator[tuple[float, int, Path, list[tuple[int, Path]]]]:
        """The best sequences, those that others stand for among them.

        Args:
            found: Scores, sequences and paths at the end, the best first.
            n: How many are wanted.

        Yields:
            Their scores; of each a sequence and its path, and the tokens that come after it, those
            of a path as paths.
        """
        heap: list[tuple[float, int, _Node, _Rest]] = []
        spelled: set[tuple[int, ...]] = set()
        for score, sequence, path in found:
            heappush(heap, (-score, len(heap), (sequence, path), None))
        number = len(heap)
        for _ in range(_MOST_POPPED):
            if not heap or len(spelled) == n:
                return
            deficit, _, node, rest = heappop(heap)
            tail = _listed(rest)
            tokens = (*self._prefixes.spelled(node[0]).tolist(), *(token for token, _ in tail))
            if tokens not in spelled:
                spelled.add(tokens)
                yield -deficit, node[0], node[1], tail
            for lost, other, after in self._alternatives(node, rest):
                number += 1
                heappush(heap, (deficit + lost, number, other, after))

    def _alternatives(self, node: _Node, rest: _Rest) -> Iterator[tuple[float, _Node, _Rest]]:
        """What could stand in the place of a beginning: what that costs, and what comes after.

        A beginning that lost at a frame is only put before tokens of later ones.
        """
        prefixes = self._prefixes
        sequence, path = node
        while True:
            for lost, frame, other in self._others.get(sequence, ()):
                if rest is None or frame < rest[2]:
                    yield lost, other, rest
            if not sequence:
                return
            frame = prefixes.born[sequence] if path is None else path[2]
            rest = (prefixes.tokens[sequence], path), rest, min(frame, rest[2]) if rest else frame
            sequence, path = prefixes.parents[sequence], path and path[0]


def _listed(rest: _Rest) -> list[tuple[int, Path]]:
    found = []
    while rest is not None:
        item, rest, _ = rest
        found.append(item)
    return found
