"""Inference that computes the same whatever state of torch surrounds the call.

The default dtype and the default device need no shield: the nets name theirs wherever they make a
tensor. The dtype could only be set aside for all threads, under their feet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import torch

__all__ = ["computing", "defaults_aside", "shielded", "without_autocast"]

P = ParamSpec("P")
R = TypeVar("R")


class OnDevice(Protocol):
    """What computes somewhere."""

    @property
    def device(self) -> torch.device:
        """Where."""


ModelT = TypeVar("ModelT", bound=OnDevice)


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A block in which autocast is off on that device."""
    if not torch.amp.is_autocast_available(device.type):  # on the meta device it is not
        return nullcontext()
    if not torch.is_autocast_enabled(device.type):  # which costs a tenth of switching it off
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


@contextmanager
def defaults_aside(device: torch.device) -> Iterator[None]:
    """A block in which the defaults of new tensors are float32 and that device.

    The dtype is set aside for all threads: only for code of torch's own that cannot be told it.
    """
    dtype, elsewhere = torch.get_default_dtype(), torch.get_default_device() != device
    torch.set_default_dtype(torch.float32)
    try:
        with device if elsewhere else nullcontext():
            yield
    finally:
        torch.set_default_dtype(dtype)


def shielded(method: Callable[Concatenate[ModelT, P], R]) -> Callable[Concatenate[ModelT, P], R]:
    """A method of a model, run without gradients and without autocast.

    Not in inference mode: whoever trains a layer above the results could not use its tensors.
    """

    @wraps(method)
    def call(self: ModelT, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with torch.no_grad(), without_autocast(self.device):
            return method(self, *args, **kwargs)

    return call


def computing(method: Callable[Concatenate[ModelT, P], R]) -> Callable[Concatenate[ModelT, P], R]:
    """A method that nobody trains through, run in inference mode and without autocast."""

    @wraps(method)
    def call(self: ModelT, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(), without_autocast(self.device):
            return method(self, *args, **kwargs)

    return call
