"""A model over packed arrays, in memory or mapped from a file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.estimates import positions
from gigaam.ngrams.model import START, NGramModel, State, Unit
from gigaam.ngrams.packing import BLOCK_BITS, Arrays, starts, unpacked_words

__all__ = ["PackedModel"]


class PackedModel(NGramModel):
    """A model over arrays as `gigaam.ngrams.packing` makes them.

    A state is the number of the longest context that the model has: 0 without one, then the
    n-grams of all orders but the highest, in a row.

    Args:
        words: By id, ``<unk>``, ``<s>``, ``</s>`` first.
        order: Words of the longest n-gram.
        unit: What the words are.
        arrays: The n-grams.
        card: What is said of the model.
    """

    def __init__(
        self, words: Sequence[str], order: int, unit: Unit, arrays: Arrays, card: dict[str, Any]
    ) -> None:
        super().__init__(words)
        self.order, self.unit, self.card = order, unit, card
        self._arrays = arrays
        self._levels = [_Level(arrays, each) for each in range(1, order + 1)]
        self._firsts = [0, 1]
        for level in self._levels[:-1]:
            self._firsts.append(self._firsts[-1] + level.count)
        self._suffixes: dict[int, NDArray[np.int64]] = {}
        for each in range(3, order):
            self._suffixes[each] = self._suffixes_of(each)
        self.empty = (0,)
        self.start = self._after(0, 0, self._ids[START])

    def unigrams(self) -> NDArray[np.float64]:
        """Natural log-probabilities of all words without a context, by id."""
        numbers, values = self._arrays["log_probs1"], self._arrays.get("log_prob_values1")
        return np.asarray(numbers if values is None else values[numbers], np.float64)

    def _found(self, state: State, word: int) -> tuple[float, State]:
        (number,) = state
        order = 0
        while order < self.order - 1 and number >= self._firsts[order + 1]:
            order += 1
        index = number - self._firsts[order]
        penalty = 0.0
        while order:
            child = self._levels[order].find(self._levels[order - 1], index, word)
            if child >= 0:
                break
            penalty += self._levels[order - 1].back_off(index)
            order, index = self._shorter(order, index)
        else:
            child = word
        value = penalty + self._levels[order].log_prob(child)
        if order + 1 < self.order:
            return value, (self._firsts[order + 1] + child,)
        return value, self._after(*self._shorter(order, index), word)

    def _after(self, order: int, index: int, word: int) -> State:
        """The state after a word; the context is not longer than any that has another word."""
        if self.order == 1:
            return (0,)
        while order:
            child = self._levels[order].find(self._levels[order - 1], index, word)
            if child >= 0:
                return (self._firsts[order + 1] + child,)
            order, index = self._shorter(order, index)
        return (1 + word,)

    def _shorter(self, order: int, index: int) -> tuple[int, int]:
        """The longest context that there is without the first word: its order and index."""
        if order <= 1:
            return 0, 0
        if order == 2:
            return 1, self._levels[1].word(index)
        state = int(self._suffixes[order][index])
        shorter = bisect_right(self._firsts, state, 0, order) - 1
        return shorter, state - self._firsts[shorter]

    def _suffixes_of(self, order: int) -> NDArray[np.int64]:
        """The states after the contexts of an order without their first words."""
        contexts, words = self._keys(order)
        states = np.zeros(len(words), np.int64)
        before = self._all_shorter(order - 1)[contexts]
        waiting = np.arange(len(words))
        for shorter in range(order - 2, 0, -1):
            nodes = before[waiting] - self._firsts[shorter]
            keys = self._keys(shorter + 1)
            size = len(self.words)
            found = positions(keys[0] * size + keys[1], nodes * size + words[waiting])
            found[nodes < 0] = -1
            states[waiting[found >= 0]] = self._firsts[shorter + 1] + found[found >= 0]
            waiting = waiting[found < 0]
            here = before[waiting] >= self._firsts[shorter]
            if shorter > 1:
                before[waiting[here]] = self._all_shorter(shorter)[
                    before[waiting[here]] - self._firsts[shorter]
                ]
        states[waiting] = 1 + words[waiting]
        return states

    def _all_shorter(self, order: int) -> NDArray[np.int64]:
        """The states after each context of an order without its first word."""
        return 1 + unpacked_words(self._arrays, 2) if order == 2 else self._suffixes[order]

    def _keys(self, order: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Contexts and last words of the n-grams of an order above 1."""
        bounds = starts(self._arrays, order - 1)
        contexts = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        return contexts, unpacked_words(self._arrays, order)


class _Level:
    """The n-grams of one order, for looking up one at a time: views that give Python's numbers."""

    def __init__(self, arrays: Arrays, order: int) -> None:
        def view(name: str) -> Any:
            array = arrays.get(f"{name}{order}")
            return None if array is None else memoryview(array.data)

        self._words, self._high = view("words"), view("high")
        self._log_probs, self._back_offs = view("log_probs"), view("back_offs")
        self._bases, self._starts = view("bases"), view("starts")
        tables = [arrays.get(f"{name}_values{order}") for name in ("log_prob", "back_off")]
        self._log_prob_values, self._back_off_values = (
            None if table is None else table.tolist() for table in tables
        )
        self.count = len(arrays[f"log_probs{order}"])

    def word(self, index: int) -> int:
        """The last word of an n-gram."""
        low: int = self._words[index]
        return low if self._high is None else low + (self._high[index] << 16)

    def log_prob(self, index: int) -> float:
        """The natural log-probability of an n-gram's last word."""
        value = self._log_probs[index]
        return float(value if self._log_prob_values is None else self._log_prob_values[value])

    def back_off(self, index: int) -> float:
        """What is added where this n-gram is a context without the word asked for."""
        value = self._back_offs[index]
        return float(value if self._back_off_values is None else self._back_off_values[value])

    def range_after(self, index: int) -> tuple[int, int]:
        """Where the n-grams lie that are one longer than this one."""
        bases, differences, after = self._bases, self._starts, index + 1
        return (
            bases[index >> BLOCK_BITS] + differences[index],
            bases[after >> BLOCK_BITS] + differences[after],
        )

    def find(self, below: _Level, context: int, word: int) -> int:
        """The n-gram of this order with that context and that word, -1 if there is none."""
        first, end = below.range_after(context)
        if self._high is not None:
            high, word = word >> 16, word & 0xFFFF
            first = bisect_left(self._high, high, first, end)
            end = bisect_right(self._high, high, first, end)
        index = bisect_left(self._words, word, first, end)
        return index if index < end and self._words[index] == word else -1
