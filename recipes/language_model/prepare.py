"""Clears texts of what the recognisers are tested on.

    python -m recipes.language_model.prepare FOLDER TEXT [TEXT …]

A sentence is left out that repeats a text of the development or test sets: the whole of it, or five
words of it in a row; texts of one or two words ("спасибо") bar only sentences that are no more than
that. What is written is read again and checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gigaam.dataset.text import normalize_text
from gigaam.ngrams.texts import read_lines
from gigaam.output.whole_file import write_whole
from recipes.tiny.prepare import held_out_texts

__all__ = ["Guard"]

_RUN = 5
_SHORTEST_INSIDE = 3


class Guard:
    """Knows what no sentence may repeat.

    Args:
        texts: The texts of development and test sets, normalised.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        words = [tuple(text.split()) for text in texts]
        self._whole = set(words)
        self._runs: dict[int, set[tuple[str, ...]]] = {}
        for text in words:
            length = min(len(text), _RUN)
            if length >= _SHORTEST_INSIDE:
                self._runs.setdefault(length, set()).update(_runs(text, length))

    def bars(self, sentence: str) -> bool:
        """Whether a sentence repeats a held-out text."""
        words = tuple(normalize_text(sentence).split())
        return words in self._whole or any(
            run in barred for length, barred in self._runs.items() for run in _runs(words, length)
        )


def _runs(words: tuple[str, ...], length: int) -> Iterator[tuple[str, ...]]:
    return (words[first : first + length] for first in range(len(words) - length + 1))


def main() -> None:
    """Writes the sentences that may be trained on."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("texts", nargs="+", type=Path, help="a sentence a line, may be compressed")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    guard = Guard(held_out_texts())
    for text in arguments.texts:
        out = arguments.folder / f"{text.name.partition('.')[0]}.txt"
        lines = [line for line in read_lines(text) if line.strip()]
        kept = [line for line in lines if not guard.bars(line)]
        write_whole(out, "".join(f"{line}\n" for line in kept).encode())
        if any(map(guard.bars, read_lines(out))):
            sys.exit(f"{out} repeats a held-out text")
        print(f"{out}: {len(kept):,} sentences, {len(lines) - len(kept):,} left out")


if __name__ == "__main__":
    main()
