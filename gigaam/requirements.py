"""The oldest releases of other packages that this library works with.

Installers keep to them by themselves; who installs with ``--no-deps``, or has another program
downgrade a package, would otherwise meet an error deep inside that package.
"""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType

from gigaam.errors import MissingDependencyError

__all__ = ["OLDEST", "import_torchaudio", "require"]

OLDEST = {"av": "17.1", "numpy": "2.0", "onnxruntime": "1.23", "torch": "2.11"}
"""Package → its oldest release that works, as ``pyproject.toml`` has it."""


def require(package: ModuleType) -> None:
    """Refuses a package that is too old.

    Raises:
        MissingDependencyError: It is older than `OLDEST` says.
    """
    name, found = package.__name__, str(package.__version__)
    oldest = OLDEST[name]
    if _release(found) < _release(oldest):
        raise MissingDependencyError(
            f"gigaam needs {name} {oldest} or newer, but {found} is installed: "
            f"pip install '{name}>={oldest}'"
        )


def import_torchaudio() -> ModuleType:
    """The package torchaudio, beside a torch of the same major release of CUDA.

    Release 2.11, the newest, refuses a torch that was built for CUDA 13.2, since it was itself
    built for 13.0. It works with it all the same (https://github.com/pytorch/audio/pull/4226).

    Raises:
        MissingDependencyError: It is not installed, or for another major release of CUDA.
    """
    import torch

    try:
        return import_module("torchaudio")
    except ImportError as error:
        raise MissingDependencyError(f"torchaudio cannot be imported: {error}") from error
    except RuntimeError as error:
        majors = re.findall(r"CUDA version (\d+)\.", str(error))
        if len(majors) != 2 or majors[0] != majors[1]:
            raise MissingDependencyError(f"torchaudio cannot be imported: {error}") from error
    built_for, torch.version.cuda = torch.version.cuda, None
    try:
        return import_module("torchaudio")
    finally:
        torch.version.cuda = built_for


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 14, 1) of "2.14.1+cpu"."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
