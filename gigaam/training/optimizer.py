"""The optimizer: which weights change how fast, and how that changes with time."""

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
    """How weights are changed.

    Attributes:
        peak_lr: highest learning rate.
        final_lr: part of it left at the end.
        warmup: part of the training in which it rises linearly.
        weight_decay: of matrices; vectors are not decayed.
        clip: largest gradient norm.
        ema_decay: of the averaged weights, per step; 0 for none.
        layer_decay: factor of the learning rate per layer on the way down from the head: the lower
            layers of a trained encoder hear what all speech has in common.
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
        """Learning rate when `progress` (0 to 1) of the training is done: warm-up, cosine."""
        if progress < self.warmup:
            return self.peak_lr * max(progress / self.warmup, 1e-3)
        done = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        cosine = (1 + math.cos(math.pi * done)) / 2
        return self.peak_lr * (self.final_lr + (1 - self.final_lr) * cosine)


def averaged(average: Tensor, current: Tensor, n_averaged: Tensor | int, decay: float) -> Tensor:
    """The exponential average of a weight after one more step; see `decay_at`.

    Args:
        average: Of the steps so far.
        current: What it is now.
        n_averaged: How many steps those are.
        decay: Part of an old average that stays.
    """
    return average + (current - average) * (1 - decay_at(float(n_averaged), decay))


def decay_at(n_averaged: float, decay: float) -> float:
    """The part of an exponential average of so many steps that stays after one more.

    Young averages forget faster, or the random beginning would stay in them for long.

    Args:
        n_averaged: How many steps it is of.
        decay: The part of an old one that stays.
    """
    return min(decay, (1 + n_averaged) / (10 + n_averaged))


def adamw(module: nn.Module, options: OptimizerOptions, *, fused: bool = True) -> torch.optim.AdamW:
    """AdamW over a module's parameters, each group's ``lr`` its own peak.

    Args:
        module: What holds an encoder and its head; layers are told by their parameters' names.
        options: How fast what changes.
        fused: In one kernel: fast on CPUs, but with fp16 nobody else can clip gradients.
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
    """Number of the encoder layer a parameter belongs to."""
    match = _LAYER.search(name)
    return int(match[1]) if match else None


def _depth(name: str, n_layers: int) -> int:
    """Layers between the head, at 0, and a parameter."""
    if _BELOW_LAYERS.search(name):
        return n_layers + 1
    layer = _layer(name)
    return 0 if layer is None else n_layers - layer
