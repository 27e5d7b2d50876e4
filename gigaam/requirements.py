"""The oldest releases of other packages that this library works with.

Installers keep to them by themselves; who installs with ``--no-deps``, or has another program
downgrade a package, would otherwise meet an error deep inside that package.
"""

from __future__ import annotations

import re
from types import ModuleType

from gigaam.errors import MissingDependencyError

__all__ = ["OLDEST", "require"]

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


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 14, 1) of "2.14.1+cpu"."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
