"""Models fetched from servers that misbehave, into caches that somebody has been at."""

import hashlib
import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from unittest import mock

from gigaam.errors import DownloadError
from gigaam.store.download import fetch
from gigaam.store.registry import ModelInfo, RemoteFile
from gigaam.store.transfer import RetryPolicy
from tests.fuzz.cases import BrokenPromiseError, Case
from tests.fuzz.mutations import mutated
from tests.http_server import Fault, FileServer

CONTENT = bytes(range(256)) * 1024
FILE = "net.ckpt"
PASSWORD = "hunter2secret"
QUICK = RetryPolicy(
    first_wait_s=0.001, longest_wait_s=0.01, read_timeout_s=0.3, connect_timeout_s=0.3
)
_VARIABLES = ("GIGAAM_CACHE", "GIGAAM_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY")


def make(rng: Random, folder: Path) -> Case:
    """A model fetched once: a fault of the server, of the address or of the cache, or several."""
    remote = RemoteFile(
        path=FILE,
        md5=hashlib.md5(CONTENT).hexdigest(),
        sha256=hashlib.sha256(CONTENT).hexdigest() if rng.random() < 0.5 else None,
        size_bytes=len(CONTENT) if rng.random() < 0.5 else None,
    )
    cache = folder / "cache"
    cache.mkdir()
    done = [_spoil_cache(cache, folder, rng)] if rng.random() < 0.5 else []
    kind = rng.choice((_misbehaving, _misbehaving, _raw, _raw, _address))
    return kind(rng, folder, remote, done)


def _misbehaving(rng: Random, folder: Path, remote: RemoteFile, done: list[str]) -> Case:
    """A server that answers in the protocol, but wrongly."""
    faults = [_fault(rng) for _ in range(rng.randint(1, 4))]
    what = "; ".join((*done, *map(_told, faults)))

    def run() -> str:
        (folder / "www").mkdir()
        (folder / "www" / FILE).write_bytes(CONTENT)
        with FileServer(folder / "www") as server:
            for fault in faults:
                server.inject(FILE, fault)
            return _fetched(server.url, folder, remote)

    return Case(what, run)


def _told(fault: Fault) -> str:
    """What is wrong with an answer."""
    wrong = {name: value for name, value in vars(fault).items() if value != getattr(Fault(), name)}
    return ", ".join(
        f"{name} {getattr(value, '__name__', value)!s:.80}" for name, value in wrong.items()
    )


def _fault(rng: Random) -> Fault:
    """One answer that differs in one way or two."""
    faults = (
        Fault(status=rng.choice((100, 101, 199, 204, 304, 400, 401, 404, 407, 416, 429, 500, 599))),
        Fault(status=rng.choice((301, 302, 303, 307, 308)), headers=_redirection(rng)),
        Fault(status=rng.choice((429, 503)), headers={"Retry-After": _odd_value(rng)}),
        Fault(headers={_header(rng): _odd_value(rng), _header(rng): _odd_value(rng)}),
        Fault(drop_after=rng.choice((0, 1, 1 << 16, 200_000))),
        Fault(claim_bytes=rng.choice((0, 1, len(CONTENT) - 1, len(CONTENT) + 1, 2**62))),
        Fault(change_body=rng.choice((_reversed, _emptied, _doubled))),
        Fault(ignore_range=True),
        Fault(ignore_if_range=True),
    )
    return rng.choice(faults)


def _reversed(body: bytes) -> bytes:
    return body[::-1]


def _emptied(body: bytes) -> bytes:
    return b""


def _doubled(body: bytes) -> bytes:
    return body * 2


def _redirection(rng: Random) -> dict[str, str]:
    targets = (
        f"/{FILE}", "", "http://", "http:///x", "http://[::1", "//", "http://a:b:c/", "ftp://x/y",
        "file:///etc/passwd", "http://127.0.0.1:99999/", "http://127.0.0.1:1/", "http://\x7f/",
        "javascript:1", "http://.../", "http://" + "a" * 300 + "/", "?" * 5000,
        "http://127.0.0.1:-1/", "http://%00/", "http://127.0.0.1:\u00b2/", "\\\\server\\file",
    )  # fmt: skip
    return {"Location": rng.choice(targets).encode("utf-8").decode("latin-1")}


def _header(rng: Random) -> str:
    names = ("ETag", "Content-Length", "Content-Range", "Content-Encoding", "Last-Modified")
    return rng.choice((*names, "Transfer-Encoding", "Accept-Ranges", "Set-Cookie", "Content-Type"))


def _odd_value(rng: Random) -> str:
    values = (
        "", "0", "-1", "1e9", "abc", "99999999999999999999", "bytes 0-", "bytes */*", "gzip", "br",
        "chunked", "bytes 5-1/2", 'W/"x"', '"' * 100, "Thu, 01 Jan 1970 00:00:00 GMT", "\u00b2",
        "Fri, 99 Foo 99999 99:99:99 XXX", "\xff", "a" * 60_000, "deflate, gzip", "12, 13", "+5",
    )  # fmt: skip
    return rng.choice(values)


