"""Dropout (Srivastava et al., JMLR 15, 2014) in an encoder whose code knows nothing of it.

What is dropped is a function of the batch's seed and the place in the encoder, so that threads do
not disturb each other and a resumed run drops what the uninterrupted one would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.encoder import ConformerEncoder

__all__ = ["add_dropout", "dropping"]

_SEED: ContextVar[int] = ContextVar("seed of the batch at work")


def add_dropout(encoder: ConformerEncoder, rate: float) -> None:
    """Makes every layer lose a part of what its modules add to their input, inside `dropping`.

    Args:
        encoder: Whose layers.
        rate: The part that is lost.
    """
    branches = [
        branch
        for layer in encoder.layers
        for branch in (layer.feed_forward1, layer.self_attn, layer.conv, layer.feed_forward2)
    ]
    for place, branch in enumerate(branches):
        branch.register_forward_hook(partial(_drop, rate, place))


@contextmanager
def dropping(seed: int) -> Iterator[None]:
    """Where encoders with dropout drop; outside they compute what they do without it.

    Args:
        seed: Of the batch; the same drops the same.
    """
    token = _SEED.set(seed)
    try:
        yield
    finally:
        _SEED.reset(token)


def _drop(rate: float, place: int, _module: nn.Module, _inputs: Any, x: Tensor) -> Tensor:
    seed = _SEED.get(None)
    if seed is None:
        return x
    chance = torch.Generator(x.device).manual_seed((seed << 10) + place)
    kept = torch.empty_like(x, requires_grad=False).bernoulli_(1 - rate, generator=chance)
    return x * kept.div_(1 - rate)
