"""Predictor and joint network of an exported transducer, as the search asks for them.

Shapes: B batch, H hypotheses, D encoder width, T frames, P predictor width, V classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.onnx.metadata import GraphMetadata
from gigaam.onnx.nets import Net

__all__ = ["OnnxTransducer"]

Float = NDArray[np.float32]


class GraphStates(NamedTuple):  # made once a token: a dataclass that is frozen takes 1 µs
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

    def joined(self, others: GraphStates) -> GraphStates:
        """These and then others."""
        return GraphStates(
            np.concatenate([self.h, others.h], axis=1),
            np.concatenate([self.c, others.c], axis=1),
            np.concatenate([self.predicted, others.predicted]),
        )


class OnnxTransducer:
    """One batch of encodings, as `gigaam.decoding.nets.Transducer`.

    8-bit products share one range over a call's inputs, so there each hypothesis has calls of its
    own: what it gives must not depend on the others.

    Args:
        metadata: Tells the sizes.
        blank: The label that stands for a zero vector.
        decoder: The predictor.
        joint: The joint network.
        encoded: float32 [B, D, T].
    """

    def __init__(
        self, metadata: GraphMetadata, blank: int, decoder: Net, joint: Net, encoded: Float
    ) -> None:
        self._decoder, self._joint = decoder, joint
        self._memory = np.zeros((metadata.layers, len(encoded), metadata.width), np.float32)
        self._blank = blank
        self._encoded = encoded
        self._alone = metadata.dtype == "int8"

    def start(self) -> GraphStates:
        """The states before the first label: blank stands for a zero vector."""
        labels = np.full(len(self._encoded), self._blank, np.int64)
        return self._predict(labels, self._memory, self._memory)

    def advance(
        self,
        states: GraphStates,
        labels: NDArray[np.int64],
        index: NDArray[np.int64] | None = None,
    ) -> GraphStates:
        """The states after one more label each, or of the hypotheses ``index`` alone."""
        if index is None:
            return self._predict(labels, states.h, states.c)
        new = self._predict(labels, states.h[:, index], states.c[:, index])
        h, c, predicted = states.h.copy(), states.c.copy(), states.predicted.copy()
        h[:, index], c[:, index], predicted[index] = new
        return GraphStates(h, c, predicted)

    def join(
        self,
        states: GraphStates,
        recordings: NDArray[np.int64],
        first_frames: NDArray[np.int64],
        width: int,
    ) -> LogProbs:
        """Log-probabilities [H, width, V] of ``width`` frames from ``first_frames`` on."""
        block, predicted = self._block(recordings, first_frames, width), states.predicted[..., None]
        parts = [self._join(block[rows], predicted[rows]) for rows in self._calls(len(block))]
        return ArrayLogProbs(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _join(self, block: Float, predicted: Float) -> Float:
        """Log-probabilities [H, W, V] of encodings [H, D, W] and predictions [H, P, 1]."""
        (joined,) = self._joint(block, predicted)
        if joined.shape[:3] != (len(block), block.shape[2], 1):
            self._joint.refuse(f"an array of shape {joined.shape}")
        log_probs: Float = joined[:, :, 0]
        return log_probs

    def _calls(self, hypotheses: int) -> list[slice]:
        """Which hypotheses go through a net together."""
        if not self._alone or hypotheses < 2:
            return [slice(None)]
        return [slice(row, row + 1) for row in range(hypotheses)]

    def _block(
        self, recordings: NDArray[np.int64], first_frames: NDArray[np.int64], width: int
    ) -> Float:
        """Encodings [H, D, width]; an index of every frame takes three times as long."""
        block = np.empty((len(recordings), self._encoded.shape[1], width), np.float32)
        for row, (recording, first) in enumerate(
            zip(recordings.tolist(), first_frames.tolist(), strict=True)
        ):
            frames = self._encoded[recording, :, first : first + width]
            found = frames.shape[1]
            if found < width:
                block[row, :, found:] = self._encoded[recording, :, -1:]
            block[row, :, :found] = frames
        return block

    def _predict(self, labels: NDArray[np.int64], h: Float, c: Float) -> GraphStates:
        parts = [
            self._step(labels[rows], h[:, rows], c[:, rows]) for rows in self._calls(len(labels))
        ]
        if len(parts) == 1:
            return parts[0]
        new_h, new_c, predicted = zip(*parts, strict=True)
        return GraphStates(
            np.concatenate(new_h, axis=1), np.concatenate(new_c, axis=1), np.concatenate(predicted)
        )

    def _step(self, labels: NDArray[np.int64], h: Float, c: Float) -> GraphStates:
        fed = (labels[:, None], np.ascontiguousarray(h), np.ascontiguousarray(c))
        predicted, new_h, new_c = self._decoder(*fed)
        if predicted.shape[:2] != (len(labels), 1) or not h.shape == new_h.shape == new_c.shape:
            self._decoder.refuse(f"{predicted.shape}, {new_h.shape}, {new_c.shape} as new states")
        return GraphStates(new_h, new_c, predicted[:, 0])
