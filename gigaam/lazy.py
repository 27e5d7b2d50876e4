"""Names that are imported when they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

from gigaam.errors import MissingDependencyError

__all__ = ["importer", "lacking"]

_OF_THE_NETS = ("hydra", "safetensors", "torch", "torchaudio")
"""Packages that only the nets and their files need."""


def importer(
    package: str, home_of: Mapping[str, str], modules: Collection[str] = ()
) -> Callable[[str], Any]:
    """A package's ``__getattr__`` (PEP 562): gives its public objects, and keeps them there.

    Those whose names begin with an underscore are settings, which are asked for each time.

    Args:
        package: Its name.
        home_of: Public names and the modules that hold them.
        modules: Its modules that are its attributes without being imported.
    """

    def get(name: str) -> Any:
        if name not in modules and name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            if name in modules:
                return import_module(f"{package}.{name}")
            value = getattr(import_module(home_of[name]), name)
        except ModuleNotFoundError as error:
            if (missing := lacking(f"{package}.{name}", error)) is None:
                raise
            raise missing from error
        if name.startswith("_"):
            return value
        setattr(sys.modules[package], name, value)
        return value

    return get


def lacking(name: str, error: ModuleNotFoundError) -> MissingDependencyError | None:
    """The error to raise if it is a package of the nets that is missing.

    Args:
        name: What needs it.
        error: Came of importing it.
    """
    if error.name is None or error.name.partition(".")[0] not in _OF_THE_NETS:
        return None
    return MissingDependencyError(
        f"{name} needs the package {error.name}, which is not installed here: "
        "pip install torch and the rest by 'pip install .' in a clone of gigaam. Exported "
        "models do without: gigaam.onnx.load, or --onnx on the command line"
    )
