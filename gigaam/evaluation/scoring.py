"""What was heard against what was said: edits, aligned words, error rates.

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
]

EditKind: TypeAlias = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True)
class Edits:
    """How many words or characters were heard rightly, and how many edits right the others.

    Attributes:
        hits: Heard as they were said.
        substitutions: Heard as something else.
        deletions: Said, not heard.
        insertions: Heard, not said.
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
        """Edits in all."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def length(self) -> int:
        """Words or characters that were said."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits per word or character that was said; NaN if none was."""
        return self.errors / self.length if self.length else math.nan


@dataclass(frozen=True)
class AlignedPart:
    """Successive words that were heard rightly, or that one kind of edit rights.

    Attributes:
        kind: What happened to them.
        reference: What was said; empty for "insert".
        hypothesis: What was heard; empty for "delete".
    """

    kind: EditKind
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One text against its reference.

    Attributes:
        words: Edits of words.
        characters: Edits of characters, spaces counted.
        alignment: The words side by side.
    """

    words: Edits
    characters: Edits
    alignment: tuple[AlignedPart, ...]


def tidy_text(text: str) -> str:
    """The text with case and punctuation kept: composed characters, single spaces.

    Args:
        text: Any text.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def compare(references: Sequence[str], hypotheses: Sequence[str]) -> list[Comparison]:
    """The comparison of each text with its reference, as they stand; words are between spaces.

    Args:
        references: What was said.
        hypotheses: What was heard, as many.

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
    """The counts of one text's alignment: a substitution has as many words on either side."""
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
        cer: Edits per reference character, spaces counted.
        wer: Edits per reference word.
        utterances: How many were compared.
    """

    cer: float
    wer: float
    utterances: int


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Character and word error rates: total edits over total reference length.

    Both sides are normalised first.

    Args:
        references: What was said.
        hypotheses: What was heard, as many.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    compared = compare(
        [normalize_text(text) for text in references], [normalize_text(text) for text in hypotheses]
    )
    characters = sum((each.characters for each in compared), Edits())
    words = sum((each.words for each in compared), Edits())
    return ErrorRates(characters.rate, words.rate, len(compared))
