"""Real servers of recognition on 127.0.0.1, in a thread or as a process of their own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from gigaam.recognition import SpeechRecognition
from gigaam.server import ServerSettings, create_app
from gigaam.server.service import Service
from gigaam.server.serving import Binding, server_config

__all__ = ["RunningServer", "ServerProcess", "running_server", "server_process"]

_START_S = 60.0


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        port: Where.
        service: What its rooms share.
    """

    port: int
    service: Service

    @property
    def url(self) -> str:
        """The address of its pages."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_server(
    settings: ServerSettings | None = None,
    load: Callable[[str], SpeechRecognition] | None = None,
    **config: Any,
) -> Iterator[RunningServer]:
    """A server that answers for as long as this is open.

    Args:
        settings: What it is told; by default the packaged CTC model alone.
        load: Gives its models.
        config: Of uvicorn, in place of what `gigaam serve` sets.
    """
    settings = settings or ServerSettings(models=("tiny_ctc",))
    app = create_app(settings, load=load)
    told = server_config(app, Binding(port=0))
    for name, value in config.items():
        setattr(told, name, value)
    server = uvicorn.Server(told)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        _wait_until(lambda: server.started and app.state.service.not_ready is None)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningServer(port, app.state.service)
    finally:
        server.should_exit = True
        thread.join(_START_S)
        assert not thread.is_alive()


@dataclass(frozen=True)
class ServerProcess:
    """``gigaam serve`` as it runs.

    Attributes:
        process: Its process.
        url: The address of its pages.
        log: What it says, which goes on growing.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path


@contextmanager
def server_process(
    log: Path, *options: str, python: str = sys.executable, **environment: str
) -> Iterator[ServerProcess]:
    """``gigaam serve`` with the packaged CTC model and without jobs unless the options say more.

    Args:
        log: A file for what it says.
        options: Of the command.
        python: Of the installation; that of another one does not see this one.
        environment: Variables besides those of this process.
    """
    given = ["--port", "0", *options]
    if "--model" not in given and "--onnx" not in given:
        given += ["--model", "tiny_ctc"]
    if "--jobs-dir" not in given:
        given += ["--no-jobs"]
    command = [python, "-m", "gigaam", "serve", *given]
    around = {**os.environ, **environment}
    if python != sys.executable:
        around.pop("PYTHONPATH", None)
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stderr=file, env=around, cwd=log.parent)
    try:
        found: list[str] = []

        def is_ready() -> bool:
            told = log.read_text(encoding="utf-8")
            assert process.poll() is None, (process.returncode, told)
            found[:] = re.findall(r"listening on (http://127\.0\.0\.1:\d+)", told)
            return bool(found) and "ready" in told

        _wait_until(is_ready)
        yield ServerProcess(process, found[0], log)
    finally:
        process.kill()
        process.wait()


def _wait_until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(int(_START_S / 0.02)):
        if condition():
            return
        waited.wait(0.02)
    raise TimeoutError("the server does not start")
