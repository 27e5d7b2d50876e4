"""Programs of users, as type checkers see them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "typed_program.py"
OLDEST = "3.10"

MISTAKES = """
import gigaam

gigaam.load_model("tiny_ctc").transcribe("example.wav", word_timestamp=True)
gigaam.load_model("emo").transcribe_longform("example.wav")
gigaam.load_model("v3_ctc").transcribe(["a.wav", "b.wav"]).words
"""
"""A program that is wrong in lines 4 to 6: who finds nothing there would find nothing anywhere."""

WANTED = {("wrong.py", line) for line in (4, 5, 6)}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with a program that is right, and one that is wrong."""
    (tmp_path / "right.py").write_bytes(PROGRAM.read_bytes())
    (tmp_path / "wrong.py").write_text(MISTAKES, encoding="utf-8")
    return tmp_path


def test_mypy(programs: Path) -> None:
    settings = "[mypy]\nstrict = True\n[mypy-gigaam.*]\nignore_errors = True\n"
    (programs / "mypy.ini").write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-version", OLDEST, "--output", "json", "."],
        cwd=programs,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(each["file"], each["line"]) for each in found} == WANTED, done.stdout


def test_pyright(programs: Path) -> None:
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    run = [sys.executable, "-m", "pyright"]
    offline = {**os.environ, **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")}
    if subprocess.run([*run, "--version"], env=offline, capture_output=True).returncode:
        pytest.skip("pyright finds no node: pip install 'pyright[nodejs]'")
    settings = {
        "extraPaths": [str(ROOT)],
        "pythonVersion": OLDEST,
        "typeCheckingMode": "strict",
        # ONNX Runtime has no types, and `gigaam.onnx.load` takes its options.
        "reportUnknownMemberType": "none",
    }
    (programs / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    options = ["--outputjson", "--pythonpath", sys.executable, "--project", str(programs)]
    done = subprocess.run([*run, *options], env=offline, capture_output=True, text=True)
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    ]
    assert set(found) == WANTED, done.stdout
