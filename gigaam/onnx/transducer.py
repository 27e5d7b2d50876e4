"""Predictor and joint network of an exported transducer, as the search asks for them.

Shapes: B batch, D encoder width, T frames, P predictor width, V classes, A active rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.onnx.metadata import GraphMetadata
from gigaam.onnx.nets import Net

__all__ = ["OnnxTransducer"]

Float = NDArray[np.float32]
Whole = NDArray[np.int64]


@dataclass
class GraphState:
    """What the graphs need to go on with B recordings."""

    h: Float
    """[layers, B, P]."""
    c: Float
    """[layers, B, P]."""
    predicted: Float
    """[B, P]."""


class OnnxTransducer:
    """Two graphs as the `Transducer` of `gigaam.decoding`, whose methods these are.

    Args:
        described: Tells the sizes.
        decoder: The predictor.
        joint: The joint network.
        encoded: float32 [B, D, T].
    """

    def __init__(self, described: GraphMetadata, decoder: Net, joint: Net, encoded: Float) -> None:
        self._decoder, self._joint = decoder, joint
        self._states = np.zeros((described.layers, len(encoded), described.width), np.float32)
        self._blank = len(described.build_tokenizer().pieces)
        self._encoded = encoded

    def start(self) -> GraphState:
        """See `Transducer`; blank stands for the zero vector."""
        labels = np.full(len(self._encoded), self._blank, np.int64)
        predicted, h, c = self._predict(labels, self._states, self._states)
        return GraphState(h, c, predicted)

    def advance(self, state: GraphState, rows: Whole, labels: Whole) -> GraphState:
        """See `Transducer`."""
        if len(rows) == len(state.predicted):  # rows never repeat, so these are all
            predicted, h, c = self._predict(labels, state.h, state.c)
            return GraphState(h, c, predicted)
        predicted, h, c = self._predict(labels, state.h[:, rows], state.c[:, rows])
        state.h[:, rows], state.c[:, rows], state.predicted[rows] = h, c, predicted
        return state

    def join(self, state: GraphState, rows: Whole, first_frames: Whole, width: int) -> Float:
        """See `Transducer`."""
        first, end = int(first_frames[0]), int(first_frames[0]) + width
        if len(rows) == 1 and end <= self._encoded.shape[2]:
            block = self._encoded[rows[0], :, first:end][None]
        else:
            last = self._encoded.shape[2] - 1
            frames = np.minimum(first_frames[:, None] + np.arange(width), last)
            block = self._encoded[rows[:, None], :, frames].transpose(0, 2, 1)
        (joined,) = self._joint(np.ascontiguousarray(block), state.predicted[rows][:, :, None])
        if joined.shape[:3] != (len(rows), width, 1):
            self._joint.refuse(f"an array of shape {joined.shape}")
        log_probs: Float = joined[:, :, 0]
        return log_probs

    def _predict(self, labels: Whole, h: Float, c: Float) -> tuple[Float, Float, Float]:
        fed = (labels[:, None], np.ascontiguousarray(h), np.ascontiguousarray(c))
        predicted, new_h, new_c = self._decoder(*fed)
        if predicted.shape[:2] != (len(labels), 1) or not h.shape == new_h.shape == new_c.shape:
            self._decoder.refuse(f"{predicted.shape}, {new_h.shape}, {new_c.shape} as new states")
        return predicted[:, 0], new_h, new_c
