"""Predictor and joint network of an exported transducer, as the search asks for them.

Shapes: B batch, H hypotheses, D encoder width, T frames, P predictor width, V classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.onnx.metadata import GraphMetadata
from gigaam.onnx.nets import Net

__all__ = ["OnnxTransducer"]

Float = NDArray[np.float32]


@dataclass(frozen=True)
class GraphStates:
    """Where the predictor stands in each of H hypotheses."""

    h: Float
    """[layers, H, P]."""
    c: Float
    """[layers, H, P]."""
    predicted: Float
    """[H, P]."""

    def select(self, index: NDArray[np.int64]) -> GraphStates:
        """Those of the hypotheses ``index``."""
        return GraphStates(self.h[:, index], self.c[:, index], self.predicted[index])

    def replaced(self, index: NDArray[np.int64], others: GraphStates) -> GraphStates:
        """These with ``others`` in the places ``index``."""
        h, c, predicted = self.h.copy(), self.c.copy(), self.predicted.copy()
        h[:, index], c[:, index], predicted[index] = others.h, others.c, others.predicted
        return GraphStates(h, c, predicted)


class OnnxTransducer:
    """One batch of encodings, as `gigaam.decoding.nets.Transducer`.

    Args:
        described: Tells the sizes.
        blank: The label that stands for a zero vector.
        decoder: The predictor.
        joint: The joint network.
        encoded: float32 [B, D, T].
    """

    def __init__(
        self, described: GraphMetadata, blank: int, decoder: Net, joint: Net, encoded: Float
    ) -> None:
        self._decoder, self._joint = decoder, joint
        self._memory = np.zeros((described.layers, len(encoded), described.width), np.float32)
        self._blank = blank
        self._encoded = encoded

    def start(self) -> GraphStates:
        """The states before the first label: blank stands for a zero vector."""
        labels = np.full(len(self._encoded), self._blank, np.int64)
        return self._predict(labels, self._memory, self._memory)

    def advance(self, states: GraphStates, labels: NDArray[np.int64]) -> GraphStates:
        """The states after one more label each."""
        return self._predict(labels, states.h, states.c)

    def join(
        self,
        states: GraphStates,
        recordings: NDArray[np.int64],
        first_frames: NDArray[np.int64],
        width: int,
    ) -> LogProbs:
        """Log-probabilities [H, width, V] of ``width`` frames from ``first_frames`` on."""
        first, end = int(first_frames[0]), int(first_frames[0]) + width
        if len(recordings) == 1 and end <= self._encoded.shape[2]:
            block = self._encoded[recordings[0], :, first:end][None]
        else:
            last = self._encoded.shape[2] - 1
            frames = np.minimum(first_frames[:, None] + np.arange(width), last)
            block = self._encoded[recordings[:, None], :, frames].transpose(0, 2, 1)
        (joined,) = self._joint(np.ascontiguousarray(block), states.predicted[:, :, None])
        if joined.shape[:3] != (len(recordings), width, 1):
            self._joint.refuse(f"an array of shape {joined.shape}")
        return ArrayLogProbs(joined[:, :, 0])

    def _predict(self, labels: NDArray[np.int64], h: Float, c: Float) -> GraphStates:
        fed = (labels[:, None], np.ascontiguousarray(h), np.ascontiguousarray(c))
        predicted, new_h, new_c = self._decoder(*fed)
        if predicted.shape[:2] != (len(labels), 1) or not h.shape == new_h.shape == new_c.shape:
            self._decoder.refuse(f"{predicted.shape}, {new_h.shape}, {new_c.shape} as new states")
        return GraphStates(new_h, new_c, predicted[:, 0])
