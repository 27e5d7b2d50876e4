"""What a search adds to what the nets say: a language model's opinion, a bonus for hotwords.

Shapes: H hypotheses, C continuations (a hypothesis and its next token), S numbers of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["JointScorer", "RememberingScorer", "Scorer", "adds_nothing"]

_MOST_REMEMBERED = 1 << 14  # some MB


class Scorer(Protocol):
    """Scores hypotheses token by token; holds no state of a call, so threads may share it.

    Where it stands in a hypothesis is a row of integers that it alone understands, and that depends
    on the hypothesis's tokens alone.
    """

    @property
    def size(self) -> int:
        """S, numbers in a state."""

    @property
    def lm_weight(self) -> float:
        """Weight of a language model's log-probabilities in the gains; 0 if it is none."""

    def start(self) -> NDArray[np.int64]:
        """The state before the first token, [S]."""

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What one more token each does.

        Args:
            states: [C, S].
            tokens: Never blank, [C].

        Returns:
            The states after them [C, S], and what is added to the scores, in weighted natural
            logarithms [C].
        """

    def finish(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is added to the scores where the recording ends, [H]."""

    def expects(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether some next token has a bonus that may outweigh the nets, [H]."""


class JointScorer:
    """Several scorers as one: states side by side, gains added up.

    Args:
        parts: May be none: then nothing is ever added.
    """

    def __init__(self, parts: Sequence[Scorer]) -> None:
        self._parts = tuple(parts)
        bounds = np.cumsum([0, *(part.size for part in parts)]).tolist()
        self._columns = [slice(*pair) for pair in pairwise(bounds)]
        self.size: int = bounds[-1]
        self.lm_weight = float(sum(part.lm_weight for part in parts))

    @property
    def is_empty(self) -> bool:
        """Whether it has no parts."""
        return not self._parts

    def start(self) -> NDArray[np.int64]:
        """The state before the first token, [S]."""
        return np.concatenate([np.zeros(0, np.int64), *(part.start() for part in self._parts)])

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What one more token each does."""
        if len(self._parts) == 1:
            return self._parts[0].advance(states, tokens)
        gains = np.zeros(len(tokens))
        after = np.empty_like(states)
        for part, columns in zip(self._parts, self._columns, strict=True):
            after[:, columns], gained = part.advance(states[:, columns], tokens)
            gains += gained
        return after, gains

    def finish(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is added to the scores where the recording ends, [H]."""
        gains = np.zeros(len(states))
        for part, columns in zip(self._parts, self._columns, strict=True):
            gains += part.finish(states[:, columns])
        return gains

    def expects(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether some next token has a bonus that may outweigh the nets, [H]."""
        expected = np.zeros(len(states), bool)
        for part, columns in zip(self._parts, self._columns, strict=True):
            expected |= part.expects(states[:, columns])
        return expected


class RememberingScorer:
    """Another scorer's answers, each of which is asked for once: a search asks the same again.

    Args:
        scorer: Whose answers depend on the state and the token alone.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[int, ...], tuple[list[int], float]] = {}
        self._steps: dict[tuple[int, ...], tuple[tuple[int, ...], float, bool]] = {}

    @property
    def size(self) -> int:
        """S, numbers in a state."""
        return self._scorer.size

    @property
    def lm_weight(self) -> float:
        """Weight of a language model's log-probabilities in the gains; 0 if it is none."""
        return self._scorer.lm_weight

    def start(self) -> NDArray[np.int64]:
        """The state before the first token, [S]."""
        return self._scorer.start()

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What one more token each does."""
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        keys = [(token, *state) for state, token in pairs]
        known = self._known
        found = [known.get(key) for key in keys]
        if None in found:
            after, gains = self._scorer.advance(states, tokens)
            if len(known) > _MOST_REMEMBERED:
                known.clear()
            known.update(zip(keys, zip(after.tolist(), gains.tolist(), strict=True), strict=True))
            return after, gains
        states_after, gained = zip(*found, strict=True) if found else ((), ())
        after = np.array(states_after, np.int64).reshape(states.shape)
        return after, np.array(gained, np.float64)

    def step(self, state: tuple[int, ...], token: int) -> tuple[tuple[int, ...], float, bool]:
        """What a token does after a state: the state then, the gain, and whether that expects."""
        key = (token, *state)
        found = self._steps.get(key)
        if found is None:
            after, gains = self.advance(np.array([state], np.int64), np.array([token]))
            expects = bool(self._scorer.expects(after)[0])
            if len(self._steps) > _MOST_REMEMBERED:
                self._steps.clear()
            found = self._steps[key] = tuple(after[0].tolist()), float(gains[0]), expects
        return found

    def finish(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is added to the scores where the recording ends, [H]."""
        return self._scorer.finish(states)

    def expects(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether some next token has a bonus that may outweigh the nets, [H]."""
        return self._scorer.expects(states)


def adds_nothing(scorer: Scorer) -> bool:
    """Whether it need not be asked."""
    return isinstance(scorer, JointScorer) and scorer.is_empty
