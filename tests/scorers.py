"""What tests of beam searches share."""

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis


def in_order(hypothesis: Hypothesis) -> list[Hypothesis]:
    """All that was found, best first."""
    return [hypothesis, *hypothesis.alternatives]


class PairScorer:
    """A random gain for each token, and the end, after each token, which is its state."""

    size = 1
    lm_weight = 0.0

    def __init__(self, tokens: int, seed: int, spread: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        self.gains = spread * rng.normal(size=(tokens + 1, tokens))
        self.ends = spread * rng.normal(size=tokens + 1)

    def start(self) -> NDArray[np.int64]:
        return np.array([len(self.ends) - 1])

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return tokens[:, None].astype(np.int64), self.gains[states[:, 0], tokens]

    def finish(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.ends[states[:, 0]]

    def expects(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.zeros(len(states), bool)

    def total(self, tokens: tuple[int, ...]) -> float:
        """What a whole sequence gains."""
        last = len(self.ends) - 1
        total = 0.0
        for token in tokens:
            total += self.gains[last, token]
            last = token
        return float(total + self.ends[last])
