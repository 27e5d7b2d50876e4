"""The snippets of docs/live-protocols.md, against a server that runs."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from websockets.sync.client import connect

from gigaam.cli.app import app
from gigaam.example_recording import EXAMPLE
from tests.live_streams import texts_of
from tests.readmes import blocks, read
from tests.recognition_server import ServerProcess, server_process

PAGE = "docs/live-protocols.md"
SNIPPETS = [block for block in blocks(PAGE) if block.language == "python"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("server") / "log"
    with server_process(log, "--realtime", "--vosk") as server:
        yield server


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_python(
    server: ServerProcess,
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "example.wav")
    monkeypatch.chdir(tmp_path)
    snippet = SNIPPETS[number]
    code = snippet.code.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    names: dict[str, Any] = {}
    exec(compile(code, snippet.where, "exec"), names)
    vad = "none" if "turn_detection" in code else "silero"
    with wave.open(str(EXAMPLE)) as recording:
        sound = recording.readframes(recording.getnframes())
    assert capsys.readouterr().out.split() == " ".join(texts_of(sound, vad=vad)).split()


def test_options_are_those_of_the_command() -> None:
    command: Any = typer.main.get_command(app)
    known = {name for each in command.commands["serve"].params for name in each.opts}
    assert set(re.findall(r"`(--[a-z-]+)", read(PAGE))) <= known


def test_parameters_are_those_of_the_protocol(server: ServerProcess) -> None:
    table = read(PAGE).partition("| parameter |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)
    address = f"{server.url.replace('http', 'ws')}/v1/live"
    for name in named:  # a blank value is as good as none
        with connect(f"{address}?{name}=") as client:
            assert json.loads(client.recv())["type"] == "started"
    with connect(f"{address}?{'=&'.join(named)}=&more=1") as client:
        assert json.loads(client.recv())["error"]["param"] == "more"
