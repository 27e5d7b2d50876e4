"""The same word in two hypotheses: where it lies, and how it is spelled."""

from __future__ import annotations

from dataclasses import replace

from gigaam.types import Word

__all__ = ["DRIFT_S", "middle_s", "moved", "plain"]

DRIFT_S = 0.4
"""Between two hypotheses the same word rarely moves further, in seconds."""


def moved(word: Word, offset_s: float) -> Word:
    """The word, so many seconds later."""
    return replace(word, start=word.start + offset_s, end=word.end + offset_s)


def middle_s(word: Word) -> float:
    """The middle of a word, in seconds."""
    return (word.start + word.end) / 2


def plain(word: Word) -> str:
    """The letters and digits of a word: hypotheses may differ in case and punctuation."""
    return "".join(c for c in word.text.casefold() if c.isalnum()).replace("ё", "е")
