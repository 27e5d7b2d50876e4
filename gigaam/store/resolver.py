"""What somebody calls a model → where it is: the one place that decides what a name or path means.

In this order: a name of the table, a name that a program has added to it, the path of a file or
directory, a directory of exported models, one of several models in such a directory. Nothing here
imports torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from gigaam.errors import CheckpointError, UnknownModelError
from gigaam.published.assigned import added_model
from gigaam.quoting import some
from gigaam.store import registry
from gigaam.store.exports import Export, exported_beside, exported_names, find_export
from gigaam.store.registry import ModelInfo

__all__ = ["WEIGHT_FILES", "Place", "checkpoint_path", "fetched", "find"]

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""The weights of a model directory, whole; in shards, what their index is called follows."""

Place: TypeAlias = ModelInfo | Path | Export
"""An entry of the table, whose files may have yet to be fetched; a checkpoint; an export."""


def find(model: str | os.PathLike[str]) -> Place:
    """Where a model is; nothing is fetched and nothing read.

    Args:
        model: A name, a ``.ckpt`` file, a model directory, the directory of an export, or
            DIRECTORY/NAME for one of several models there. A name wins over a path; a directory
            with weights is a checkpoint, whatever else it holds.

    Raises:
        UnknownModelError: It is none of these.
        CheckpointError: It is one graph of an export.
    """
    if isinstance(model, str):
        known = registry.resolve(model) if registry.is_known(model) else added_model(model)
        if known is not None:
            return known
    path = _expanded(Path(model))
    if os.path.isdir(path):
        return path if _holds_weights(path) or not exported_names(path) else Export(path)
    if os.path.exists(path):  # False, too, for what can be no path
        if path.suffix == ".onnx":
            raise CheckpointError(f"{path} is a graph: give the directory of the export it is of")
        return path
    if (export := find_export(path)) is not None:
        return export
    if os.path.dirname(model) and (names := exported_beside(path)):
        raise UnknownModelError(
            f"there is no exported {path.name} in {path.parent}; there are: {some(names)}"
        )
    raise registry.unknown_model(model)


def checkpoint_path(
    model: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
) -> Path:
    """The file or directory of a model's weights, fetched if need be.

    Args:
        model: As for `find`.
        cache: Cache directory; ``$GIGAAM_CACHE``, else ``~/.cache/gigaam``.

    Raises:
        UnknownModelError: There is no such model.
        CheckpointError: It is an export, which has graphs in place of weights.
        DownloadError: It cannot be fetched.
    """
    place = find(model)
    if isinstance(place, Export):
        raise CheckpointError(
            f"{place} is an exported model: it runs, but cannot be trained or exported again"
        )
    return fetched(place, cache)


def fetched(place: ModelInfo | Path, cache: str | os.PathLike[str] | None = None) -> Path:
    """The file or directory at a place, downloaded first if it is not in the cache; as above."""
    if isinstance(place, Path):
        return place
    from gigaam.store import download  # its lock takes 30 ms to import: not for exported models

    return download.fetch(place, None if cache is None else Path(cache))


def _expanded(path: Path) -> Path:
    """The path with the user's home in place of ``~``; as it is if there is no such user."""
    try:
        return path.expanduser()
    except (RuntimeError, ValueError):
        return path


def _holds_weights(directory: Path) -> bool:
    names = (each for file in WEIGHT_FILES for each in (file, f"{file}.index.json"))
    return any(os.path.exists(directory / name) for name in names)