def _raw(rng: Random, folder: Path, remote: RemoteFile, done: list[str]) -> Case:
    """A server that sends the bytes of an answer damaged, or something else altogether."""
    head = (
        f'HTTP/1.1 {rng.choice((200, 200, 206, 302, 503))} OK\r\nETag: "1"\r\nLocation: /x\r\n'
        f"Content-Range: bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}\r\nRetry-After: 0\r\n"
    )
    if rng.random() < 0.3:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
        head += "Transfer-Encoding: chunked\r\n"
    else:
        body = CONTENT
        head += f"Content-Length: {len(CONTENT)}\r\n"
    answer, damage = mutated(head.encode() + b"\r\n" + body, rng, most=2)
    if rng.random() < 0.1:
        answer, damage = rng.randbytes(3000), "no HTTP"

    def run() -> str:
        with _sending(answer) as url:
            return _fetched(url, folder, remote)

    return Case("; ".join((*done, f"raw answer: {damage}")), run)


@contextmanager
def _sending(answer: bytes) -> Iterator[str]:
    """The address of a server that answers every connection with these bytes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(1.0)
            try:
                self.request.recv(1 << 16)
                self.request.sendall(answer)
            except OSError:
                return

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _address(rng: Random, folder: Path, remote: RemoteFile, done: list[str]) -> Case:
    """A mirror whose address is wrong, or holds a password."""
    login = f"http://user:{PASSWORD}@"
    mirrors = (
        "http://", "http:///", "http://[::1", "http://[zz]/", "http://127.0.0.1:99999", "https://",
        "http://127.0.0.1:abc", "ftp://127.0.0.1/", "127.0.0.1", "file:///etc", "http://\x01/",
        "//", "http://" + "a" * 300, "http://.../", "http://127.1:1", "HTTP://127.0.0.1:1 /",
        "http://127.0.0.1:1\n/x", login + "127.0.0.1:1/x", login + "[::1", login, login + "[::1]:1",
        login + "127.0.0.1:99999/", "http://127.0.0.1:1/?token=" + PASSWORD,
        f"user:{PASSWORD}@127.0.0.1:1", f"ftp://user:{PASSWORD}@127.0.0.1/", login + "...",
    )  # fmt: skip
    mirror = rng.choice(mirrors)
    return Case(
        "; ".join((*done, f"mirror {mirror[:60]!r}")), lambda: _fetched(mirror, folder, remote)
    )


def _spoil_cache(cache: Path, folder: Path, rng: Random) -> str:
    """Leave something in the cache, and a victim that links there may lead to."""
    (folder / "victim").write_bytes(b"not yours")
    name = FILE + rng.choice(("", ".part", ".part.json", ".verified", ".lock"))
    path, what = cache / name, rng.choice(("link", "dangling link", "directory", "junk", "notes"))
    if what == "link":
        path.symlink_to(folder / "victim")
    elif what == "dangling link":
        path.symlink_to(folder / "appeared")
    elif what == "directory":
        path.mkdir()
    elif what == "junk":
        path.write_bytes(
            rng.choice((b"", b"\xff\xfe", CONTENT[:1000], CONTENT * 2, b"[" * 100_000))
        )
    else:
        odd = rng.choice((None, [], {}, -1, "x", '"1"', "bytes", 2**70, "\r\nX: y", "\u00e9" * 9))
        keys = ("url", "validator", "total", "sha256", "md5", "size", "mtime")
        path.write_text(json.dumps({key: rng.choice((odd, key)) for key in keys}), encoding="utf-8")
        (cache / f"{FILE}.part").write_bytes(CONTENT[: rng.choice((0, 1, 1 << 16, len(CONTENT)))])
    return f"{name}: {what}"


def _fetched(mirror: str, folder: Path, remote: RemoteFile) -> str:
    """The outcome of fetching; what was fetched is the published file, and nothing else changed."""
    info = ModelInfo(name="net", line="v3", task="ctc", file=remote)
    kept = {name: os.environ[name] for name in os.environ if name not in _VARIABLES}
    with mock.patch.dict(os.environ, {**kept, "GIGAAM_MIRROR": mirror}, clear=True):
        try:
            path = fetch(info, folder / "cache", policy=QUICK, progress=False)
        except DownloadError as error:
            if PASSWORD in str(error):
                raise BrokenPromiseError(f"the password is told: {error}") from error
            _check_folder(folder)
            raise
    if path.read_bytes() != CONTENT:
        raise BrokenPromiseError(f"{path} is not what was published")
    _check_folder(folder)
    return "fetched"


def _check_folder(folder: Path) -> None:
    victim = folder / "victim"
    if victim.exists() and victim.read_bytes() != b"not yours":
        raise BrokenPromiseError("a file that a link led to was changed")
    if (folder / "appeared").exists():
        raise BrokenPromiseError("a file appeared where a link led to")
    for path in (folder / "cache").iterdir():
        if path.is_file() and PASSWORD.encode() in path.read_bytes():
            raise BrokenPromiseError(f"the password stands in {path.name}")
