"""Recognised texts against their references: edits, aligned words, error rates.

jiwer does the counting.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeAlias

from gigaam.dataset.text import normalize_text
from gigaam.errors import MissingDependencyError

__all__ = [
    "AlignedPart",
    "Comparison",
    "EditKind",
    "Edits",
    "ErrorRates",
    "compare",
    "error_rates",
    "require_jiwer",
    "tidy_text",
    "word_edits",
]

EditKind: TypeAlias = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True)
class Edits:
    """Numbers of words or characters that were recognised correctly and that were not.

    Attributes:
        hits: Recognised correctly.
        substitutions: Recognised as something else.
        deletions: In the reference only.
        insertions: In the recognised text only.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        """Total number of edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def length(self) -> int:
        """Words or characters in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits per word or character of the reference; NaN if it is empty."""
        return self.errors / self.length if self.length else math.nan


@dataclass(frozen=True)
class AlignedPart:
    """Successive words with the same kind of edit, or with none.

    Attributes:
        kind: The kind of edit; "equal" for words recognised correctly.
        reference: Words of the reference; empty for "insert".
        hypothesis: Recognised words; empty for "delete".
    """

    kind: EditKind
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One text against its reference.

    Attributes:
        words: Edits of words.
        characters: Edits of characters, spaces included.
        alignment: Words of both texts side by side.
    """

    words: Edits
    characters: Edits
    alignment: tuple[AlignedPart, ...]


def tidy_text(text: str) -> str:
    """The text with composed characters and single spaces, case and punctuation kept.

    Args:
        text: Any text.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def compare(references: Sequence[str], hypotheses: Sequence[str]) -> list[Comparison]:
    """Compares each text with its reference, without normalising them; spaces separate words.

    Args:
        references: The correct texts.
        hypotheses: The recognised texts, one per reference.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    jiwer = require_jiwer()
    if not references:
        return []
    words = jiwer.process_words(list(references), list(hypotheses))
    characters = jiwer.process_characters(list(references), list(hypotheses))
    return [
        Comparison(
            words=_edits(by_word),
            characters=_edits(by_character),
            alignment=_aligned(by_word, said, heard),
        )
        for by_word, by_character, said, heard in zip(
            words.alignments, characters.alignments, words.references, words.hypotheses, strict=True
        )
    ]


def word_edits(references: Sequence[str], hypotheses: Sequence[str]) -> list[Edits]:
    """Edits of the words of each text, without normalising it; spaces separate words.

    Args:
        references: The correct texts.
        hypotheses: The recognised texts, one per reference.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    jiwer = require_jiwer()
    if not references:
        return []
    words = jiwer.process_words(list(references), list(hypotheses))
    return [_edits(chunks) for chunks in words.alignments]


def require_jiwer() -> ModuleType:
    """The jiwer package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingDependencyError(
            "error rates need the package jiwer: pip install jiwer"
        ) from error
    return jiwer


def _edits(chunks: Sequence[Any]) -> Edits:
    """The counts in one text's alignment; substitutions have as many words on either side."""
    lengths = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for chunk in chunks:
        said = chunk.ref_end_idx - chunk.ref_start_idx
        heard = chunk.hyp_end_idx - chunk.hyp_start_idx
        lengths[chunk.type] += max(said, heard)
    return Edits(*lengths.values())


def _aligned(
    chunks: Sequence[Any], said: Sequence[str], heard: Sequence[str]
) -> tuple[AlignedPart, ...]:
    return tuple(
        AlignedPart(
            chunk.type,
            tuple(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            tuple(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in chunks
    )


@dataclass(frozen=True)
class ErrorRates:
    """Errors over a whole set.

    Attributes:
        cer: Edits per character of the references, spaces included.
        wer: Edits per word of the references.
        utterances: Number of utterances compared.
    """

    cer: float
    wer: float
    utterances: int


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Character and word error rates: total edits over total reference length.

    Both sides are normalised first.

    Args:
        references: The correct texts.
        hypotheses: The recognised texts, one per reference.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    compared = compare(
        [normalize_text(text) for text in references], [normalize_text(text) for text in hypotheses]
    )
    characters = sum((each.characters for each in compared), Edits())
    words = sum((each.words for each in compared), Edits())
    return ErrorRates(characters.rate, words.rate, len(compared))
