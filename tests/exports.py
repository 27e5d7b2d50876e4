"""Exports that tests of several files and processes share: making one takes seconds."""

from pathlib import Path

import pytest
from filelock import FileLock

from gigaam.model import GigaAM
from gigaam.onnx.precision import DType


def export_once(
    factory: pytest.TempPathFactory, key: str, model: GigaAM, dtype: DType = "float32"
) -> Path:
    """The directory of a model's export, made by the first process that asks for it.

    Args:
        factory: Tells where the processes of one test run keep what they share.
        key: Names the model: whoever asks for it has the same one. Also begins the files' names.
        model: The model.
        dtype: Of the export.
    """
    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # of one of several processes
    directory = shared / "exports" / dtype / key
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_suffix(".lock"), timeout=240):
        if not directory.with_suffix(".done").exists():
            from gigaam.onnx.export import export

            export(model, directory, name=key, dtype=dtype)
            directory.with_suffix(".done").touch()
    return directory
