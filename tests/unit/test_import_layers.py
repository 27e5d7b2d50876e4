"""Which modules do without torch: everything around the nets.

Each runs where torch cannot be imported at all, so that the torch-free installation keeps working.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gigaam

TORCH_FREE = {
    "__init__",
    "__main__",
    "audio",
    "channel_levels",
    "chunking",
    "cli",
    "config_files",
    "clock",
    "command_group",
    "command_options",
    "completion",
    "configs",
    "containers",
    "dataset",
    "decoding",
    "detectors",
    "download",
    "errors",
    "evaluation",
    "evaluation_command",
    "example_recording",
    "export_command",
    "formats",
    "headers",
    "interleaving",
    "jobs",
    "lazy",
    "logins",
    "level_falls",
    "listening_options",
    "longform",
    "models_command",
    "named_models",
    "onnx",
    "onnx_engine",
    "onnx_utils",
    "phrases",
    "printing",
    "progress",
    "published",
    "output_options",
    "progress_bar",
    "pyannote_hub",
    "recognition",
    "recognizer",
    "registry",
    "regular_files",
    "requirements",
    "resampling",
    "sources",
    "standard_streams",
    "stitching",
    "tape",
    "rules",
    "schema",
    "silero",
    "subtitles",
    "tables",
    "timestamps",
    "timestamps_utils",
    "tokenizer",
    "tokenizer_files",
    "tracks",
    "training_command",
    "transcription",
    "transcription_command",
    "transcription_run",
    "transfer",
    "types",
    "vad",
    "whole_file",
}
TORCH = {
    "attention",
    "checkpoints",
    "decoder",
    "encoder",
    "loading",
    "model",
    "pickles",
    "preprocess",
    "pyannote_vad",
    "shielding",
    "training",
    "utils",
    "vad_utils",
}
BLOCKED = ("torch", "torchaudio", "hydra", "lightning", "pyannote")

IMPORT_ALL = """
import importlib, json, sys

names, blocked = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]))
asked_for = []

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            asked_for.append(name)
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

sys.meta_path.insert(0, Blocker())
report = {}
for name in names:
    asked_for.clear()
    try:
        importlib.import_module(name)
        report[name] = list(asked_for)
    except BaseException as error:
        report[name] = [*asked_for, f"{type(error).__name__}: {error}"]
print(json.dumps(report))
"""


def modules() -> set[str]:
    package = Path(gigaam.__file__).parent
    files = {path.stem for path in package.glob("*.py")}
    return files | {path.parent.name for path in package.glob("*/__init__.py")}


def rooms(name: str) -> set[str]:
    """The modules of a package within the package."""
    package = Path(gigaam.__file__).parent / name
    return {f"{name}.{path.stem}" for path in package.glob("*.py")}


ROOMS = rooms("dataset") | rooms("evaluation") | rooms("published")
TORCH_FREE |= ROOMS


@pytest.fixture(scope="module")
def complaints() -> dict[str, list[str]]:
    """Per module: what it tried to import of what is blocked, and the error if it failed."""
    names = [f"gigaam.{name}" for name in sorted(TORCH_FREE & (modules() | ROOMS))]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(names), json.dumps(BLOCKED)],
        capture_output=True,
        text=True,
        check=True,
    )
    report: dict[str, list[str]] = json.loads(done.stdout)
    return report


def test_every_module_is_in_one_of_the_lists() -> None:
    assert not TORCH_FREE & TORCH
    assert modules() == {name for name in TORCH_FREE if "." not in name} | TORCH


@pytest.mark.parametrize("name", sorted(TORCH_FREE))
def test_module_does_without_torch(name: str, complaints: dict[str, list[str]]) -> None:
    assert complaints[f"gigaam.{name}"] == []
