"""N-grams of a corpus, counted on disk: what is in memory at once has a limit.

Each position of the corpus gets the number of the n-gram that ends there, order by order: an n-gram
is the number of its context and its last word, one 64-bit key. Keys are sorted in runs, runs are
merged range by range.

Shapes: P positions, N different n-grams of an order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.estimates import positions
from gigaam.ngrams.model import START_ID

__all__ = ["CountedLevel", "Spool", "count"]

Int = NDArray[np.int64]

_BYTES_PER_KEY = 48  # while keys are sorted with their counts and places


@dataclass
class CountedLevel:
    """The different n-grams of an order, sorted by context, then by word.

    Attributes:
        contexts: Numbers of the n-grams without their last words, int64 [N]; 0 for single words.
        words: Ids of their last words, int64 [N].
        counts: How often each is there, int64 [N].
    """

    contexts: Int
    words: Int
    counts: Int


class Spool:
    """Numbers on disk, written once in a row, read in pieces.

    Args:
        folder: Where the file lies.
        dtype: Of the numbers.
    """

    def __init__(self, folder: Path, dtype: Any) -> None:
        handle = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115
        self._file, self._dtype, self._length = handle, np.dtype(dtype), 0

    def __len__(self) -> int:
        return self._length

    def add(self, numbers: NDArray[Any]) -> None:
        """Writes more of them."""
        self._file.write(numbers.astype(self._dtype).tobytes())
        self._length += len(numbers)

    def numbers(self) -> NDArray[Any]:
        """All of them, mapped."""
        self._file.flush()
        if not self._length:
            return np.zeros(0, self._dtype)
        return np.memmap(self._file.name, self._dtype, "r")

    def remove(self) -> None:
        """Deletes the file; arrays of it must not be used any more."""
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)


def count(ids: Spool, n_words: int, order: int, folder: Path, memory: int) -> list[CountedLevel]:
    """The n-grams of a corpus, up to an order.

    Args:
        ids: Words in a row, each sentence between those of ``<s>`` (1) and ``</s>`` (2), int32 [P].
        n_words: Size of the vocabulary.
        order: The longest n-grams.
        folder: For files, which are removed.
        memory: Bytes to sort in.
    """
    at_once = max(memory // _BYTES_PER_KEY, 1 << 10)
    single = np.zeros(n_words, np.int64)
    for piece in _pieces(ids.numbers(), at_once):
        single += np.bincount(piece, minlength=n_words)
    levels = [CountedLevel(np.zeros(n_words, np.int64), np.arange(n_words), single)]
    nodes: Spool = ids
    for each in range(2, order + 1):
        keys, counts = _different(_keys(nodes, ids, n_words, at_once), folder, at_once)
        levels.append(CountedLevel(keys // n_words, keys % n_words, counts))
        if each < order:
            longer = Spool(folder, np.int64)
            for piece in _keys(nodes, ids, n_words, at_once, whole=True):
                longer.add(_places(keys, piece))
            nodes = _replaced(nodes, longer, ids)
    _replaced(nodes, ids, ids)
    return levels


def _replaced(nodes: Spool, by: Spool, ids: Spool) -> Spool:
    if nodes is not ids:
        nodes.remove()
    return by


def _pieces(numbers: NDArray[Any], at_once: int) -> Iterator[NDArray[Any]]:
    for first in range(0, len(numbers), at_once):
        yield numbers[first : first + at_once]


def _keys(
    nodes: Spool, ids: Spool, n_words: int, at_once: int, whole: bool = False
) -> Iterator[Int]:
    """The keys of the n-grams that end at each position, -1 where there is none.

    Args:
        nodes: N-grams of the order below that end at each position, -1 for none, [P].
        ids: Words, [P].
        n_words: Size of the vocabulary.
        at_once: Positions in a piece.
        whole: Whether those without are given, too: a key for each position.
    """
    before, words, last = nodes.numbers(), ids.numbers(), np.full(1, -1, np.int64)
    for first in range(0, len(words), at_once):
        here = words[first : first + at_once].astype(np.int64)
        contexts = before[first : first + at_once].astype(np.int64)
        shifted = np.concatenate([last, contexts[:-1]])
        last = contexts[-1:]
        keys = np.where((shifted < 0) | (here == START_ID), -1, shifted * n_words + here)
        yield keys if whole else keys[keys >= 0]


def _places(keys: Int, wanted: Int) -> Int:
    """Where keys stand among the different ones, -1 for none."""
    distinct, inverse = np.unique(wanted, return_inverse=True)  # searching in order is much faster
    return positions(keys, distinct)[inverse]


def _different(pieces: Iterator[Int], folder: Path, at_once: int) -> tuple[Int, Int]:
    """The different keys, sorted, and how often each is there."""
    runs, counts = Spool(folder, np.int64), Spool(folder, np.int64)
    bounds = [0]
    for piece in pieces:
        keys, found = np.unique(piece, return_counts=True)
        runs.add(keys)
        counts.add(found)
        bounds.append(len(runs))
    try:
        return _merged(runs.numbers(), counts.numbers(), bounds, at_once)
    finally:
        runs.remove()
        counts.remove()


def _merged(keys: Int, counts: Int, bounds: list[int], at_once: int) -> tuple[Int, Int]:
    """Sorted runs as one, range by range of their keys."""
    runs = [slice(*pair) for pair in pairwise(bounds)]
    if len(runs) <= 1:
        return np.array(keys), np.array(counts)
    n_ranges = -(-len(keys) // at_once) + 1
    sample = np.sort(np.concatenate([keys[run][:: max(1, at_once // 4096)] for run in runs]))
    limits = sample[np.linspace(0, len(sample) - 1, n_ranges + 1).astype(np.int64)[1:-1]]
    cuts = [
        run.start
        + np.concatenate([[0], np.searchsorted(keys[run], limits), [run.stop - run.start]])
        for run in runs
    ]
    merged: list[tuple[Int, Int]] = []
    for each in range(len(limits) + 1):
        parts = [slice(int(cut[each]), int(cut[each + 1])) for cut in cuts]
        together = np.concatenate([keys[part] for part in parts])
        weights = np.concatenate([counts[part] for part in parts])
        by_key = np.argsort(together, kind="stable")
        together, weights = together[by_key], weights[by_key]
        if len(together):
            firsts = np.flatnonzero(np.concatenate([[True], together[1:] != together[:-1]]))
            merged.append((together[firsts], np.add.reduceat(weights, firsts)))
    return (
        np.concatenate([part for part, _ in merged]),
        np.concatenate([part for _, part in merged]),
    )
