"""A server as a process, and a client that costs next to nothing, for `benchmarks.serve`."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Client", "Server", "serving"]

_START_S = 120.0


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        port: Where it listens.
        pid: Its process.
    """

    port: int
    pid: int

    @property
    def memory_mib(self) -> float:
        """What it holds, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    @property
    def processor_s(self) -> float:
        """Seconds of processor that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def serving(*options: str, log: Path) -> Iterator[Server]:
    """``gigaam serve`` on a free port, until it is ready and for as long as this is open."""
    command = [sys.executable, "-m", "gigaam", "serve", "--port", "0", *options]
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stderr=file)
    try:
        deadline = time.monotonic() + _START_S
        while "ready" not in (told := log.read_text(encoding="utf-8")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not start: {told}")
            time.sleep(0.05)
        yield Server(int(re.findall(r"listening on \S+:(\d+)", told)[0]), process.pid)
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
        status: Of HTTP.
        body: Parsed.
        seconds: From its first byte to the last of the answer.
        retry_s: When to come again, if that is told.
    """

    status: int
    body: Any
    seconds: float
    retry_s: float | None


class Client:
    """Sends forms over one connection. Not for several threads."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def post(self, path: str, data: bytes, **fields: str) -> Answer:
        """Send a recording."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"'
        head = ("".join(parts) + file + "\r\n\r\n").encode()
        body = b"".join([head, data, f"\r\n--{boundary}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.ask("POST", path, body, headers)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request."""
        started = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers or {})
            answer = self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):  # it was idle for too long
            self._connection.close()
            self._connection.request(method, path, body, headers or {})
            answer = self._connection.getresponse()
        data = answer.read()
        seconds = time.perf_counter() - started
        retry = answer.getheader("Retry-After")
        is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
        parsed = json.loads(data) if is_json else data
        return Answer(answer.status, parsed, seconds, None if retry is None else float(retry))
