"""How well an answer to "who speaks?" agrees with the truth.

Turns and words are any objects with `start` and `end` (seconds) and `speaker`, words with `text`
as well. The names of the speakers in the answer do not matter: they are matched one to one with
the true ones so that the figure is best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import jiwer
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from simpleder import DER

from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, bootstrap


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
    """A word."""

    @property
    def text(self) -> str:
        """How it is spelt."""
        ...


class Figure(Protocol):
    """A share, of one conversation or of several: `part` of `whole`."""

    @property
    def part(self) -> float:
        """Seconds or words that are counted."""
        ...

    @property
    def whole(self) -> float:
        """Seconds or words there are."""
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

    missed: float
    false_alarm: float
    confused: float
    whole: float

    @property
    def part(self) -> float:
        """All that is wrong."""
        return self.missed + self.false_alarm + self.confused

    @property
    def rate(self) -> float:
        """The diarization error rate."""
        return _ratio(self)


@dataclass(frozen=True)
class Counted:
    """A number of words: `part` of `whole`."""

    part: int
    whole: int

    @property
    def rate(self) -> float:
        """The share."""
        return _ratio(self)


def _ratio(figure: Figure) -> float:
    """The share; of nothing it is 0, and infinite if there is a part of nothing."""
    if figure.whole:
        return figure.part / figure.whole
    return math.inf if figure.part else 0.0


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
    """
    found = DER(
        _triples(reference),
        _triples(hypothesis),
        collar=collar,
        skip_overlap=skip_overlap,
        detailed=True,
    )
    return DiarizationErrors(
        found["miss"], found["false_alarm"], found["confusion"], found["ref_length"]
    )


def _triples(turns: Sequence[Spoken]) -> list[tuple[str, float, float]]:
    return [(str(turn.speaker), float(turn.start), float(turn.end)) for turn in turns]


def attributed(reference: Sequence[Spoken], hypothesis: Sequence[Spoken]) -> Counted:
    """How many of the true words have the right speaker in the answer; `.rate` is their share.

    A word goes to the speaker whose turns or words in the answer cover most of it, to nobody if
    there are none; of speakers who cover it alike, to the one with the turn or word most like it.
    Where people overlap, turns cannot tell whose word it is: true turns do not reach 1 there.

    Args:
        reference: The true words.
        hypothesis: Turns or words.
    """
    true, told = _names(reference), _names(hypothesis)
    starts, ends = (np.array([getattr(h, edge) for h in hypothesis]) for edge in ("start", "end"))
    column = np.array([told.index(h.speaker) for h in hypothesis], np.int64)
    counts = np.zeros((len(true), len(told)))
    for word in reference:
        if not told:
            break
        common = np.maximum(np.minimum(ends, word.end) - np.maximum(starts, word.start), 0)
        covered = np.bincount(column, common, minlength=len(told))
        alike = np.zeros(len(told))
        np.maximum.at(
            alike, column, common / (np.maximum(ends, word.end) - starts.clip(max=word.start))
        )
        if covered.max() > 0:
            best = (covered + 1e-6 * alike).argmax()
            counts[true.index(word.speaker), best] += 1
    return Counted(int(counts[linear_sum_assignment(-counts)].sum()), len(reference))


def cpwer(reference: Sequence[SpokenWord], hypothesis: Sequence[SpokenWord]) -> Counted:
    """Word errors of each speaker's words, all in one text; `.rate` is the cpWER.

    The texts are compared as they are spelt. The words of speakers who have no counterpart are
    all errors.

    Args:
        reference: The true words.
        hypothesis: The words of the answer; a speaker None counts as one more speaker.
    """
    true, told = (_texts(words) for words in (reference, hypothesis))
    n = max(len(true), len(told))
    true += [""] * (n - len(true))
    told += [""] * (n - len(told))
    errors = np.array([[_word_errors(a, b) for b in told] for a in true]).reshape(n, n)
    return Counted(int(errors[linear_sum_assignment(errors)].sum()), len(reference))


def _names(spoken: Sequence[Spoken]) -> list[str | None]:
    return list(dict.fromkeys(s.speaker for s in spoken))


def _texts(words: Sequence[SpokenWord]) -> list[str]:
    ordered = sorted(words, key=lambda word: (word.start, word.end))
    return [
        " ".join(word.text for word in ordered if word.speaker == name) for name in _names(words)
    ]


def _word_errors(true: str, told: str) -> int:
    if not true:
        return len(told.split())
    edits = jiwer.process_words(true, told)
    return edits.substitutions + edits.deletions + edits.insertions


def over_conversations(
    figures: Sequence[Figure], options: BootstrapOptions = DEFAULT_OPTIONS
) -> tuple[float, Interval | None]:
    """The share over several conversations, and its 95 % interval.

    Conversations are drawn again, not turns or words. There is no interval for fewer than two.

    Args:
        figures: One for each conversation, all of one kind.
        options: How many sets to draw, and the seed.
    """
    parts, wholes = (np.array([getattr(f, name) for f in figures]) for name in ("part", "whole"))

    def share(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        whole = wholes[drawn].sum()
        return np.array([parts[drawn].sum() / whole if whole else np.nan])

    total = float(wholes.sum())
    pooled = float(parts.sum()) / total if total else math.nan
    return pooled, next(iter(bootstrap(len(figures), share, options)), None)
