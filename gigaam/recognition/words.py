"""The same word in two hypotheses: where it lies, and how it is spelled."""

from __future__ import annotations

from gigaam.types import Word

__all__ = ["middle_s", "plain"]


def middle_s(word: Word) -> float:
    """The middle of a word, in seconds."""
    return (word.start + word.end) / 2


def plain(word: Word) -> str:
    """The letters and digits of a word: hypotheses may differ in case and punctuation."""
    return "".join(c for c in word.text.casefold() if c.isalnum()).replace("ё", "е")
