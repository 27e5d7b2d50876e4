"""A digest of a model's files: what tells two models of one name apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from gigaam.store.exports import Export, graph_files, only_name
from gigaam.store.registry import ModelInfo
from gigaam.store.resolver import Place, fetched

__all__ = ["model_digest"]

_BLOCK_BYTES = 1 << 20


def model_digest(place: Place) -> str:
    """Hexadecimal digits (SHA-256) that change when anything does that the model computes with.

    Args:
        place: From `gigaam.store.resolver.find`; fetched if need be.

    Raises:
        CheckpointError: There is no such export.
        DownloadError: It cannot be fetched.
    """
    if isinstance(place, ModelInfo) and place.file is not None and place.file.sha256:
        return place.file.sha256
    if isinstance(place, Export):
        name = place.name or only_name(place.directory)
        graphs = graph_files(place.directory, name).values()
        beside = Path(place.directory).glob(f"{name}*")
        return _digest({*graphs, *(path for path in beside if path.is_file())})
    path = fetched(place)
    return _digest([path] if path.is_file() else (f for f in path.rglob("*") if f.is_file()))


def _digest(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.name}\0".encode("utf-8", "surrogateescape"))
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                found.update(block)
    return found.hexdigest()
