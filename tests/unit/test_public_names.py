"""The names a user may rely on."""

import subprocess
import sys

import pytest

import gigaam
from gigaam import errors

PUBLIC = [
    "ArgumentError",
    "AudioDecodingError",
    "AudioError",
    "AudioFileNotFoundError",
    "AudioTooLongError",
    "AudioWarning",
    "BulkError",
    "CheckpointError",
    "ChecksumError",
    "ChunkingOptions",
    "DatasetError",
    "DecodingOptions",
    "DownloadError",
    "ExportError",
    "GigaAM",
    "GigaAMASR",
    "GigaAMEmo",
    "GigaAMError",
    "LongformTranscriptionResult",
    "MissingDependencyError",
    "ModelError",
    "ModelInfo",
    "OfflineError",
    "Segment",
    "SubtitleOptions",
    "TextOptions",
    "TokenizerNotFoundError",
    "TranscriptionResult",
    "UnknownModelError",
    "UnreachableError",
    "UnsafeCheckpointError",
    "VadOptions",
    "Word",
    "WrongTaskError",
    "__version__",
    "available_models",
    "format_clock",
    "format_time",
    "load_audio",
    "load_model",
]

MODULES = ["preprocess", "encoder", "decoder", "decoding"]
"""Named in published configs, so they may not move."""


def test_all_is_pinned() -> None:
    assert gigaam.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_name_is_there_and_listed(name: str) -> None:
    assert getattr(gigaam, name) is not None
    assert name in dir(gigaam)


def test_name_says_where_it_is_from() -> None:
    namespace: dict[str, object] = {}
    exec("from gigaam import *", namespace)
    assert set(PUBLIC) <= set(namespace)
    from gigaam.loading import load_model

    assert namespace["load_model"] is load_model


def test_every_error_and_warning_is_public() -> None:
    defined = {name for name, item in vars(errors).items() if isinstance(item, type)}
    assert defined <= set(PUBLIC)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        _ = gigaam.load_modle


@pytest.mark.parametrize("module", MODULES)
def test_module_of_published_configs_is_importable(module: str) -> None:
    __import__(f"gigaam.{module}")


def test_modules_are_attributes_without_being_imported() -> None:
    names = ["model", "onnx", "preprocess", "types", "utils", "vad_utils"]
    code = f"import gigaam; print(*(getattr(gigaam, name).__name__ for name in {names}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"gigaam.{name}" for name in names]


def test_import_is_lazy() -> None:
    """Importing the package costs its own few lines: nothing heavy comes along."""
    code = "import sys, gigaam; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gigaam" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "omegaconf", "onnxruntime", "av", "typer", "rich"})
