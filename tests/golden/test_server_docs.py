"""The snippets of docs/server.md, against a server that runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.datastructures import FormData

import gigaam
from gigaam.cli.app import app
from gigaam.server.form_fields import FormFields
from gigaam.server.wishes import Wishes
from tests.readmes import blocks, read
from tests.recognition_server import ServerProcess, server_process

PAGE = "docs/server.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    with server_process(folder / "log", "--jobs-dir", str(folder / "jobs")) as server:
        yield server


@pytest.fixture
def reader(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader who has the recordings that the page speaks of."""
    for name in ("example.wav", "lecture.mp3"):
        shutil.copy(example, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(server: ServerProcess, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks(PAGE):
        if block.language == "python":
            code = block.code.replace("http://127.0.0.1:8000", server.url)
            exec(compile(code, block.where, "exec"), names)
    assert capsys.readouterr().out.strip() == gigaam.load_model("tiny_ctc").transcribe(
        "example.wav"
    )


def test_curl(server: ServerProcess, reader: Path) -> None:
    first, made, *asked = [block.code for block in blocks(PAGE) if block.language == "bash"]
    for told in (first, made):  # which the README runs, too
        assert told.strip() in read("README.md")
    asked = [code for code in asked if "curl" in code and "diarized_json" not in code]
    answers = [
        json.loads(
            subprocess.run(
                ["bash", "-c", code.replace("http://127.0.0.1:8000", server.url)],
                capture_output=True,
                check=True,
            ).stdout
        )
        for code in asked
    ]
    assert answers[0]["text"]
    assert answers[1]["object"] == "job"


def test_options_and_addresses_are_those_there_are(server: ServerProcess) -> None:
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    known = {option for each in serve.params for option in (*each.opts, *each.secondary_opts)}
    for page in (PAGE, "docs/live-protocols.md"):
        assert known.issuperset(re.findall(r"`(--[a-z][\w-]+)", read(page)))
        told = set(re.findall(r"GIGAAM_SERVE_(\w+)", read(page)))
        assert {f"--{name.lower().replace('_', '-')}" for name in told} <= known


def test_all_fields_are_told() -> None:
    fields = FormFields(FormData())
    Wishes.read(fields, None)
    told = set(re.findall(r"`(\w+)(?:\[\])?`", read(PAGE)))
    names = {name.removesuffix("[]") for name in fields.asked}
    assert names <= told
