"""Leaving out n-grams that change the model least: relative entropy (Stolcke 1998).

Shapes: N n-grams of an order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.estimates import Estimates, Level
from gigaam.ngrams.kneser_ney import suffixes_of, without

__all__ = ["Pruner"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 40  # halvings of the range of thresholds: the last are too small to change anything


class Pruner:
    """What each n-gram of a model is worth, and the model without the worst.

    An n-gram whose context, or whose end, another one needs is kept, so that in every model each
    n-gram has the one without its first word.

    Args:
        estimates: The model.
        context_probs: How often each n-gram is the context of a word, as a share of all words: by
            order, float64 [N]. They are those of the corpus: what the model itself says of
            sequences is distorted by Kneser-Ney smoothing (Chelba et al. 2010).
    """

    def __init__(self, estimates: Estimates, context_probs: Sequence[Float]) -> None:
        self._estimates = estimates
        self._suffixes = suffixes_of(estimates.levels, len(estimates.words))
        self._losses = [
            np.full(len(estimates.words), np.inf),
            *(
                self._lost(order, context_probs[order - 2])
                for order in range(2, len(estimates.levels) + 1)
            ),
        ]

    def _sums(self, levels: Sequence[Level], suffixes: Sequence[Int], order: int) -> list[Float]:
        """Per context, the probabilities of its words in their order, and in the one below."""
        level, below = levels[order - 1], levels[order - 2]
        own, lower = np.exp(level.log_probs), np.exp(below.log_probs[suffixes[order - 1]])
        return [
            1.0 - np.bincount(level.contexts, each, len(below)).astype(np.float64)
            for each in (own, lower)
        ]

    def _lost(self, order: int, context_probs: Float) -> Float:
        """The relative rise of perplexity if an n-gram alone were left out, [N]."""
        levels = self._estimates.levels
        level, below = levels[order - 1], levels[order - 2]
        rest, rest_lower = self._sums(levels, self._suffixes, order)
        own, lower = level.log_probs, below.log_probs[self._suffixes[order - 1]]
        contexts = level.contexts
        old = below.back_offs[contexts]
        new = np.log(np.maximum(rest[contexts] + np.exp(own), 1e-300))
        new -= np.log(np.maximum(rest_lower[contexts] + np.exp(lower), 1e-300))
        change = np.exp(own) * (lower + new - own) + np.maximum(rest[contexts], 0) * (new - old)
        return np.expm1(-context_probs[contexts] * change)

    def kept(self, threshold: float) -> list[Mask]:
        """Which n-grams are kept, by order."""
        masks = [loss >= threshold for loss in self._losses]
        for order in range(len(masks), 1, -1):
            if order < len(masks):
                above, mask = self._estimates.levels[order], masks[order]
                masks[order - 1][above.contexts[mask]] = True
                masks[order - 1][self._suffixes[order][mask]] = True
        return masks

    def pruned(self, threshold: float) -> Estimates:
        """The model without the n-grams that raise its perplexity by less than that share."""
        found = without(self._estimates, self.kept(threshold))
        suffixes = suffixes_of(found.levels, len(found.words))
        for order in range(2, len(found.levels) + 1):
            rest, rest_lower = self._sums(found.levels, suffixes, order)
            here = np.bincount(found.levels[order - 1].contexts, minlength=len(rest)) > 0
            ratio = np.maximum(rest, 1e-9) / np.maximum(rest_lower, 1e-9)
            found.levels[order - 2].back_offs = np.where(here, np.log(ratio), 0.0)
        return found

    def threshold_for(self, size_of: Callable[[list[int]], int], most_bytes: int) -> float:
        """The smallest threshold with which a model has at most so many bytes; may be 0.

        Args:
            size_of: Bytes of a model with so many n-grams of each order.
            most_bytes: The limit; if single words alone are more, all else is left out.
        """
        if size_of([len(loss) for loss in self._losses]) <= most_bytes:
            return 0.0
        losses = np.concatenate(self._losses[1:])
        low, high = np.log(1e-14), np.log(max(float(losses.max(initial=0.0)), 1e-13) * 2)
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            sizes = [int(mask.sum()) for mask in self.kept(float(np.exp(middle)))]
            fits = size_of(sizes) <= most_bytes
            low, high = (low, middle) if fits else (middle, high)
            if high - low < 1e-3:
                break
        return float(np.exp(high))
