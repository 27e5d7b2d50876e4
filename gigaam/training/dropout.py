"""Dropout (Srivastava et al., JMLR 15, 2014) in an encoder whose code knows nothing of it.

What is dropped is a function of the batch's seed and the place in the encoder, so threads do not
interfere with each other and a resumed run drops what the uninterrupted one would have dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.encoder import ConformerEncoder, ConformerLayer

__all__ = ["add_dropout", "dropping", "dropping_again"]

_SEED: ContextVar[int | None] = ContextVar("seed of the batch at work", default=None)


def add_dropout(encoder: ConformerEncoder, rate: float) -> None:
    """Adds dropout to each module's residual branch in every layer; active inside `dropping`.

    Args:
        encoder: The encoder.
        rate: Dropout rate.
    """
    if not rate:
        return
    branches: list[nn.Module] = []
    for layer in encoder.layers:
        assert isinstance(layer, ConformerLayer)
        branches += [layer.feed_forward1, layer.self_attn, layer.conv, layer.feed_forward2]
    for place, branch in enumerate(branches):
        branch.register_forward_hook(partial(_drop, rate, place))


@contextmanager
def dropping(seed: int | None) -> Iterator[None]:
    """Activates dropout; outside this context, encoders compute as if they had none.

    Args:
        seed: The batch's seed; the same seed drops the same. None drops nothing.
    """
    token = _SEED.set(seed)
    try:
        yield
    finally:
        _SEED.reset(token)


def dropping_again() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """For activation checkpointing: the contexts of a layer's computation and recomputation."""
    return nullcontext(), dropping(_SEED.get())


def _drop(rate: float, place: int, _module: nn.Module, _inputs: Any, x: Tensor) -> Tensor:
    seed = _SEED.get()
    if seed is None:
        return x
    chance = torch.Generator(x.device).manual_seed((seed << 10) + place)
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=chance)
    return x * kept.div_(1 - rate)
