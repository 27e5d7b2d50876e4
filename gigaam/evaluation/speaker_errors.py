"""How well an answer to "who speaks?" agrees with the truth: DER by simpleder, cpWER by jiwer.

The names of the speakers in the answer do not matter: they are matched one to one with the true
ones so that the figure is best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np

from gigaam.dataset.text import normalize_text
from gigaam.errors import MissingDependencyError
from gigaam.evaluation.scoring import Edits, word_edits

__all__ = [
    "DiarizationErrors",
    "Spoken",
    "SpokenWord",
    "cpwer",
    "der",
    "require_simpleder",
    "texts_by_speaker",
]


class Spoken(Protocol):
    """A turn, or a word whose text does not matter."""

    @property
    def start(self) -> float:
        """Where it begins, in seconds."""
        ...

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        ...

    @property
    def speaker(self) -> str | None:
        """Who speaks; None if that is not known."""
        ...


class SpokenWord(Spoken, Protocol):
    """A word, or several."""

    @property
    def text(self) -> str:
        """How it is spelt."""
        ...


@dataclass(frozen=True)
class DiarizationErrors:
    """Seconds of speaker time that are wrong.

    Attributes:
        missed: Speech that is nobody's in the answer.
        false_alarm: Somebody's in the answer where nobody speaks.
        confused: Another's.
        whole: All true speech; where two speak at once it counts twice.
    """

    missed: float = 0.0
    false_alarm: float = 0.0
    confused: float = 0.0
    whole: float = 0.0

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confused + other.confused,
            self.whole + other.whole,
        )

    @property
    def part(self) -> float:
        """All that is wrong."""
        return self.missed + self.false_alarm + self.confused

    @property
    def rate(self) -> float:
        """The diarization error rate (DER); NaN where nobody speaks."""
        return self.part / self.whole if self.whole else math.nan


def der(
    reference: Sequence[Spoken],
    hypothesis: Sequence[Spoken],
    *,
    collar: float = 0.0,
    skip_overlap: bool = False,
) -> DiarizationErrors:
    """Seconds missed, invented and given to the wrong speaker; `.rate` is the DER.

    Args:
        reference: The true turns.
        hypothesis: The turns to be scored; a speaker None counts as one more speaker.
        collar: Seconds left out before and after each edge of a true turn, as in NIST's md-eval;
            pyannote.metrics calls twice this number its collar.
        skip_overlap: Whether to leave out where more than one speaks.

    Raises:
        MissingDependencyError: The packages simpleder and scipy are not installed.
    """
    found = require_simpleder().DER(
        _triples(reference),
        _triples(hypothesis),
        collar=collar,
        skip_overlap=skip_overlap,
        detailed=True,
    )
    names = ("miss", "false_alarm", "confusion", "ref_length")
    return DiarizationErrors(*(float(found[name]) for name in names))


def _triples(turns: Sequence[Spoken]) -> list[tuple[str, float, float]]:
    return [(str(turn.speaker), float(turn.start), float(turn.end)) for turn in turns]


def cpwer(reference: Sequence[SpokenWord], hypothesis: Sequence[SpokenWord]) -> Edits:
    """Edits of each speaker's words, all in one text, normalised as for WER; `.rate` is the cpWER.

    The words of speakers who have no counterpart are all errors. (cp: concatenated, with the
    permutation of speakers that is best.)

    Args:
        reference: The true words.
        hypothesis: The words of the answer; a speaker None counts as one more speaker.

    Raises:
        MissingDependencyError: The packages jiwer and scipy are not installed.
    """
    true, told = (list(texts_by_speaker(words).values()) for words in (reference, hypothesis))
    n = max(len(true), len(told))
    true += [""] * (n - len(true))
    told += [""] * (n - len(told))
    pairs = word_edits([one for one in true for _ in told], told * n)
    errors = np.array([edits.errors for edits in pairs]).reshape(n, n)
    rows, columns = _scipy_optimize().linear_sum_assignment(errors)
    return sum((pairs[i * n + j] for i, j in zip(rows, columns, strict=True)), Edits())


def texts_by_speaker(words: Sequence[SpokenWord]) -> dict[str | None, str]:
    """What each speaker says, normalised (`gigaam.dataset.text.normalize_text`).

    Args:
        words: In any order; they are put in that of their starts.
    """
    said: dict[str | None, list[str]] = {}
    for word in sorted(words, key=lambda word: (word.start, word.end)):
        said.setdefault(word.speaker, []).append(word.text)
    return {speaker: normalize_text(" ".join(texts)) for speaker, texts in said.items()}


def require_simpleder() -> ModuleType:
    """The package simpleder, which needs scipy.

    Raises:
        MissingDependencyError: One of them is not installed.
    """
    _scipy_optimize()
    return _imported("simpleder")


def _scipy_optimize() -> ModuleType:
    return _imported("scipy.optimize")


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            "error rates of speakers need the packages simpleder and scipy: "
            "pip install simpleder scipy"
        ) from error
