"""A checkpoint's configuration and tensors → a model ready to use, where torch is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from gigaam.attention import flash_attention_available
from gigaam.errors import CheckpointError, ModelError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.quoting import cut
from gigaam.store import registry
from gigaam.store.checkpoints import Checkpoint, read_checkpoint
from gigaam.store.registry import ModelInfo
from gigaam.store.resolver import fetched
from gigaam.store.rules import Limits
from gigaam.store.schema import check_config

__all__ = ["DTypeName", "assemble", "build_model", "load_checkpoint", "with_files"]

DTypeName: TypeAlias = Literal["float32", "float16", "bfloat16"]

MODEL_CLASSES: dict[str, type[GigaAM]] = {
    "ctc": GigaAMASR,
    "rnnt": GigaAMASR,
    "emo": GigaAMEmo,
    "ssl": GigaAM,
}
"""What a config's ``model_class`` means."""


def load_checkpoint(
    place: ModelInfo | Path,
    fp16_encoder: bool,
    use_flash: bool | None,
    device: str | torch.device | None,
    download_root: str | os.PathLike[str] | None,
    encoder_dtype: DTypeName | torch.dtype | None,
) -> GigaAM:
    """The model at a place, fetched if need be; see `gigaam.load_model` for the arguments."""
    device = _device(device)
    dtype = _encoder_dtype(encoder_dtype, fp16_encoder and device.type == "cuda")
    path = fetched(place, download_root)
    with torch.inference_mode(False):  # else nobody could train what was loaded
        checkpoint = read_checkpoint(path, download_root)
        config = _with_name(with_files(checkpoint.config, checkpoint), path)
        config = _with_flash(config, use_flash, device, dtype)
        return assemble(config, checkpoint, dtype).to(device)


def build_model(config: Mapping[str, Any]) -> GigaAM:
    """A model with the architecture of a config and fresh weights.

    Build under ``torch.device("meta")`` to get its shapes without memory.

    Raises:
        CheckpointError: The config is not that of a model.
    """
    check_config(config)
    return MODEL_CLASSES[config["model_class"]](config)


def assemble(config: Mapping[str, Any], checkpoint: Checkpoint, dtype: torch.dtype) -> GigaAM:
    """The model of a config with a checkpoint's weights, its encoder in ``dtype``.

    Tensors already of the right type are taken as they are: those of a float32 file stay mapped
    to it, and cost memory only as they are used.
    """
    with torch.device("meta"):
        model = build_model(config)
    state = checkpoint.state_dict
    for name, wanted in model.state_dict().items():
        if name in state and wanted.is_floating_point() > state[name].is_floating_point():
            raise CheckpointError(f"the weights {name} are {state[name].dtype}, not real numbers")
    state = {name: _cast(name, tensor, dtype) for name, tensor in state.items()}
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the config: {cut(error)}") from error
    return model.eval()


def _cast(name: str, tensor: Tensor, encoder_dtype: torch.dtype) -> Tensor:
    """Encoder weights in the encoder's precision, everything else in float32; counters as is."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(encoder_dtype if name.startswith("encoder.") else torch.float32)


def _with_name(config: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The config with the model's name: published files of v1 and v2 have it in theirs alone."""
    if config.get("model_name") or path.stem not in registry.MODELS:
        return config
    return {**config, "model_name": path.stem}


def with_files(config: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """The config with what lies in the checkpoint's other parts: tokenizer, emotion head's size.

    Raises:
        CheckpointError: It is not the config of a model, or not of these tensors.
    """
    config = dict(config)
    tensors = checkpoint.state_dict
    if checkpoint.tokenizer_path is not None and isinstance(config.get("decoding"), Mapping):
        config["decoding"] = {**config["decoding"], "model_path": str(checkpoint.tokenizer_path)}
    if config.get("model_class") == "emo" and "head.weight" in tensors:
        # Published emotion configs name different classes for what is a linear layer.
        classes, width = (*tensors["head.weight"].shape, 0, 0)[:2]
        config["head"] = {
            "_target_": "torch.nn.Linear",
            "in_features": width,
            "out_features": classes,
            "bias": "head.bias" in tensors,
        }
    check_config(config, Limits.of(tensor.shape for tensor in tensors.values()))
    return config


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:  # torch has no one type for it
        raise ModelError(f"the device {str(device)!r} cannot be used: {error}") from error
    return device


def _encoder_dtype(dtype: DTypeName | torch.dtype | None, half: bool) -> torch.dtype:
    if dtype is None:
        return torch.float16 if half else torch.float32
    dtypes = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if isinstance(dtype, str):
        if dtype not in dtypes:
            raise ModelError(f"encoder_dtype must be one of {', '.join(dtypes)}, not {dtype!r}")
        return dtypes[dtype]
    if dtype not in dtypes.values():
        raise ModelError(f"encoder_dtype must be one of {', '.join(dtypes)}, not {dtype}")
    return dtype


def _with_flash(
    config: Mapping[str, Any], use_flash: bool | None, device: torch.device, dtype: torch.dtype
) -> Mapping[str, Any]:
    """The config with flash-attn switched on only if it was asked for and can be had."""
    encoder = dict(config.get("encoder") or {})
    wanted = bool(encoder.get("flash_attn", False)) if use_flash is None else use_flash
    rotary = encoder.get("self_attention_model", "rotary") == "rotary"
    half_on_gpu = device.type == "cuda" and dtype != torch.float32
    can = rotary and half_on_gpu and flash_attention_available()
    if wanted and not can:
        warnings.warn(
            "flash-attn needs its package, CUDA, a half-precision encoder and rotary positions; "
            "using torch's scaled_dot_product_attention instead (same results)",
            stacklevel=4,
        )
    encoder["flash_attn"] = wanted and can
    return {**config, "encoder": encoder}
