"""The CTC loss and the RNN-T loss of a batch of encodings.

Shapes: B batch, D encoder width, T frames, U labels, V classes (the last is blank), J joint width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.decoder import CTCHead, RNNTHead, RNNTJoint
from gigaam.errors import ArgumentError
from gigaam.requirements import import_torchaudio

LATTICE_ELEMENTS = 1 << 19
"""Largest number of elements of a lattice computed at once: 2 MB, which fit into a CPU's cache.

The lattices of 40 s of speech have some 30 million elements; in blocks they take half the time.
Measured with 34 classes and a joint of width 160: 2^18 to 2^20 are equally fast, from 2^21 on it is
slower.
"""


class Loss(Protocol):
    """The loss of a head."""

    def __call__(
        self, encoded: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor
    ) -> Tensor:
        """Negative log-likelihood of the labels, a scalar: the sum over the batch.

        Args:
            encoded: float32 [B, D, T], unspecified past a recording's own frames.
            lengths: int [B], frames; at least one each.
            labels: int [B, U], padded with any class.
            label_lengths: int [B]; 0 for recordings in which nobody speaks.
        """


def loss_of(head: CTCHead | RNNTHead, lattice_elements: int = LATTICE_ELEMENTS) -> Loss:
    """The loss that trains a head.

    Args:
        head: Turns encodings into probabilities.
        lattice_elements: See `RNNTLoss`.
    """
    return CTCLoss(head) if isinstance(head, CTCHead) else RNNTLoss(head, lattice_elements)


class CTCLoss:
    """Connectionist temporal classification; labels that do not fit into the frames cost nothing.

    Args:
        head: Computes log-probabilities.
    """

    def __init__(self, head: CTCHead) -> None:
        self._head = head

    def __call__(
        self, encoded: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor
    ) -> Tensor:
        """The loss of a batch; see `Loss`."""
        log_probs: Tensor = self._head(encoded)
        return F.ctc_loss(
            log_probs.transpose(0, 1),
            labels,
            lengths.long(),
            label_lengths,
            blank=log_probs.size(-1) - 1,
            reduction="sum",
            zero_infinity=True,
        )


class RNNTLoss:
    """The transducer's loss (arXiv 1211.3711); the whole lattice is never in memory at once.

    Every recording's lattice is computed a few frames at a time, without padding: once for the
    loss, and again for its gradient. In between, only two of the V numbers per node are kept, the
    log-probabilities of blank and of the next label: paths use no others.

    Args:
        head: Predictor and joint.
        lattice_elements: Largest number of elements of a block's tensors, hidden [frames, U+1, J]
            and log-probabilities [frames, U+1, V] together; a block has at least one frame.
    """

    def __init__(self, head: RNNTHead, lattice_elements: int = LATTICE_ELEMENTS) -> None:
        if lattice_elements < 1:
            raise ArgumentError(f"lattice_elements must be at least 1, not {lattice_elements}")
        self._head, self._lattice_elements = head, lattice_elements

    def __call__(
        self, encoded: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor
    ) -> Tensor:
        """The loss of a batch; see `Loss`."""
        joint = self._head.joint
        lattice = _Lattice(joint, lengths, labels, label_lengths, self._lattice_elements)
        projected = (
            joint.enc(encoded.transpose(1, 2)),
            joint.pred(self._head.decoder.before_each(labels)),
        )
        if not torch.is_grad_enabled():
            return lattice.path_loss(lattice.steps(*projected))
        trained = (weight for weight in joint.joint_net.parameters() if weight.requires_grad)
        loss: Tensor = _LatticeLoss.apply(lattice, *projected, *trained)
        return loss


class _Block(NamedTuple):
    """Some frames of one recording's lattice; indexes tensors [B, T, U+1, …]."""

    row: int
    frames: slice
    said: slice


