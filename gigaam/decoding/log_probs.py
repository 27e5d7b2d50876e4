"""Log-probabilities of classes, of which a search takes what it needs.

They lie where the nets computed them: of a whole row on a GPU, only the best classes need travel.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ModelError

__all__ = ["ArrayLogProbs", "LogProbs", "check_classes"]

_FEW_CLASSES = 64  # to sort all takes less than to find the best


def check_classes(classes: int, blank_id: int) -> None:
    """That a head has a class for each token and one more, blank.

    Raises:
        ModelError: It has not.
    """
    if classes != blank_id + 1:
        raise ModelError(
            f"the head has {classes} classes, but {blank_id} tokens and a blank need "
            f"{blank_id + 1}: this tokenizer belongs to another model"
        )


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
        # `take_along_axis` does this with checks that take longer than the search's other steps.
        rows = np.arange(0, self._values.size, self.classes).reshape(labels.shape)
        return labels, self._values.take(rows + labels)

    def top(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` most probable classes and their log-probabilities, [..., k], best first."""
        k = min(k, self.classes)
        rows = self._values.reshape(-1, self.classes)
        starts = np.arange(len(rows))[:, None]
        if self.classes <= _FEW_CLASSES:
            labels = (-rows).argsort(axis=-1, kind="stable")[:, :k]
        else:
            found = rows.argpartition(self.classes - k, axis=-1)[:, self.classes - k :]
            order = (-rows[starts, found]).argsort(axis=-1, kind="stable")
            labels = found[starts, order]
        shape = (*self._values.shape[:-1], k)
        return labels.reshape(shape), rows[starts, labels].reshape(shape)

    def of(self, label: int) -> NDArray[np.float32]:
        """Those of one class, [...]."""
        return self._values[..., label]

    def numpy(self) -> NDArray[np.float32]:
        """All of them."""
        return self._values
