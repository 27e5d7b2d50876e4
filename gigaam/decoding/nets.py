"""What a search asks of the nets, whatever runs them.

Shapes: B recordings, H hypotheses, T frames, W frames of a block, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.log_probs import LogProbs

__all__ = ["BLOCK_FRAMES", "Emitting", "Encoded", "States", "Transducer", "Transducing"]

# Measured with a 320-wide predictor and 34 or 1025 classes on batches of 1, 8 and 32: wide enough
# that most calls find a token (one per 2 frames for characters, per 7 for pieces), narrow enough
# that few joined frames are thrown away. 4 to 12 are within 20 % of each other.
BLOCK_FRAMES = 6
"""Frames that a search joins in one call."""


class Encoded(Protocol):
    """A batch of encoded recordings; only the backend knows what else is in it."""

    @property
    def lengths(self) -> Sequence[int] | NDArray[Any]:
        """Encoder frames of each recording, int [B]."""


EncodedT = TypeVar("EncodedT", bound=Encoded)
EncodedIn = TypeVar("EncodedIn", bound=Encoded, contravariant=True)
StatesT = TypeVar("StatesT", bound="States")


class Emitting(Protocol[EncodedIn]):
    """Nets with a CTC head."""

    def emissions(self, encoded: EncodedIn) -> LogProbs:
        """Log-probabilities [B, T, V]; past a recording's own frames they are unspecified."""


class States(Protocol):
    """Where the prediction network stands in each of H hypotheses; values that never change."""

    def select(self: StatesT, index: NDArray[np.int64]) -> StatesT:
        """Those of the hypotheses ``index`` [H'], which may repeat."""

    def joined(self: StatesT, others: StatesT) -> StatesT:
        """These and then ``others`` [H + H']."""


class Transducer(Protocol[StatesT]):
    """One batch of encoded recordings under a transducer's prediction and joint networks.

    Hypotheses are counted by themselves: a recording may have one, many or none.
    """

    def start(self) -> StatesT:
        """The state before the first token, for one hypothesis of each recording, in order.

        Its memory is zero, and a zero vector stands in place of an embedding.
        """

    def advance(
        self, states: StatesT, labels: NDArray[np.int64], index: NDArray[np.int64] | None = None
    ) -> StatesT:
        """The states [H] after one more label each.

        Args:
            states: Of H hypotheses.
            labels: int [H'].
            index: The hypotheses that get them [H'], each of which is named once; the others stay
                as they are. By default all, in order.
        """

    def join(
        self,
        states: StatesT,
        recordings: NDArray[np.int64],
        first_frames: NDArray[np.int64],
        width: int,
    ) -> LogProbs:
        """Log-probabilities [H, width, V] of ``width`` frames from each first one on.

        Frames past a recording's end repeat its last one; searches ignore them.

        Args:
            states: Of H hypotheses.
            recordings: Whose frames they hear, int [H].
            first_frames: int [H].
            width: Frames of a block.
        """


class Transducing(Protocol[EncodedIn]):
    """Nets with an RNN-T head."""

    def transducer(self, encoded: EncodedIn) -> Transducer[Any]:
        """The batch as an RNN-T search sees it."""
