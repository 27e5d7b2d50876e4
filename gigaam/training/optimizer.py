"""The optimiser: how fast which weights are learnt, and the schedule of the learning rate."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.errors import ArgumentError

__all__ = ["OptimizerOptions", "adamw", "averaged", "decay_at"]

_LAYER = re.compile(r"(?:^|\.)encoder\.layers\.(\d+)\.")
_BELOW_LAYERS = re.compile(r"(?:^|\.)encoder\.pre_encode\.")


@dataclass(frozen=True)
class OptimizerOptions:
    """Options of the optimiser.

    Attributes:
        peak_lr: Highest learning rate.
        final_lr: Learning rate at the end, as a fraction of the peak.
        warmup: Fraction of the training during which the learning rate rises linearly.
        weight_decay: Weight decay of matrices; vectors are not decayed.
        clip: Largest gradient norm.
        ema_decay: Decay per step of the exponential moving average of the weights; 0 for no
            averaging.
        layer_decay: Factor by which the learning rate falls from each layer to the one below: the
            lower layers of a trained encoder capture what all speech has in common.
    """

    peak_lr: float = 2e-3
    final_lr: float = 0.01
    warmup: float = 0.03
    weight_decay: float = 1e-2
    clip: float = 1.0
    ema_decay: float = 0.999
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if not self.peak_lr > 0:
            raise ArgumentError(f"optimizer.peak_lr must be above 0, not {self.peak_lr}")
        if not 0 <= self.warmup < 1:
            raise ArgumentError(f"optimizer.warmup must be from 0 to below 1, not {self.warmup}")

    def lr_at(self, progress: float) -> float:
        """Learning rate when a fraction `progress` of the training is done: warm-up, cosine."""
        if progress < self.warmup:
            return self.peak_lr * max(progress / self.warmup, 1e-3)
        done = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        cosine = (1 + math.cos(math.pi * done)) / 2
        return self.peak_lr * (self.final_lr + (1 - self.final_lr) * cosine)


def averaged(average: Tensor, current: Tensor, n_averaged: Tensor | int, decay: float) -> Tensor:
    """The exponential average of a weight after one more step; see `decay_at`.

    Args:
        average: Average over the steps so far.
        current: The weight now.
        n_averaged: Number of steps so far.
        decay: Decay of an average over many steps.
    """
    return average + (current - average) * (1 - decay_at(float(n_averaged), decay))


def decay_at(n_averaged: float, decay: float) -> float:
    """The decay of an exponential average at a step.

    It is lower at the beginning, or the random initial weights would stay in the average for long.

    Args:
        n_averaged: Number of steps averaged so far.
        decay: Decay of an average over many steps.
    """
    return min(decay, (1 + n_averaged) / (10 + n_averaged))


def adamw(module: nn.Module, options: OptimizerOptions, *, fused: bool = True) -> torch.optim.AdamW:
    """AdamW over a module's parameters; the ``lr`` of each group is its peak.

    Args:
        module: Contains an encoder and its head; layers are recognised by their parameters' names.
        options: Options of the optimiser.
        fused: Update in one kernel: fast on CPUs, but Lightning cannot clip its gradients in fp16.
    """
    named = list(module.named_parameters())
    n_layers = 1 + max((_layer(name) or 0 for name, _ in named), default=0)
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in named:
        slowness = options.layer_decay ** _depth(name, n_layers)
        groups.setdefault((slowness, parameter.ndim > 1), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": options.peak_lr * slowness,
            "weight_decay": options.weight_decay if are_matrices else 0.0,
        }
        for (slowness, are_matrices), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, lr=options.peak_lr, betas=(0.9, 0.98), fused=fused)


def _layer(name: str) -> int | None:
    """Number of the encoder layer that a parameter belongs to."""
    match = _LAYER.search(name)
    return int(match[1]) if match else None


def _depth(name: str, n_layers: int) -> int:
    """Number of layers between the head, which is at 0, and a parameter."""
    if _BELOW_LAYERS.search(name):
        return n_layers + 1
    layer = _layer(name)
    return 0 if layer is None else n_layers - layer
