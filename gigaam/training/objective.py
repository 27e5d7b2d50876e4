"""What every task minimises: the loss of a model over batches whose log-mel is partly hidden.

Shapes: B batch, F mel bands, T frames, D encoder width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gigaam.model import GigaAM
from gigaam.training.augment import SpectrogramMasks
from gigaam.training.dropout import dropping
from gigaam.training.loader import Batch
from gigaam.training.losses import LATTICE_ELEMENTS

__all__ = ["LossOptions", "Objective", "encode", "hide"]


@dataclass(frozen=True)
class LossOptions:
    """The loss of a recogniser.

    Attributes:
        auxiliary_ctc: Weight of the loss of a CTC head trained along with a transducer. A
            transducer finds the alignment late; CTC teaches it to the encoder sooner.
        lattice_elements: Largest number of elements of a transducer's lattice held in memory at
            once.
    """

    auxiliary_ctc: float = 0.0
    lattice_elements: int = LATTICE_ELEMENTS


class Objective(nn.Module):
    """The loss of a model, together with whatever is trained only for its sake.

    Attributes:
        model: The model that is trained.
    """

    model: GigaAM

    @abstractmethod
    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        """The loss of a batch, a scalar: the sum over its examples.

        Args:
            batch: The examples.
            freeze_encoder: Compute no gradients for the encoder.
        """


def encode(model: GigaAM, batch: Batch, freeze_encoder: bool) -> tuple[Tensor, Tensor]:
    """Encodings float32 [B, D, T] of partly hidden log-mels, and their lengths int64 [B].

    The front-end always computes in float32, the encoder as autocast says.

    Args:
        model: The model that is trained.
        batch: The examples.
        freeze_encoder: Compute no gradients for the encoder.
    """
    with torch.no_grad(), torch.autocast(batch.wav.device.type, enabled=False):
        features, frames = model.preprocessor(batch.wav, batch.lengths)
        hide(features, frames, batch.masks)
    learns = torch.is_grad_enabled() and not freeze_encoder
    with torch.set_grad_enabled(learns), dropping(batch.seed):
        encoded, lengths = model.encoder(features, frames)
    return encoded.float(), lengths


def hide(features: Tensor, frames: Tensor, masks: Sequence[SpectrogramMasks]) -> None:
    """Replaces masked parts by the example's mean, in place.

    Args:
        features: float32 [B, F, T], log-mel.
        frames: int64 [B]; frames past these are padding.
        masks: One per example.
    """
    for example, n, mask in zip(features, frames.tolist(), masks, strict=True):
        mean = example[:, :n].mean()
        for first, stop in mask.bins:
            example[first:stop] = mean
        for first, stop in mask.frames:
            example[:, first:stop] = mean
