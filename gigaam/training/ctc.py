"""A CTC network as it is trained: features, SpecAugment, encoder, head, loss.

Shapes: B batch, n samples, F mel bands, T frames, V vocabulary with blank last, U characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.decoder import CTCHead
from gigaam.encoder import ConformerEncoder
from gigaam.model import build_part
from gigaam.preprocess import FeatureExtractor
from gigaam.training.augment import SpectrogramMasks


class CTCNetwork(nn.Module):
    """Front-end, encoder and CTC head, named as in checkpoints.

    Args:
        config: a model configuration with ``preprocessor``, ``encoder`` and ``head``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.preprocessor: FeatureExtractor = build_part(config["preprocessor"])
        self.encoder: ConformerEncoder = build_part(config["encoder"])
        self.head: CTCHead = build_part(config["head"])

    def forward(
        self, wav: Tensor, lengths: Tensor, masks: Sequence[SpectrogramMasks] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and their lengths.

        Args:
            wav: float32 [B, n], padded with anything.
            lengths: int [B], in samples.
            masks: what to hide of each example's log-mel; None hides nothing.

        Returns:
            Log-probabilities float32 [B, T, V] and lengths int [B] in frames.
        """
        with torch.no_grad():
            features, frames = self.preprocessor(wav, lengths)
            if masks is not None:
                hide(features, frames, masks)
        encoded, encoded_lengths = self.encoder(features, frames)
        return cast(Tensor, self.head(encoded)), encoded_lengths


def hide(features: Tensor, frames: Tensor, masks: Sequence[SpectrogramMasks]) -> None:
    """Replaces masked parts by the example's mean, in place; features float32 [B, F, T]."""
    for example, n, mask in zip(features, frames.tolist(), masks, strict=True):
        mean = example[:, :n].mean()
        for first, stop in mask.bins:
            example[first:stop] = mean
        for first, stop in mask.frames:
            example[:, first:stop] = mean


def ctc_loss(log_probs: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor) -> Tensor:
    """Negative log-likelihood of the whole batch, a scalar.

    Args:
        log_probs: float32 [B, T, V].
        lengths: int [B], frames.
        labels: int [B, U], padded with anything.
        label_lengths: int [B], characters.
    """
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        labels,
        lengths.long(),
        label_lengths,
        blank=log_probs.size(-1) - 1,
        reduction="sum",
        zero_infinity=True,
    )


def round_front_end(preprocessor: nn.Module) -> None:
    """Rounds window and mel matrix to bfloat16 values, as the v3 checkpoints hold them."""
    with torch.no_grad():
        for buffer in preprocessor.buffers():
            buffer.copy_(buffer.bfloat16().float())


class StandardizedConv1d(nn.Conv1d):
    """The same convolution, with parameters for standardized inputs.

    Log-mel values lie far from zero, which makes the first layer's weights and bias hard to learn
    together. This layer learns them for (x - mean) / std and computes with the equivalent ones for
    x, so that a plain ``Conv1d`` with `folded` parameters does exactly the same, edges included.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, plain: nn.Conv1d, mean: Tensor, std: Tensor) -> None:
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,  # type: ignore[arg-type]
            stride=plain.stride,  # type: ignore[arg-type]
            padding=plain.padding,  # type: ignore[arg-type]
        )
        self.load_state_dict(plain.state_dict())
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight [D, F, k] and bias [D] of the equivalent plain convolution."""
        assert self.bias is not None
        weight = self.weight / self.std[:, None]
        return weight, self.bias - (weight * self.mean[:, None]).sum((1, 2))

    def forward(self, input: Tensor) -> Tensor:
        """[B, F, T] → [B, D, T']."""
        weight, bias = self.folded()
        return F.conv1d(input, weight, bias, self.stride, self.padding)


def standardize_first_layer(network: CTCNetwork, mean: Tensor, std: Tensor) -> None:
    """Initialises the subsampling, its first convolution as a `StandardizedConv1d`.

    Args:
        network: a network with conv1d subsampling.
        mean: float32 [F], of each mel band over the training data.
        std: float32 [F].
    """
    stages = network.encoder.pre_encode.conv
    for stage in stages:
        # torch's default lets the signal fade to a tenth before the first layer.
        if isinstance(stage, nn.Conv1d):
            nn.init.kaiming_normal_(stage.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, stage.bias))
    stages[0] = StandardizedConv1d(cast(nn.Conv1d, stages[0]), mean, std)


def plain_state_dict(network: CTCNetwork) -> dict[str, Tensor]:
    """A copy of the weights for a network whose first layer is a plain convolution."""
    state = {key: value.detach().clone() for key, value in network.state_dict().items()}
    first = network.encoder.pre_encode.conv[0]
    if isinstance(first, StandardizedConv1d):
        weight, bias = first.folded()
        prefix = "encoder.pre_encode.conv.0."
        state[prefix + "weight"] = weight.detach().clone()
        state[prefix + "bias"] = bias.detach().clone()
        del state[prefix + "mean"], state[prefix + "std"]
    return state
