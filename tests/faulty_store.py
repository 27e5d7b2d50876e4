"""A store with S3's interface on this machine, behind a network that fails now and then."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import requests

Fault = Literal["error", "lost", "half"]

_HOP = ("host", "connection", "transfer-encoding", "content-length")


@dataclass
class FaultyStore:
    """The store, and what happens to the requests on their way.

    Attributes:
        port: Where it answers.
        fault: Told the number, method and path of each request, says how it fails.
        n_requests: All that came.
        n_faults: Those that failed.
    """

    port: int
    fault: Callable[[int, str, str], Fault | None] = lambda number, method, path: None
    n_requests: int = 0
    n_faults: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where clients are to go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What has S3's clients come here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",  # what fails is to reach us
        }

    def next_fault(self, method: str, path: str) -> Fault | None:
        """How the request that comes now fails; None if it does not."""
        with self.lock:
            self.n_requests += 1
            found = self.fault(self.n_requests, method, path)
            self.n_faults += found is not None
        return found


@contextmanager
def faulty_store() -> Iterator[FaultyStore]:
    """A store for as long as this is open."""
    from moto.server import ThreadedMotoServer

    behind = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    behind.start()
    requests.post("http://{}:{}/moto-api/reset".format(*behind.get_host_and_port()), timeout=10)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    store = FaultyStore(server.server_address[1])
    told = {"store": store, "behind": behind.get_host_and_port()}
    server.RequestHandlerClass = type("Handler", (_Handler,), told)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        behind.stop()


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on, unless they are to fail."""

    protocol_version = "HTTP/1.1"
    store: FaultyStore
    behind: tuple[str, int]

    def log_message(self, *_: object) -> None:
        return

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.store.next_fault(self.command, self.path)
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "error":
            self.answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
            return
        status, headers, content = self.asked(body)
        self.answer(status, headers, content, is_cut=fault == "half" and len(content) > 1)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

    def asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.behind, timeout=30)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP[1:]}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            told = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            if self.command == "HEAD":
                told += [("Content-Length", answer.getheader("Content-Length") or "0")]
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        content: bytes,
        is_cut: bool = False,
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if is_cut else content)
        self.close_connection = self.close_connection or is_cut
