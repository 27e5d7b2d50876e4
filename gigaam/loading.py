"""A model's name or file → a model ready to use; exported ones without torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias, overload

from gigaam.errors import ArgumentError
from gigaam.lazy import importer, lacking
from gigaam.store.exports import Export
from gigaam.store.registry import EmotionName, EncoderName, RecogniserName
from gigaam.store.resolver import find

if TYPE_CHECKING:
    import torch

    from gigaam.assembly import DTypeName
    from gigaam.assembly import build_model as build_model
    from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
    from gigaam.onnx import OnnxASR, OnnxEmo, OnnxEncoder

    ExportedModel: TypeAlias = OnnxASR | OnnxEmo | OnnxEncoder

__getattr__ = importer(__name__, {"build_model": "gigaam.assembly"})


@overload
def load_model(  # type: ignore[overload-overlap]  # a name is itself a str
    model_name: EncoderName,
    fp16_encoder: bool = ...,
    use_flash: bool | None = ...,
    device: str | torch.device | None = ...,
    download_root: str | os.PathLike[str] | None = ...,
    encoder_dtype: DTypeName | torch.dtype | None = ...,
) -> GigaAM: ...
@overload
def load_model(  # type: ignore[overload-overlap]  # a name is itself a str
    model_name: EmotionName,
    fp16_encoder: bool = ...,
    use_flash: bool | None = ...,
    device: str | torch.device | None = ...,
    download_root: str | os.PathLike[str] | None = ...,
    encoder_dtype: DTypeName | torch.dtype | None = ...,
) -> GigaAMEmo: ...
@overload
def load_model(
    model_name: RecogniserName | str | os.PathLike[str],
    fp16_encoder: bool = ...,
    use_flash: bool | None = ...,
    device: str | torch.device | None = ...,
    download_root: str | os.PathLike[str] | None = ...,
    encoder_dtype: DTypeName | torch.dtype | None = ...,
) -> GigaAMASR: ...
def load_model(
    model_name: str | os.PathLike[str],
    fp16_encoder: bool = True,
    use_flash: bool | None = False,
    device: str | torch.device | None = None,
    download_root: str | os.PathLike[str] | None = None,
    encoder_dtype: DTypeName | torch.dtype | None = None,
) -> GigaAM | ExportedModel:
    """A model, downloaded first if it is a published one not in the cache yet.

    Args:
        model_name: A name (``gigaam models`` lists them), a ``.ckpt`` file, a model directory or
            the directory of an exported model (DIRECTORY/NAME if it holds several). A name wins
            over a file of that name.
        fp16_encoder: Half-precision encoder on CUDA; the CPU stays with float32.
        use_flash: flash-attn's kernels (the package, CUDA and half precision are needed); None
            keeps the checkpoint's setting. If they cannot be had, warns and goes on without.
        device: Where to compute; "cuda" if there is one, else "cpu". An exported model computes on
            the CPU unless this says otherwise.
        download_root: Cache directory; ``$GIGAAM_CACHE``, else ``~/.cache/gigaam``.
        encoder_dtype: Precision of the encoder; None is what ``fp16_encoder`` says. "bfloat16"
            also suits CPUs that compute in it.

    Returns:
        `GigaAMASR`, `GigaAMEmo` or, for self-supervised models, `GigaAM`, in evaluation mode. To
        type checkers a path, or a name they do not know, is a `GigaAMASR`, as most models are.
        Exported models are those of `gigaam.onnx.load`, which has their types, and need no torch.

    Raises:
        UnknownModelError: No such name, file or directory.
        DownloadError: The model cannot be fetched.
        CheckpointError: The file is damaged or not a GigaAM model.
        ArgumentError: An exported model cannot do what an argument asks for.
        MissingDependencyError: The model is none of the exported ones, and torch is not installed.
    """
    place = find(model_name)
    if isinstance(place, Export):
        _refuse_for_exports(fp16_encoder, use_flash, encoder_dtype)
        from gigaam.onnx.runtime import load

        where = None if device is None else str(device)
        return load(place.directory, name=place.name, device=where)
    need_torch()
    from gigaam.assembly import load_checkpoint

    return load_checkpoint(place, fp16_encoder, use_flash, device, download_root, encoder_dtype)


def need_torch() -> None:
    """Sees to it that models other than exported ones can be loaded here.

    Raises:
        MissingDependencyError: torch, or what else they need, is not installed.
    """
    try:
        import gigaam.assembly  # noqa: F401
    except ModuleNotFoundError as error:
        if (missing := lacking("gigaam.load_model", error)) is None:
            raise
        raise missing from error


def _refuse_for_exports(
    fp16_encoder: bool, use_flash: bool | None, encoder_dtype: DTypeName | torch.dtype | None
) -> None:
    """Refuses what only torch can do; the arguments' defaults ask for nothing."""
    asked = {
        "fp16_encoder": not fp16_encoder,
        "use_flash": bool(use_flash),
        "encoder_dtype": encoder_dtype is not None,
    }
    for name in (name for name, is_asked in asked.items() if is_asked):
        raise ArgumentError(
            f"{name}= is for torch: an exported model computes as it was exported, see to_onnx()"
        )
