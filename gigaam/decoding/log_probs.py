"""Log-probabilities of classes, of which a search takes what it needs.

They lie where the nets computed them: of a whole row on a GPU, only the best classes need travel.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrayLogProbs", "LogProbs"]


class LogProbs(Protocol):
    """Log-probabilities [..., V], natural logarithms."""

    @property
    def classes(self) -> int:
        """V, the tokens and blank."""

    def best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The most probable class and its log-probability, [...] each."""

    def top(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` most probable classes and their log-probabilities, [..., k], best first."""

    def of(self, label: int) -> NDArray[np.float32]:
        """Those of one class, [...]."""

    def numpy(self) -> NDArray[np.float32]:
        """All of them."""


class ArrayLogProbs:
    """Log-probabilities in the machine's memory.

    Args:
        values: float32 [..., V].
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values = values

    @property
    def classes(self) -> int:
        """V, the tokens and blank."""
        return int(self._values.shape[-1])

    def best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The most probable class and its log-probability, [...] each."""
        labels = self._values.argmax(axis=-1)
        # What `_at` does, without its checks, which take longer than the search's other steps.
        rows = np.arange(0, self._values.size, self.classes).reshape(labels.shape)
        return labels, self._values.take(rows + labels)

    def top(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` most probable classes and their log-probabilities, [..., k], best first."""
        k = min(k, self.classes)
        found = np.argpartition(self._values, -k, axis=-1)[..., -k:]
        order = np.argsort(-self._at(found), axis=-1, kind="stable")
        labels = np.take_along_axis(found, order, axis=-1)
        return labels, self._at(labels)

    def of(self, label: int) -> NDArray[np.float32]:
        """Those of one class, [...]."""
        return self._values[..., label]

    def numpy(self) -> NDArray[np.float32]:
        """All of them."""
        return self._values

    def _at(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.take_along_axis(self._values, labels, axis=-1)
