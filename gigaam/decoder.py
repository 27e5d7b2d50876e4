"""Heads that turn encodings into token probabilities: CTC and RNN-T.

Shapes: B batch, T frames, U labels, V classes (the last is blank), D encoder width, P predictor
width, J joint width, A active rows. Module names are keys of published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.published.exporting import JointNames, PredictorNames
from gigaam.shielding import computing, without_autocast

State = tuple[Tensor, Tensor]
"""Hidden and cell states of the predictor's LSTM, [layers, B, P] each."""


@dataclass(frozen=True)
class Encodings:
    """The encoder's results for one batch."""

    encoded: Tensor
    """float32 [B, D, T], unspecified past a recording's own frames."""
    lengths: NDArray[np.int64]
    """[B], frames of each recording."""


class CTCHead(nn.Module):
    """Token probabilities frame by frame.

    Args:
        feat_in: Encoder width.
        num_classes: Tokens and blank.
    """

    def __init__(self, feat_in: int, num_classes: int) -> None:
        super().__init__()
        self.decoder_layers = nn.Sequential(nn.Conv1d(feat_in, num_classes, 1))

    def forward(self, encoder_output: Tensor) -> Tensor:
        """Log-probabilities float32 [B, T, V] of encodings [B, D, T]."""
        projection: nn.Conv1d = self.decoder_layers[0]  # type: ignore[assignment]
        weight = projection.weight[..., 0]
        logits = F.linear(encoder_output.transpose(1, 2).to(weight.dtype), weight, projection.bias)
        return logits.float().log_softmax(-1)

    def emissions(self, encodings: Encodings) -> LogProbs:
        """Log-probabilities [B, T, V] of a batch, for a search."""
        with torch.inference_mode(), without_autocast(encodings.encoded.device):
            return log_probs_of(self(encodings.encoded))


class RNNTDecoder(nn.Module, PredictorNames):
    """Prediction network: labels so far → what may come next. Its LSTM has time first."""

    def __init__(self, pred_hidden: int, pred_rnn_layers: int, num_classes: int) -> None:
        super().__init__()
        self.pred_hidden = pred_hidden
        # Of the usual variance 1, but uniform: drawing normal numbers on the meta device, where
        # models are built before their weights are read, makes torch import 900 modules.
        vectors = torch.empty(num_classes, pred_hidden).uniform_(-(3**0.5), 3**0.5)
        vectors[-1] = 0.0
        self.embed = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
            vectors, freeze=False, padding_idx=num_classes - 1
        )
        self.lstm = nn.LSTM(pred_hidden, pred_hidden, pred_rnn_layers)

    def predict(
        self, x: Tensor | None, state: State | None = None, batch_size: int = 1
    ) -> tuple[Tensor, State]:
        """Predictions [B, U, P] after each of some more labels, and the state after the last.

        Args:
            x: int [B, U]; None is the start, for which a zero vector stands in place of a label.
            state: Before these labels; None is all zeros.
            batch_size: B of the start.
        """
        return self._run(self._start(batch_size) if x is None else self.embed(x), state)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`predict` as exported graphs have it: labels and states in, predictions and states out.

        Args:
            x: int [B, U].
            h: [layers, B, P].
            c: [layers, B, P].
        """
        predictions, (h, c) = self.predict(x, (h, c))
        return predictions, h, c

    def before_each(self, labels: Tensor) -> Tensor:
        """Predictions [B, U+1, P] before each of the labels [B, U] and after the last."""
        embedded = torch.cat([self._start(labels.size(0)), self.embed(labels)], 1)
        predictions, _ = self._run(embedded, None)
        return predictions

    def _start(self, batch_size: int) -> Tensor:
        zeros: Tensor = self.embed.weight.new_zeros(batch_size, 1, self.pred_hidden)
        return zeros

    def _run(self, embedded: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The LSTM over vectors [B, U, P]."""
        after: State
        predictions, after = self.lstm(embedded.transpose(0, 1), state)
        return predictions.transpose(0, 1), after

    def step(self, inputs: Tensor, h: Tensor, c: Tensor) -> State:
        """New LSTM states [layers, A, P] after one more input [A, P]."""
        hidden, cells = [], []
        for layer, weights in enumerate(self.lstm.all_weights):
            inputs, cell = torch.lstm_cell(inputs, (h[layer], c[layer]), *weights)
            hidden.append(inputs)
            cells.append(cell)
        return torch.stack(hidden), torch.stack(cells)


