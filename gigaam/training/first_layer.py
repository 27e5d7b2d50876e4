"""The first convolution, trained on standardized log-mel but stored for plain log-mel.

Shapes: B batch, F mel bands, T frames, D model width, k kernel width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.model import GigaAM
from gigaam.preprocess import FeatureExtractor

_PREFIX = "encoder.pre_encode.conv.0."


class StandardizedConv1d(nn.Conv1d):
    """A convolution whose parameters are for standardized inputs.

    Log-mel values lie far from zero, which makes the first layer's weights and bias hard to learn
    together. This layer learns them for (x - mean) / std and computes with the equivalent ones for
    x, so a plain ``Conv1d`` with the `folded` parameters computes exactly the same, edges included.
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

    def unfolded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """This layer's weight and bias, given those of a plain convolution; inverse of `folded`."""
        return weight * self.std[:, None], bias + (weight * self.mean[:, None]).sum((1, 2))

    def forward(self, input: Tensor) -> Tensor:
        """[B, F, T] → [B, D, T']."""
        weight, bias = self.folded()
        return F.conv1d(input, weight, bias, self.stride, self.padding)


def standardize_first_layer(model: GigaAM, mean: Tensor, std: Tensor) -> None:
    """Initialises the subsampling, its first convolution as a `StandardizedConv1d`.

    Args:
        model: A model with conv1d subsampling.
        mean: float32 [F], mean of each mel band over the training data.
        std: float32 [F], standard deviation likewise.
    """
    stages = model.encoder.pre_encode.conv
    for stage in stages:
        # With torch's default the signal would shrink tenfold before the first layer.
        if isinstance(stage, nn.Conv1d):
            nn.init.kaiming_normal_(stage.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, stage.bias))
    stages[0] = StandardizedConv1d(cast(nn.Conv1d, stages[0]), mean, std)


def band_statistics(
    preprocessor: FeatureExtractor, waveforms: Iterable[NDArray[np.float32]]
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each mel band, float32 [F] each, over recordings.

    Args:
        preprocessor: The front-end.
        waveforms: float32 [n] each.
    """
    columns = []
    for samples in waveforms:
        with torch.no_grad():
            wav = torch.from_numpy(samples)[None]
            features, frames = preprocessor(wav, torch.tensor([len(samples)]))
        columns.append(features[0, :, : int(frames)])
    frames_by_band = torch.cat(columns, 1)
    return frames_by_band.mean(1), frames_by_band.std(1).clamp(min=0.1)


def plain_state_dict(model: GigaAM) -> dict[str, Tensor]:
    """A copy of the weights, for a model whose first layer is a plain convolution."""
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    first = model.encoder.pre_encode.conv[0]
    if isinstance(first, StandardizedConv1d):
        weight, bias = first.folded()
        state[_PREFIX + "weight"] = weight.detach().clone()
        state[_PREFIX + "bias"] = bias.detach().clone()
        del state[_PREFIX + "mean"], state[_PREFIX + "std"]
    return state
