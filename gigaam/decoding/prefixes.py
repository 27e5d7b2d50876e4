"""Token sequences of a beam as a tree: each sequence is there once, whatever leads to it.

Shapes: H sequences, S numbers of a scorer's state, U tokens.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.scoring import Scorer, adds_nothing

__all__ = ["Prefixes"]

_ROOM = 256
_OUTLOOK = 4  # tokens


class Prefixes:
    """Sequences by number, and what a scorer thinks of them; the empty one is number 0.

    They lie in lists of numbers, not in objects: thousands of these would keep the garbage
    collector busy for as long as the search takes.

    Attributes:
        parents: The sequence without its last token, of each; -1 of the empty one.
        tokens: The last token of each; -1 of the empty one.
        added: What the scorer added to each up to its last token.
        born: The frame at which each was last taken up, as far as the search notes it.
        scorer: Who scores them.
        is_scored: Whether the scorer need be asked.
    """

    def __init__(self, scorer: Scorer, classes: int) -> None:
        """The empty sequence alone.

        Args:
            scorer: Who scores them.
            classes: Above every token; at least one more than there are tokens.
        """
        self.scorer = scorer
        self.is_scored = not adds_nothing(scorer)
        self.parents, self.tokens, self.added, self.born = [-1], [-1], [0.0], [-1]
        self._classes = classes
        self._recent = [0]
        self._children: dict[int, int] = {}
        self._states = np.zeros((_ROOM, scorer.size), np.int64)
        self._states[0] = scorer.start()

    def find(self, parent: int, token: int) -> int:
        """The sequence with one more token; -1 if there is none yet."""
        return self._children.get(parent * self._classes + token, -1)

    def child(self, parent: int, token: int) -> int:
        """The sequence with one more token, which the scorer is not asked about."""
        key = parent * self._classes + token
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = len(self.parents)
            self.parents.append(parent)
            self.tokens.append(token)
            self.added.append(0.0)
            self.born.append(-1)
            recent = self._recent[parent] * self._classes + token + 1
            self._recent.append(recent % self._classes**_OUTLOOK)
        return found

    def outlook(self, sequence: int) -> Hashable:
        """What may come of a sequence, as far as the scorer and its last few tokens tell."""
        if not self.is_scored:
            return self._recent[sequence]
        return self._recent[sequence], self._states[sequence].tobytes()

    def children(self, parents: Sequence[int], tokens: Sequence[int]) -> list[int]:
        """Sequences with one more token each, scored."""
        known = len(self.parents)
        found = [self.child(*each) for each in zip(parents, tokens, strict=True)]
        if self.is_scored and len(self.parents) > known:
            self._score(known)
        return found

    def states(self, sequences: Sequence[int]) -> NDArray[np.int64]:
        """The scorer's states [H, S]."""
        if not self.is_scored:
            return np.zeros((len(sequences), self.scorer.size), np.int64)
        return self._states.take(sequences, axis=0)

    def spelled(self, sequence: int) -> NDArray[np.int64]:
        """All tokens, first to last, [U]."""
        found = []
        while sequence:
            found.append(self.tokens[sequence])
            sequence = self.parents[sequence]
        return np.array(found[::-1], np.int64)

    def _score(self, first: int) -> None:
        """Asks about all sequences from this one on."""
        parents = self.parents[first:]
        states, gains = self.scorer.advance(
            self.states(parents), np.array(self.tokens[first:], np.int64)
        )
        count = len(self.parents)
        if count > len(self._states):
            room = np.zeros((count, self.scorer.size), np.int64)
            self._states = np.concatenate([self._states, room])
        self._states[first:count] = states
        added = self.added
        added[first:] = [added[p] + gain for p, gain in zip(parents, gains.tolist(), strict=True)]
