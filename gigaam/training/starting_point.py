"""What a training starts from: the front-end's precision, and other models' weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gigaam.errors import CheckpointError
from gigaam.store.checkpoints import read_checkpoint
from gigaam.training.first_layer import fitted
from gigaam.training.objective import Objective

logger = logging.getLogger(__name__)

FINAL_NAME = "final.pt"
"""The file of a finished run with its model's weights, in its directory."""


def round_front_end(preprocessor: nn.Module) -> None:
    """Rounds window and mel matrix to bfloat16 values, as the v3 checkpoints hold them."""
    with torch.no_grad():
        for buffer in preprocessor.buffers():
            buffer.copy_(buffer.bfloat16().float())


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a finished run, a model directory or a checkpoint file, in float32.

    Raises:
        UnknownModelError: There is none of them.
    """
    if (path / FINAL_NAME).exists():
        state: Mapping[str, Tensor] = torch.load(path / FINAL_NAME, weights_only=True)
    else:
        state = read_checkpoint(path).state_dict
    return in_float32(state)


def in_float32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, half precision made whole; counters as they are."""
    return {name: t.float() if t.is_floating_point() else t for name, t in state.items()}


def start_from(objective: Objective, weights: Mapping[str, Tensor]) -> None:
    """Takes over another model's encoder, and its head: a CTC head also as the auxiliary one.

    Both models must have the same tokens. Tensors are taken where name and shape match. The first
    layer's are converted if it is a standardized one, so that the encoder computes what it computed
    in the other model.

    Args:
        objective: What is to be trained.
        weights: Tensors by the names they have in checkpoints.

    Raises:
        CheckpointError: Nothing matches.
    """
    model = objective.model
    taken = _take(model.encoder, fitted(weights, model), "encoder.")
    if not taken:
        raise CheckpointError(
            "no tensor of the other model's encoder has the name and shape of one of this model's"
        )
    logger.info("%d of %d tensors of the encoder taken", taken, len(model.encoder.state_dict()))
    if _take(model.head, weights, "head."):
        logger.info("the head is the other model's")
    if objective.auxiliary is not None and _take(objective.auxiliary, weights, "head."):
        logger.info("the auxiliary head is the other model's")


def _take(module: nn.Module, weights: Mapping[str, Tensor], prefix: str) -> int:
    """Copies tensors of the same name and shape; gives their number."""
    taken = 0
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            other = weights.get(prefix + name)
            if other is not None and other.shape == tensor.shape:
                tensor.copy_(other)
                taken += 1
    return taken