class _Lattice:
    """The nodes (frame, labels emitted) of every recording of a batch, computed in blocks.

    Args:
        joint: Computes their log-probabilities.
        lengths: int [B], frames.
        labels: int [B, U].
        label_lengths: int [B].
        max_elements: Largest number of elements of a block.
    """

    def __init__(
        self,
        joint: RNNTJoint,
        lengths: Tensor,
        labels: Tensor,
        label_lengths: Tensor,
        max_elements: int,
    ) -> None:
        self._joint, self._lengths, self._label_lengths = joint, lengths, label_lengths
        self._blank = cast(nn.Linear, joint.joint_net[-1]).out_features - 1
        self._next = F.pad(labels, (0, 1))  # nothing follows the last label: any class will do
        self._blocks = list(self._divided(max_elements))

    def _divided(self, max_elements: int) -> Iterator[_Block]:
        node_elements = self._joint.enc.out_features + self._blank + 1
        sizes = zip(self._lengths.tolist(), self._label_lengths.tolist(), strict=True)
        for row, (frames, labels) in enumerate(sizes):
            step = max(1, max_elements // ((labels + 1) * node_elements))
            for first in range(0, frames, step):
                yield _Block(row, slice(first, min(first + step, frames)), slice(labels + 1))

    def steps(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """The log-probabilities that paths use: float32 [B, T, U+1, 2], T and U the largest.

        Args:
            encoded: Projected encodings [B, T, J].
            predicted: Projected predictions [B, U+1, J].
        """
        shape = (len(encoded), int(self._lengths.max()), int(self._label_lengths.max()) + 1, 2)
        steps = torch.zeros(shape, device=encoded.device)
        for block in self._blocks:
            row, frames, said = block
            steps[block] = self._block_steps(block, encoded[row, frames], predicted[row, said])
        return steps

    def path_loss(self, steps: Tensor) -> Tensor:
        """Negative log-likelihood of all paths, a scalar, given `steps`."""
        torchaudio = import_torchaudio()  # here, since inference does without it
        # A lattice of two classes: 0 is the next label, whichever it is, and 1 is blank.
        labels = torch.zeros(len(steps), steps.size(2) - 1, dtype=torch.int32, device=steps.device)
        loss: Tensor = torchaudio.functional.rnnt_loss(
            steps,
            labels,
            self._lengths.int(),
            self._label_lengths.int(),
            blank=1,
            reduction="sum",
            fused_log_softmax=False,
        )
        return loss

    def gradients(
        self, slopes: Tensor, encoded: Tensor, predicted: Tensor, weights: Sequence[Tensor]
    ) -> list[Tensor]:
        """Gradients of encodings, predictions and the joint's weights, given those of `steps`."""
        totals = [torch.zeros_like(tensor) for tensor in (encoded, predicted, *weights)]
        for block in self._blocks:
            row, frames, said = block
            inputs = [
                encoded[row, frames].detach().requires_grad_(),
                predicted[row, said].detach().requires_grad_(),
            ]
            with torch.enable_grad():
                steps = self._block_steps(block, *inputs)
                parts = torch.autograd.grad(steps, [*inputs, *weights], slopes[block])
            places = [totals[0][row, frames], totals[1][row, said], *totals[2:]]
            for place, part in zip(places, parts, strict=True):
                place += part
        return totals

    def _block_steps(self, block: _Block, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Log-probabilities [frames, U+1, 2] of the next label and of blank in a block.

        Args:
            block: The block.
            encoded: Projected encodings [frames, J] of its frames.
            predicted: Projected predictions [U+1, J] of its recording.
        """
        log_probs = self._joint.combine(encoded[:, None], predicted)
        label = self._next[block.row, block.said]
        classes = torch.stack([label, torch.full_like(label, self._blank)], -1)
        return log_probs.gather(-1, classes.expand(len(encoded), -1, -1)).float()


class _LatticeLoss(torch.autograd.Function):
    """The loss as a function of projected encodings, predictions and the joint's weights.

    Gradients are computed along with the loss, so their intermediate results need not be kept.
    """

    @staticmethod
    def forward(
        ctx: Any, lattice: _Lattice, encoded: Tensor, predicted: Tensor, *weights: Tensor
    ) -> Tensor:
        """The loss, a scalar; see `_Lattice.steps`."""
        steps = lattice.steps(encoded, predicted)
        with torch.enable_grad():
            loss = lattice.path_loss(steps.requires_grad_())
            (slopes,) = torch.autograd.grad(loss, steps)
        ctx.save_for_backward(*lattice.gradients(slopes, encoded, predicted, weights))
        return loss.detach()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of the arguments."""
        (slope,) = slopes
        return None, *(gradient * slope for gradient in ctx.saved_tensors)
