"""What training minimises: the loss of a model over batches with parts of their log-mel hidden.

Shapes: B batch, F mel bands, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.decoder import CTCHead
from gigaam.errors import ArgumentError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.training.augment import SpectrogramMasks
from gigaam.training.dropout import dropping
from gigaam.training.loader import Batch
from gigaam.training.losses import LATTICE_ELEMENTS, CTCLoss, loss_of


@dataclass(frozen=True)
class LossOptions:
    """What is minimised.

    Attributes:
        auxiliary_ctc: weight of the loss of a CTC head beside a transducer. A transducer finds
            the alignment late; the encoder learns it sooner from CTC.
        lattice_elements: most elements of a transducer's lattice in memory at once.
    """

    auxiliary_ctc: float = 0.0
    lattice_elements: int = LATTICE_ELEMENTS


class Objective(nn.Module):
    """The loss of a model, and what is trained only for its sake.

    Args:
        model: what is trained; its head's type says which loss.
        options: of the loss.
    """

    def __init__(self, model: GigaAMASR, options: LossOptions | None = None) -> None:
        super().__init__()
        options = options or LossOptions()
        if options.auxiliary_ctc and isinstance(model.head, CTCHead):
            raise ArgumentError("auxiliary_ctc is for transducers: this model has a CTC head")
        self.model = model
        self._loss = loss_of(model.head, options.lattice_elements)
        self._auxiliary_weight = options.auxiliary_ctc
        self.auxiliary: CTCHead | None = None
        if options.auxiliary_ctc:
            self.auxiliary = CTCHead(model.encoder.d_model, model.decoding.blank_id + 1)

    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        """The loss of a batch, a scalar: the sum over its examples.

        Args:
            batch: The examples.
            freeze_encoder: Leave the encoder without gradients.
        """
        encoded, lengths = encode(self.model, batch, freeze_encoder)
        target = (encoded, lengths, batch.labels, batch.label_lengths)
        with torch.autocast(encoded.device.type, enabled=False):
            loss = self._loss(*target)
            if self.auxiliary is not None:
                loss = loss + self._auxiliary_weight * CTCLoss(self.auxiliary)(*target)
        return loss


class EmotionObjective(nn.Module):
    """The cross-entropy of an emotion model; an example's one label is its emotion.

    Args:
        model: what is trained.
    """

    def __init__(self, model: GigaAMEmo) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        """The loss of a batch; see `Objective.forward`."""
        encoded, lengths = encode(self.model, batch, freeze_encoder)
        with torch.autocast(encoded.device.type, enabled=False):
            logits = self.model.logits(encoded, lengths)
        return F.cross_entropy(logits, batch.labels[:, 0], reduction="sum")


def encode(model: GigaAM, batch: Batch, freeze_encoder: bool) -> tuple[Tensor, Tensor]:
    """Encodings float32 [B, D, T] of the examples, parts of their log-mel hidden, and lengths [B].

    The front-end always computes in float32, the encoder as autocast says.

    Args:
        model: What is trained.
        batch: The examples.
        freeze_encoder: Leave the encoder without gradients.
    """
    with torch.no_grad(), torch.autocast(batch.wav.device.type, enabled=False):
        features, frames = model.preprocessor(batch.wav, batch.lengths)
        hide(features, frames, batch.masks)
    learns = torch.is_grad_enabled() and not freeze_encoder
    with torch.set_grad_enabled(learns), dropping(batch.seed):
        encoded, lengths = model.encoder(features, frames)
    return encoded.float(), lengths


def hide(features: Tensor, frames: Tensor, masks: Sequence[SpectrogramMasks]) -> None:
    """Replaces masked parts by the example's mean, in place; features float32 [B, F, T]."""
    for example, n, mask in zip(features, frames.tolist(), masks, strict=True):
        mean = example[:, :n].mean()
        for first, stop in mask.bins:
            example[first:stop] = mean
        for first, stop in mask.frames:
            example[:, first:stop] = mean
