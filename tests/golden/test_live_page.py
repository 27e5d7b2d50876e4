"""The snippets of docs/live.md run as they stand, in order, as a reader would type them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gigaam.audio import iter_audio
from tests.readmes import ROOT, blocks

PAGE = "docs/live.md"


@pytest.fixture
def reader(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader who has the packaged recording in it."""
    shutil.copy(example, tmp_path / "example.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(compile(block.code, block.where, "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("partial:") for line in printed) > 5
    assert "проиграл" in next(line for line in printed if line.startswith("final:"))
    session = names["recognizer"].session(16_000)

    async def pieces():
        for piece in iter_audio("example.wav", block_s=0.1):
            yield piece

    asyncio.run(names["show"](session, pieces()))
    assert "Final(" in capsys.readouterr().out


def test_command_line(reader: Path) -> None:
    (block,) = [block for block in blocks(PAGE) if block.language == "bash"]
    command = block.code.replace("gigaam", f'"{sys.executable}" -m gigaam', 1)
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "проиграл" in done.stdout
