"""Exported models as files: which ones a directory holds, and the graphs of each.

A model is ``NAME.onnx``, or, with an RNN-T head, ``NAME_encoder.onnx``, ``NAME_decoder.onnx`` and
``NAME_joint.onnx``. Other files beside them, such as the model's config, are not needed to run it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gigaam.errors import CheckpointError
from gigaam.quoting import some
from gigaam.store import registry

__all__ = [
    "PARTS",
    "Export",
    "exported_beside",
    "exported_names",
    "find_export",
    "graph_files",
    "only_name",
]

PARTS = ("encoder", "decoder", "joint")


@dataclass(frozen=True)
class Export:
    """Where an exported model is.

    Attributes:
        directory: Holds its graphs.
        name: What their names begin with; None for the only model there.
    """

    directory: Path
    name: str | None = None

    def __str__(self) -> str:
        """The path that means this model."""
        return str(self.directory if self.name is None else self.directory / self.name)


def find_export(path: Path) -> Export | None:
    """The export that a path means: a directory, or DIRECTORY/NAME for one of several models there.

    Whether the directory of that path holds a model shows when it is opened.
    """
    if os.path.isdir(path):
        return Export(path)
    return Export(path.parent, path.name) if path.name in exported_beside(path) else None


def exported_beside(path: Path) -> list[str]:
    """The names of the models in the directory of a path, which need not be there."""
    return exported_names(path.parent) if os.path.isdir(path.parent) else []


def exported_names(directory: str | os.PathLike[str]) -> list[str]:
    """The names of the models in a directory."""
    return sorted(
        path.name.removesuffix(".onnx").removesuffix("_encoder")
        for path in Path(directory).glob("*.onnx")
        if not path.name.endswith(("_decoder.onnx", "_joint.onnx"))
    )


def graph_files(directory: str | os.PathLike[str], name: str) -> dict[str, Path]:
    """The graphs of a model by their parts: the encoder alone, or encoder, decoder and joint.

    Raises:
        CheckpointError: The directory does not hold the model.
    """
    paths = [Path(directory, f"{name}.onnx")]
    if not paths[0].exists():
        paths = [Path(directory, f"{name}_{part}.onnx") for part in PARTS]
    if not paths[0].exists():
        there = some(exported_names(directory)) or "no models"
        raise CheckpointError(
            f"there is no exported {name} in {os.fspath(directory)}; there are: {there}"
        )
    return {part: path for part, path in zip(PARTS, paths, strict=False) if path.exists()}


def only_name(directory: str | os.PathLike[str]) -> str:
    """The name of the only model in a directory.

    Raises:
        CheckpointError: There is none, or more than one.
    """
    names, place = exported_names(directory), os.fspath(directory)
    if len(names) == 1:
        return names[0]
    if names:
        found = f"{place} holds {some(names)}: say which (name=, or DIRECTORY/NAME)"
    elif os.path.isdir(directory):
        found = f"{place} holds no exported model: `gigaam export MODEL {place}` writes one"
    elif os.path.exists(directory):
        found = f"{place} is a file: give the directory it lies in, and name= for its model"
    elif registry.is_known(place):
        found = (
            f"there is no directory {place}: `gigaam export {place} DIRECTORY` exports this model "
            "to one, which is then loaded; gigaam.load_model takes the model by its name"
        )
    else:
        found = (
            f"there is no directory {place}: what is loaded is one that `gigaam export` or "
            "to_onnx() wrote"
        )
    raise CheckpointError(found)
