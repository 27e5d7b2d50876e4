"""N-grams and their log-probabilities as plain arrays: what is trained, pruned, read from ARPA.

Shapes: N n-grams of an order, V words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.model import Unit

__all__ = ["Estimates", "Level", "positions"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass
class Level:
    """The n-grams of one order, sorted by context, then by word.

    Attributes:
        contexts: Which n-gram of the order below comes before the last word, int64 [N]; 0 for
            single words.
        words: Ids of the last words, int64 [N].
        log_probs: Natural logarithms, float64 [N].
        back_offs: Natural logarithms of what the order below is multiplied with after this n-gram,
            float64 [N]; 0 for the longest.
    """

    contexts: Int
    words: Int
    log_probs: Float
    back_offs: Float

    def __len__(self) -> int:
        return len(self.words)


@dataclass
class Estimates:
    """A model as its n-grams.

    Attributes:
        words: ``<unk>``, ``<s>``, ``</s>``, and the rest in the order of their characters.
        levels: By order, single words first: there the n-gram's number is the word's id.
        unit: What the words are.
        card: What is said of the model.
    """

    words: Sequence[str]
    levels: list[Level]
    unit: Unit = "word"
    card: dict[str, Any] = field(default_factory=dict)


def positions(keys: Int, wanted: Int) -> Int:
    """Where numbers stand in a sorted array without repetitions, -1 for those that it lacks."""
    if not len(keys):
        return np.full(len(wanted), -1)
    found = np.searchsorted(keys, wanted)
    found[found == len(keys)] = 0
    found[keys[found] != wanted] = -1
    return found
