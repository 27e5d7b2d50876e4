"""The weights of another model that training begins with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gigaam.errors import CheckpointError
from gigaam.model import GigaAM
from gigaam.store.checkpoints import read_checkpoint
from gigaam.training.first_layer import StandardizedConv1d
from gigaam.training.origin import in_float32
from gigaam.training.tasks.recognition import RecognitionObjective

logger = logging.getLogger(__name__)

FINAL_NAME = "final.pt"
"""The file with the model's weights in the folder of a finished run."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a finished run, a model directory or a checkpoint file, in float32.

    Raises:
        UnknownModelError: The path is none of these.
    """
    if (path / FINAL_NAME).exists():
        state: Mapping[str, Tensor] = torch.load(path / FINAL_NAME, weights_only=True)
    else:
        state = read_checkpoint(path).state_dict
    return in_float32(state)


def start_from(objective: RecognitionObjective, weights: Mapping[str, Tensor]) -> None:
    """Takes over another model's encoder and its head; a CTC head also as the auxiliary one.

    Both models must have the same tokens. Tensors are taken where name and shape match. If the
    first layer is a standardized one, its tensors are converted so that the encoder computes the
    same as in the other model.

    Args:
        objective: The objective whose model is to be trained.
        weights: Tensors by the names they have in checkpoints.

    Raises:
        CheckpointError: Nothing matches.
    """
    model = objective.model
    taken = _take(model.encoder, _standardized(weights, model), "encoder.")
    if not taken:
        raise CheckpointError(
            "no tensor of the other model's encoder has the name and shape of one of this model's"
        )
    logger.info("%d of %d tensors of the encoder taken", taken, len(model.encoder.state_dict()))
    if _take(model.head, weights, "head."):
        logger.info("the head is the other model's")
    if objective.auxiliary is not None and _take(objective.auxiliary, weights, "head."):
        logger.info("the auxiliary head is the other model's")


def _standardized(weights: Mapping[str, Tensor], model: GigaAM) -> dict[str, Tensor]:
    """Weights of a plain first layer, converted for a model whose own may be standardized."""
    state, prefix = dict(weights), "encoder.pre_encode.conv.0."
    first = model.encoder.pre_encode.conv[0]
    if isinstance(first, StandardizedConv1d):
        weight, bias = state.get(prefix + "weight"), state.get(prefix + "bias")
        if weight is not None and bias is not None and weight.shape == first.weight.shape:
            state[prefix + "weight"], state[prefix + "bias"] = first.unfolded(weight, bias)
    return state


def _take(module: nn.Module, weights: Mapping[str, Tensor], prefix: str) -> int:
    """Copies the tensors of the same name and shape, and returns their number."""
    taken = 0
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            other = weights.get(prefix + name)
            if other is not None and other.shape == tensor.shape:
                tensor.copy_(other)
                taken += 1
    return taken
