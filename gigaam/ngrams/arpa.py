"""ARPA files: n-grams as text, with logarithms to base 10."""

from __future__ import annotations

import lzma
import math
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np

from gigaam.errors import CheckpointError
from gigaam.ngrams.estimates import Estimates, Level
from gigaam.ngrams.model import LN_10, NEVER, SPECIAL, START, UNKNOWN
from gigaam.ngrams.texts import open_text
from gigaam.quoting import brief

__all__ = ["arpa_lines", "read_arpa"]

_COUNT = re.compile(r"ngram +(\d{1,2}) *= *(\d{1,12})")
_MOST_ORDER = 10
_LONGEST_LINE = 1 << 16  # characters
_MOST_EMPTY = 1000  # lines


def read_arpa(path: Path) -> Estimates:
    """The n-grams of an ARPA file, which may be compressed.

    Raises:
        FileNotFoundError: There is none.
        CheckpointError: It is no such file; the message names the line.
    """
    with open_text(path) as file:
        return _Reader(path, file).estimates()


class _Reader:
    """An ARPA file on the way to arrays."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._lines = self._numbered(file)
        self._line = 0
        self._ids: dict[str, int] = {}
        self._found: list[dict[tuple[int, ...], tuple[float, float]]] = []

    def _refuse(self, why: str) -> NoReturn:
        raise CheckpointError(f"{self._path}, line {self._line}: {why}")

    def _numbered(self, file: TextIO) -> Iterator[str]:
        try:
            while line := file.readline(_LONGEST_LINE):
                self._line += 1
                if len(line) == _LONGEST_LINE and not line.endswith("\n"):
                    self._refuse(f"over {_LONGEST_LINE:,} characters: this is no ARPA file")
                yield line.strip()
        except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error) as error:
            self._refuse(f"cannot be read: {error}")

    def _next(self) -> str:
        """The next line that is not empty."""
        for line in islice(self._lines, _MOST_EMPTY):
            if line:
                return line
        if next(self._lines, None) is None:
            self._refuse("the file ends too early")
        self._refuse(f"over {_MOST_EMPTY:,} empty lines: this is no ARPA file")

    def estimates(self) -> Estimates:
        """What the file says."""
        counts = self._counts()
        for order, count in enumerate(counts, start=1):
            expected = f"\\{order}-grams:"
            if (line := self._next()) != expected:
                self._refuse(f"{brief(line)} where {expected} is due")
            self._found.append({})
            for _ in range(count):
                self._add(self._next(), order)
        if (line := self._next()) != "\\end\\":
            self._refuse(f"{brief(line)} where \\end\\ is due: more n-grams than announced")
        self._add_missing()
        return self._sorted()

    def _counts(self) -> list[int]:
        for line in islice(self._lines, _MOST_EMPTY):
            if line == "\\data\\":
                break
        else:
            raise CheckpointError(
                f"{self._path} is no language model: neither one that 'gigaam lm' made of a text, "
                "nor ARPA, nor KenLM's"
            )
        counts: list[int] = []
        for line in self._lines:
            if not line:
                break
            match = _COUNT.fullmatch(line)
            if match is None or int(match[1]) != len(counts) + 1 or len(counts) == _MOST_ORDER:
                self._refuse(f"{brief(line)} is no count of n-grams of order {len(counts) + 1}")
            counts.append(int(match[2]))
        if not counts:
            self._refuse("no counts of n-grams")
        return counts

    def _add(self, line: str, order: int) -> None:
        cells = line.split()
        if len(cells) not in (order + 1, order + 2):
            self._refuse(f"{brief(line)} is no n-gram of order {order}")
        numbers = self._number(cells[0]), self._number(cells[-1]) if cells[order + 1 :] else 0.0
        if numbers[0] > 1e-4:
            self._refuse(f"the logarithm of a probability is {cells[0]}")
        if order == 1:
            key: tuple[int, ...] = (self._ids.setdefault(cells[1], len(self._ids)),)
        else:
            try:
                key = tuple([self._ids[word] for word in cells[1 : order + 1]])
            except KeyError as error:
                self._refuse(f"{brief(error.args[0])} is not among the single words")
            if key[:-1] not in self._found[-2]:
                self._refuse(f"{brief(' '.join(cells[1:order]))} is no n-gram of order {order - 1}")
        if key in self._found[-1]:
            self._refuse(f"{brief(' '.join(cells[1 : order + 1]))} is there twice")
        self._found[-1][key] = numbers

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value <= 1e3):
            self._refuse(f"{brief(text)} is no logarithm")
        return max(value, NEVER) * LN_10

    def _add_missing(self) -> None:
        """Gives the special words what the file does not; see `NGramModel.unknown`."""
        words = self._found[0]
        plain = [words[index,][0] for word, index in self._ids.items() if word not in SPECIAL]
        least = min((value for value in plain if value > NEVER * LN_10 + 1), default=0.0)
        for word in SPECIAL:
            known = (self._ids.setdefault(word, len(self._ids)),)
            value, back_off = words.get(known, (NEVER * LN_10, 0.0))
            if word == UNKNOWN and value <= NEVER * LN_10 + 1:
                value = least - math.log(max(len(plain), 1))
            if word == START:  # never foreseen; files say 0 or -99
                value = NEVER * LN_10
            words[known] = value, back_off

    def _sorted(self) -> Estimates:
        plain = sorted(word for word in self._ids if word not in SPECIAL)
        words = [*SPECIAL, *plain]
        new_ids = np.empty(len(words), np.int64)
        new_ids[[self._ids[word] for word in words]] = np.arange(len(words))
        levels: list[Level] = []
        places: dict[tuple[int, ...], int] = {}
        for order, found in enumerate(self._found, start=1):
            keys = np.array(list(found), np.int64).reshape(-1, order)
            numbers = np.array(list(found.values())).reshape(-1, 2)
            last = new_ids[keys[:, -1]]
            contexts = np.zeros(len(keys), np.int64)
            if order > 1:
                contexts = np.array([places[key[:-1]] for key in found], np.int64)
            by_key = np.lexsort((last, contexts))
            levels.append(Level(contexts[by_key], last[by_key], *numbers[by_key].T))
            place = np.empty(len(keys), np.int64)
            place[by_key] = np.arange(len(keys))
            places = dict(zip(found, place.tolist(), strict=True))
        has_pieces = any(word.startswith("▁") for word in plain)
        return Estimates(words, levels, "piece" if has_pieces else "word")


def arpa_lines(estimates: Estimates) -> Iterator[str]:
    """The lines of an ARPA file, without their ends."""
    levels, words = estimates.levels, estimates.words
    yield "\\data\\"
    for order, level in enumerate(levels, start=1):
        yield f"ngram {order}={len(level)}"
    texts: list[str] = []
    for order, level in enumerate(levels, start=1):
        yield ""
        yield f"\\{order}-grams:"
        last = [words[index] for index in level.words.tolist()]
        if order > 1:
            contexts = level.contexts.tolist()
            last = [f"{texts[c]} {word}" for c, word in zip(contexts, last, strict=True)]
        texts = last
        probs = (level.log_probs / LN_10).tolist()
        if order == len(levels):
            yield from (f"{p:.7f}\t{text}" for p, text in zip(probs, texts, strict=True))
            continue
        back_offs = (level.back_offs / LN_10).tolist()
        for p, text, b in zip(probs, texts, back_offs, strict=True):
            yield f"{p:.7f}\t{text}\t{b:.7f}"
    yield ""
    yield "\\end\\"
