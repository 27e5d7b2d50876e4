"""A real HTTP server on 127.0.0.1 that misbehaves on demand, for tests of downloads."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

_CHUNK_BYTES = 16_384


@dataclass(frozen=True)
class Request:
    """What one client asked for, and the status it was answered with."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    status: int


@dataclass(frozen=True)
class Fault:
    """How one answer differs from a correct one; the defaults change nothing."""

    status: int | None = None  # answer with this status and no body of the file
    headers: dict[str, str] = field(default_factory=dict)  # added or replaced; "" leaves one out
    ignore_range: bool = False  # answer 200 with the whole file
    ignore_if_range: bool = False  # answer 206 whatever version the client has
    change_body: Callable[[bytes], bytes] | None = None  # the file as this answer pretends it is
    claim_bytes: int | None = None  # the Content-Length sent, whatever the body is
    drop_after: int | None = None  # close the connection after this many bytes of the body
    chunk_delay_s: float = 0.0  # pause before every 16 KiB


class FileServer:
    """Serves a directory over HTTP/1.1, with Range, If-Range and strong ETags.

    Every request is kept in ``requests``. ``inject(path, fault)`` makes coming answers for a path
    wrong; ``fault`` may also be set to a function that decides per request.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[Request] = []
        self.fault: Callable[[str, dict[str, str]], Fault | None] | None = None
        self.closing = threading.Event()
        self._queued: dict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def inject(self, path: str, fault: Fault, times: int = 1) -> None:
        """Answer the next ``times`` requests for a path with a fault, after those queued."""
        with self._lock:
            self._queued["/" + path.lstrip("/")] += [fault] * times

    def statuses(self, path: str) -> list[int]:
        """The statuses answered for a path so far, in order."""
        return [r.status for r in self.requests if r.path == "/" + path.lstrip("/")]

    def next_fault(self, path: str, headers: dict[str, str]) -> Fault:
        with self._lock:
            if self._queued[path]:
                return self._queued[path].pop(0)
        return (self.fault and self.fault(path, headers)) or Fault()

    def record(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def __enter__(self) -> "FileServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # also joins the handlers' threads


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, owner: FileServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5.0
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        owner = self.server.owner
        asked = {name.lower(): value for name, value in self.headers.items()}
        fault = owner.next_fault(self.path, asked)
        status, headers, body = self._correct_answer(asked, fault)
        if fault.claim_bytes is not None:
            headers["Content-Length"] = str(fault.claim_bytes)
        headers |= fault.headers
        headers["Connection"] = "close"
        self.close_connection = True
        owner.record(Request(self.command, self.path, asked, status))
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if with_body:
            self._send(body, fault)

    def _send(self, body: bytes, fault: Fault) -> None:
        owner = self.server.owner
        for start in range(0, len(body[: fault.drop_after]), _CHUNK_BYTES):
            if fault.chunk_delay_s and owner.closing.wait(fault.chunk_delay_s):
                return
            stop = start + _CHUNK_BYTES
            if fault.drop_after is not None:
                stop = min(stop, fault.drop_after)
            self.wfile.write(body[start:stop])

    def _correct_answer(
        self, asked: dict[str, str], fault: Fault
    ) -> tuple[int, dict[str, str], bytes]:
        root = self.server.owner.directory.resolve()
        file = (root / unquote(self.path).lstrip("/")).resolve()
        if fault.status is not None:
            text = b"fault on demand"
            return fault.status, {"Content-Length": str(len(text))}, text
        if not file.is_relative_to(root) or not file.is_file():
            return 404, {"Content-Length": "0"}, b""
        content = file.read_bytes()
        if fault.change_body:
            content = fault.change_body(content)
        etag = fault.headers.get("ETag", f'"{file.stat().st_mtime_ns:x}-{len(content):x}"')
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(len(content))}
        start = None if fault.ignore_range else _first_byte(asked.get("range"))
        is_current = fault.ignore_if_range or asked.get("if-range", etag) == etag
        if start is None or not is_current:
            return 200, headers, content
        if start >= len(content):
            return 416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}, b""
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers["Content-Length"] = str(len(content) - start)
        return 206, headers, content[start:]


def _first_byte(header: str | None) -> int | None:
    """The first byte of ``bytes=N-``; None for no header or any other form."""
    if header is None or not header.startswith("bytes=") or not header.endswith("-"):
        return None
    digits = header.removeprefix("bytes=").removesuffix("-")
    return int(digits) if digits.isdigit() else None
