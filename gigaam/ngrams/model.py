"""What every n-gram model can be asked, whatever file it comes from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "END",
    "END_ID",
    "LN_10",
    "NEVER",
    "SPECIAL",
    "START",
    "START_ID",
    "UNKNOWN",
    "NGramModel",
    "Perplexity",
    "State",
    "Unit",
]

State: TypeAlias = tuple[int, ...]
"""A context that a model knows; all states of a model have the same length."""

Unit: TypeAlias = Literal["word", "piece"]

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
SPECIAL = (UNKNOWN, START, END)
START_ID, END_ID = SPECIAL.index(START), SPECIAL.index(END)
"""The words that stand for what is not in the vocabulary, and for the ends of a sentence; first in
the vocabularies of models that are trained here."""

LN_10 = math.log(10)
NEVER = -99.0
"""The logarithm to base 10 that stands for that of nothing in files of models."""

_MOST_CACHED = 1 << 17  # about 30 MB


@dataclass(frozen=True)
class Perplexity:
    """How well a model foresees a text.

    Attributes:
        value: Perplexity of the words that the model knows, and of the sentences' ends.
        n_words: Words in the text.
        n_unknown: Those of them that are not in the vocabulary, and count for nothing in `value`.
    """

    value: float
    n_words: int
    n_unknown: int


class NGramModel(ABC):
    """Log-probabilities of words after the words before them.

    Threads may share a model.

    Attributes:
        order: Words of the longest n-gram.
        unit: What its words are: words, or pieces of a SentencePiece model.
        words: The vocabulary, by id; `SPECIAL` ones among them.
        card: What its file says of it: corpus, sizes, perplexity.
        unknown: The id of the unknown word; it has a probability in every model. Where the file
            gives it none, that is the smallest of a word, divided by the number of words.
        start: The state after ``<s>``.
        empty: The state without a context.
    """

    order: int
    unit: Unit
    words: Sequence[str]
    card: dict[str, Any]
    unknown: int
    start: State
    empty: State

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._ids = {word: index for index, word in enumerate(words)}
        self.unknown = self._ids[UNKNOWN]
        self._scored: dict[tuple[State, int], tuple[float, State]] = {}

    def word_id(self, word: str) -> int | None:
        """The id of a word, None if it is not in the vocabulary."""
        return self._ids.get(word)

    def score(self, state: State, word: int) -> tuple[float, State]:
        """A word's natural log-probability in a state, and the state after it."""
        key = (state, word)
        found = self._scored.get(key)
        if found is None:
            found = self._found(state, word)
            if len(self._scored) >= _MOST_CACHED:
                self._scored.clear()
            self._scored[key] = found
        return found

    @abstractmethod
    def _found(self, state: State, word: int) -> tuple[float, State]:
        """What `score` gives, not remembered."""

    @abstractmethod
    def unigrams(self) -> NDArray[np.float64]:
        """Natural log-probabilities of all words without a context, by id."""

    def sentence(self, words: Iterable[str], bos: bool = True, eos: bool = True) -> list[float]:
        """The natural log-probability of each word of a sentence.

        Args:
            words: As the vocabulary has them; others are scored as the unknown word.
            bos: Whether the sentence begins with the first word.
            eos: Whether it ends with the last one; the end's own is then the last of the list.
        """
        state = self.start if bos else self.empty
        found = []
        for word in [*words, END] if eos else words:
            number = self.word_id(word)
            value, state = self.score(state, self.unknown if number is None else number)
            found.append(value)
        return found

    def perplexity(self, lines: Iterable[str]) -> Perplexity:
        """How well the model foresees sentences, one a line, words separated by spaces."""
        total, n_scored, n_words, n_unknown = 0.0, 0, 0, 0
        for line in lines:
            words = line.split()
            known = [(each not in SPECIAL and self.word_id(each) is not None) for each in words]
            for value, counts in zip(self.sentence(words), [*known, True], strict=True):
                total += value if counts else 0.0
                n_scored += counts
            n_words += len(words)
            n_unknown += len(words) - sum(known)
        value = math.exp(-total / n_scored) if n_scored else math.nan
        return Perplexity(value, n_words, n_unknown)
