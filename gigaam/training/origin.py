"""Where training begins: another model's config and weights, or its architecture alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from torch import Tensor

from gigaam.assembly import with_files
from gigaam.errors import ArgumentError
from gigaam.store.checkpoints import read_checkpoint
from gigaam.store.configs import BUILTIN_NAMES, builtin_config, plain_config
from gigaam.store.resolver import checkpoint_path
from gigaam.training.options import ModelOptions

__all__ = ["Origin", "find_origin", "headless_config", "in_float32"]


@dataclass(frozen=True)
class Origin:
    """Where training begins.

    Attributes:
        config: A model's config, as plain data.
        weights: Its tensors by name; empty for random initial weights.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]


def find_origin(options: ModelOptions) -> Origin:
    """The model to initialise from, or whose architecture to copy.

    Raises:
        ArgumentError: Not exactly one of the two is given, or the YAML file cannot be read.
        UnknownModelError: There is no such model.
    """
    if (options.init is None) == (options.architecture is None):
        raise ArgumentError("give either model.init or model.architecture, not both or neither")
    if options.init is not None:
        checkpoint = read_checkpoint(checkpoint_path(options.init))
        return Origin(with_files(checkpoint.config, checkpoint), in_float32(checkpoint.state_dict))
    name = str(options.architecture)
    if name in BUILTIN_NAMES:
        return Origin(builtin_config(name), {})
    if name.endswith((".yaml", ".yml")):
        try:
            content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ArgumentError(f"model.architecture: {error}") from error
        return Origin(plain_config(content, name), {})
    checkpoint = read_checkpoint(checkpoint_path(name))
    return Origin(with_files(checkpoint.config, checkpoint), {})


def headless_config(old: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The config of a model over the same encoder, still without a head.

    Args:
        old: The config that front-end and encoder are taken from.
        kind: The new model's class: "ctc", "rnnt", "emo" …
        name: The new model's name.
    """
    kept = {part: old[part] for part in ("sample_rate", "preprocessor", "encoder") if part in old}
    return {"model_class": kind, **kept, "model_name": name}


def in_float32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with floating-point ones in float32, integer ones unchanged."""
    return {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
