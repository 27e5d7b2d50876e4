"""Executes inference_example.ipynb and saves it with its outputs.

    python -m scripts.run_notebook

It runs in an empty directory and without downloads. Nothing is stored that differs from run to run
for no reason: no times of execution, no version of Python.
"""

from __future__ import annotations

import copy
import os
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from gigaam.bulk.environment import environment
from scripts.drawing import ROOT

NOTEBOOK = ROOT / "inference_example.ipynb"
TIMEOUT_S = 240  # of a cell


def read() -> Any:
    """The notebook as it is committed."""
    return nbformat.read(NOTEBOOK, as_version=4)


def executed(notebook: Any, directory: Path) -> Any:
    """A copy of the notebook with the outputs of a run in a directory; raises if a cell fails."""
    fresh = copy.deepcopy(notebook)
    client = NotebookClient(
        fresh,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(directory)}},
    )
    with _environment(directory):
        client.execute()
    return _normalised(fresh)


def _environment(directory: Path) -> AbstractContextManager[None]:
    """What the kernel is started with: this copy of the package, no network, no traces at home."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    changes = {
        "GIGAAM_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "IPYTHONDIR": str(directory / ".ipython"),
        "JUPYTER_RUNTIME_DIR": str(directory / ".jupyter"),
    }
    return environment(changes)


def _normalised(notebook: Any) -> Any:
    """The notebook with nothing in its metadata but what readers need."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def main() -> None:
    """Executes the notebook in place."""
    with tempfile.TemporaryDirectory() as directory:
        notebook = executed(read(), Path(directory))
    nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