class RNNTJoint(nn.Module, JointNames):
    """Joint network: an encoding and a prediction → token probabilities."""

    def __init__(
        self, enc_hidden: int, pred_hidden: int, joint_hidden: int, num_classes: int
    ) -> None:
        super().__init__()
        self.enc = nn.Linear(enc_hidden, joint_hidden)
        self.pred = nn.Linear(pred_hidden, joint_hidden)
        self.joint_net = nn.Sequential(nn.ReLU(), nn.Linear(joint_hidden, num_classes))

    def joint(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        """Log-probabilities [B, T, U, V] of encodings [B, T, D] and predictions [B, U, P]."""
        return self.combine(self.enc(encoder_out)[:, :, None], self.pred(decoder_out)[:, None])

    def forward(self, enc: Tensor, dec: Tensor) -> Tensor:
        """`joint` of what has time last: [B, D, T] and [B, P, U] → [B, T, U, V]."""
        return self.joint(enc.transpose(1, 2), dec.transpose(1, 2))

    def combine(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Log-probabilities float32 [..., V] of projected encodings and predictions [..., J]."""
        logits: Tensor = self.joint_net(encoded + predicted)
        return logits.float().log_softmax(-1)


class RNNTHead(nn.Module):
    """Prediction and joint networks of a transducer (arXiv 1211.3711).

    Args:
        decoder: pred_hidden, pred_rnn_layers and num_classes of `RNNTDecoder`.
        joint: enc_hidden, pred_hidden, joint_hidden and num_classes of `RNNTJoint`.
    """

    def __init__(self, decoder: Mapping[str, int], joint: Mapping[str, int]) -> None:
        super().__init__()
        self.decoder = RNNTDecoder(**decoder)
        self.joint = RNNTJoint(**joint)

    def forward(self, encoder_output: Tensor, labels: Tensor) -> Tensor:
        """Log-probabilities [B, T, U+1, V] of the whole lattice, for training.

        Args:
            encoder_output: float32 [B, D, T].
            labels: int [B, U].
        """
        lattice: Tensor = self.joint.joint(
            encoder_output.transpose(1, 2), self.decoder.before_each(labels)
        )
        return lattice

    def transducer(self, encodings: Encodings) -> TorchTransducer:
        """A batch as an RNN-T search sees it."""
        return TorchTransducer(self, encodings.encoded)


@dataclass(frozen=True)
class TorchStates:
    """Where the predictor stands in each of H hypotheses."""

    h: Tensor
    """[layers, H, P]."""
    c: Tensor
    """[layers, H, P]."""
    predicted: Tensor
    """Projected predictions [H, J]."""

    def select(self, index: NDArray[np.int64]) -> TorchStates:
        """Those of the hypotheses ``index``."""
        rows = _tensor(index, self.h.device)
        return TorchStates(
            self.h.index_select(1, rows),
            self.c.index_select(1, rows),
            self.predicted.index_select(0, rows),
        )

    def joined(self, others: TorchStates) -> TorchStates:
        """These and then others."""
        return TorchStates(
            torch.cat([self.h, others.h], 1),
            torch.cat([self.c, others.c], 1),
            torch.cat([self.predicted, others.predicted]),
        )


class TorchTransducer:
    """One batch of encodings, as `gigaam.decoding.nets.Transducer`.

    Args:
        head: The transducer's networks.
        encoded: [B, D, T].
    """

    def __init__(self, head: RNNTHead, encoded: Tensor) -> None:
        self._head = head
        self.device = encoded.device
        self._projected = self._project(encoded)  # [B, T, J], once

    @computing
    def _project(self, encoded: Tensor) -> Tensor:
        projection = self._head.joint.enc
        projected: Tensor = projection(encoded.transpose(1, 2).to(projection.weight.dtype))
        return projected

    @computing
    def start(self) -> TorchStates:
        """The states before the first label: zeros in place of memory and of a label."""
        decoder = self._head.decoder
        rows, layers = self._projected.size(0), decoder.lstm.num_layers
        zeros = self._projected.new_zeros(layers, rows, decoder.pred_hidden)
        return self._states(*decoder.step(zeros[0], zeros, zeros))

    @computing
    def advance(
        self,
        states: TorchStates,
        labels: NDArray[np.int64],
        index: NDArray[np.int64] | None = None,
    ) -> TorchStates:
        """The states after one more label each, or of the hypotheses ``index`` alone."""
        decoder = self._head.decoder
        inputs = decoder.embed(_tensor(labels, self.device))
        if index is None:
            return self._states(*decoder.step(inputs, states.h, states.c))
        rows = _tensor(index, self.device)
        new = self._states(
            *decoder.step(inputs, states.h.index_select(1, rows), states.c.index_select(1, rows))
        )
        return TorchStates(
            states.h.index_copy(1, rows, new.h),
            states.c.index_copy(1, rows, new.c),
            states.predicted.index_copy(0, rows, new.predicted),
        )

    @computing
    def join(
        self,
        states: TorchStates,
        recordings: NDArray[np.int64],
        first_frames: NDArray[np.int64],
        width: int,
    ) -> LogProbs:
        """Log-probabilities [H, width, V] of ``width`` frames from ``first_frames`` on."""
        frames = _tensor(first_frames, self.device)[:, None]
        frames = frames + torch.arange(width, device=self.device)
        frames = frames.clamp(max=self._projected.size(1) - 1)
        block = self._projected[_tensor(recordings, self.device)[:, None], frames]
        return log_probs_of(self._head.joint.combine(block, states.predicted[:, None]))

    def _states(self, h: Tensor, c: Tensor) -> TorchStates:
        return TorchStates(h, c, self._head.joint.pred(h[-1]))


class DeviceLogProbs:
    """Log-probabilities where a GPU computed them; see `gigaam.decoding.log_probs.LogProbs`.

    Args:
        values: float32 [..., V].
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values

    @property
    def classes(self) -> int:
        """V, the tokens and blank."""
        return self._values.size(-1)

    def best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The most probable class and its log-probability, [...] each."""
        log_probs, labels = self._values.max(-1)
        return labels.cpu().numpy(), log_probs.cpu().numpy()

    def top(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` most probable classes and their log-probabilities, [..., k], best first."""
        log_probs, labels = self._values.topk(min(k, self.classes))
        return labels.cpu().numpy(), log_probs.cpu().numpy()

    def of(self, label: int) -> NDArray[np.float32]:
        """Those of one class, [...]."""
        return self._values[..., label].cpu().numpy()

    def numpy(self) -> NDArray[np.float32]:
        """All of them."""
        return self._values.cpu().numpy()


def log_probs_of(values: Tensor) -> LogProbs:
    """Log-probabilities float32 [..., V], left where they are."""
    return ArrayLogProbs(values.numpy()) if values.device.type == "cpu" else DeviceLogProbs(values)


def _tensor(values: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device)
