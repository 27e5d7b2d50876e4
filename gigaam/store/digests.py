"""A digest of a model's files: what tells two models of one name apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from gigaam.store.download import hexdigest
from gigaam.store.exports import Export, graph_files, only_name
from gigaam.store.registry import ModelInfo
from gigaam.store.resolver import Place, fetched

__all__ = ["model_digest"]


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
        graphs = graph_files(place.directory, place.name or only_name(place.directory))
        return _digest(
            {f"{part}{end}": path for part in graphs for end, path in _files(graphs[part])}
        )
    path = fetched(place)
    if path.is_file():
        return hexdigest(path, "sha256")
    return _digest(
        {str(each.relative_to(path)): each for each in path.rglob("*") if each.is_file()}
    )


def _files(graph: Path) -> Iterator[tuple[str, Path]]:
    """A graph, and its weights where they lie beside it."""
    yield "", graph
    beside = graph.with_name(f"{graph.name}.data")
    if beside.is_file():
        yield ".data", beside


def _digest(files: Mapping[str, Path]) -> str:
    found = hashlib.sha256()
    for role in sorted(files):
        found.update(f"{role}\0{hexdigest(files[role], 'sha256')}\n".encode("utf-8", "replace"))
    return found.hexdigest()
