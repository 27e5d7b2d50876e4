"""How many words have the right speaker, whoever recognised them.

Error rates are those of `gigaam.evaluation.speaker_errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from gigaam.evaluation.speaker_errors import Spoken


@dataclass(frozen=True)
class Counted:
    """A number of words: `part` of `whole`."""

    part: int
    whole: int

    @property
    def rate(self) -> float:
        """The share; of nothing it is 0."""
        return self.part / self.whole if self.whole else 0.0


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


def _names(spoken: Sequence[Spoken]) -> list[str | None]:
    return list(dict.fromkeys(s.speaker for s in spoken))
