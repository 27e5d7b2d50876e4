"""What a search finds in a recording: tokens, where they are, how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hypothesis", "mean_probability", "with_alternatives"]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """The tokens found in one recording.

    Attributes:
        ids: Token ids, int64 [U].
        frames: The encoder frame each token belongs to, int64 [U], never decreasing. For CTC the
            first frame of the token's run; for RNN-T the frame it was emitted at.
        log_probs: Natural logarithm of each token's probability, float32 [U]. For CTC the highest
            in its run: a run ramps up and down, and how long it lingers says nothing about which
            token it is. For RNN-T the one it was emitted with.
        score: What the search ranks hypotheses of one recording by, the higher the better; by
            default the sum of ``log_probs``.
        alternatives: What else the search found, best first, if that was asked for.
    """

    ids: NDArray[np.int64]
    frames: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    score: float = math.nan
    alternatives: tuple[Hypothesis, ...] = ()

    def __post_init__(self) -> None:
        if math.isnan(self.score):
            object.__setattr__(self, "score", float(np.sum(self.log_probs, dtype=np.float64)))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def confidence(self) -> float:
        """Geometric mean of the tokens' probabilities, in [0, 1]; 0 when there is no token."""
        return mean_probability(self.log_probs)


def with_alternatives(found: Sequence[Hypothesis]) -> Hypothesis:
    """The best hypothesis of a recording, with the others of it as its alternatives.

    Args:
        found: All of them, the best first.
    """
    return replace(found[0], alternatives=tuple(found[1:]))


def mean_probability(log_probs: NDArray[np.float32]) -> float:
    """Geometric mean of probabilities, in [0, 1]: the confidence of words and of whole results.

    Unlike a product it does not fall with length. No tokens give 0: nothing was recognised, and
    code that keeps what is above a threshold drops it.

    Args:
        log_probs: Their natural logarithms, float32 [U].
    """
    if not len(log_probs):
        return 0.0
    return min(1.0, float(np.exp(np.mean(log_probs, dtype=np.float64))))
