"""How probable a word's spelling is: what an unknown word is made of.

Shapes: A letters, W words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alphabet", "SpellingModel", "letters_of"]

_MOST_LETTERS = 62  # with the other one and the border they are numbers below 64
_PRIOR = 5.0  # letters seen after two of them weigh as much as what is known after one


class Alphabet:
    """The letters of a vocabulary as numbers below 64.

    Attributes:
        border: What stands before the first letter; after the last one it ends the word.
        other: Any character that is none of the letters.
        size: Numbers in use.
    """

    border, other = 0, 1

    def __init__(self, code_points: NDArray[np.uint32]) -> None:
        """The most frequent characters of these, the rest is other."""
        characters, counts = np.unique(code_points, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:_MOST_LETTERS]
        self._letters = np.sort(characters[most])
        self.size = len(self._letters) + 2

    def numbers(self, code_points: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The numbers of characters, int64 of the same shape."""
        if not len(self._letters):
            return np.full(code_points.shape, self.other)
        found = np.minimum(np.searchsorted(self._letters, code_points), len(self._letters) - 1)
        return np.where(self._letters[found] == code_points, found + 2, self.other)


def letters_of(words: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """All characters of words in a row, uint32, and where each word begins, int64 [W + 1]."""
    text = "".join(words).encode("utf-32-le", "surrogatepass")
    starts = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=starts[1:])
    return np.frombuffer(text, np.uint32), starts


class SpellingModel:
    """Log-probabilities of a letter after two others, of a word's end among them.

    All spellings together have the probability 1: letters are smoothed with shorter contexts and,
    last, with equal shares.

    Attributes:
        table: Natural logarithms, float64 [A, A, A]: by the letter before last, the last one, the
            next one, which is the border at a word's end.
    """

    def __init__(self, letters: NDArray[np.int64], starts: NDArray[np.int64], size: int) -> None:
        """What can be learned from words.

        Args:
            letters: All of them in a row.
            starts: Where each word begins, [W + 1].
            size: A.
        """
        n_words = len(starts) - 1
        # Two borders before each word, one after it: that of its end comes before the next word's.
        row = np.zeros(len(letters) + 2 * n_words + 1, np.int64)
        places = np.arange(len(letters)) + 2 * np.repeat(np.arange(1, n_words + 1), np.diff(starts))
        row[places] = letters
        triples = (row[:-2] * size + row[1:-1]) * size + row[2:]
        real = (row[1:-1] != Alphabet.border) | (row[2:] != Alphabet.border)
        counts = np.bincount(triples[real], minlength=size**3).reshape(size, size, size)
        counts[1:, 0] = 0  # what follows a word is no spelling
        one = counts.sum((0, 1)) + 1.0
        lower = one / one.sum()
        for each in (counts.sum(0), counts):
            total = each.sum(-1, keepdims=True)
            lower = (each + _PRIOR * lower) / (total + _PRIOR)
        self.table: NDArray[np.float64] = np.log(lower)
