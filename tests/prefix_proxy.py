"""A proxy that has a server behind a path, and whose connections can be broken."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PrefixProxy", "prefix_proxy"]


class PrefixProxy:
    """Passes ``PREFIX/…`` on as ``/…``; a connection carries one request, or one websocket.

    Attributes:
        url: Where the server's page is.
        asked: What clients have sent.
    """

    def __init__(self, prefix: str, port: int) -> None:
        self._prefix = prefix.encode()
        self._server_port = port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_refusing = False
        self.asked = bytearray()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._listener = self._loop.run_until_complete(listening)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{prefix}/"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def break_connections(self, *, for_good: bool = False) -> None:
        """Breaks those that are there, and with `for_good` those that come."""

        async def broken() -> None:
            self._is_refusing = for_good
            for writer in self._writers:
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(broken(), self._loop).result(10)

    def close(self) -> None:
        """Ends it."""
        self.break_connections(for_good=True)
        self._loop.call_soon_threadsafe(self._listener.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._is_refusing:
                writer.transport.abort()
                return
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._pass(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked += head
        method, path, rest = head.split(b" ", 2)
        if not path.startswith(self._prefix + b"/"):
            writer.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        if b"upgrade: websocket" not in head.lower():
            rest = rest.replace(b"Connection: keep-alive", b"Connection: close")
        behind = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers.add(behind[1])
        try:
            behind[1].write(b" ".join((method, path.removeprefix(self._prefix), rest)))
            sending = asyncio.create_task(_copy(reader, behind[1], self.asked))
            await _copy(behind[0], writer)
            sending.cancel()
        finally:
            self._writers.discard(behind[1])
            behind[1].close()


async def _copy(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray | None = None
) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            if kept is not None:
                kept += data
            await target.drain()


@contextmanager
def prefix_proxy(prefix: str, port: int) -> Iterator[PrefixProxy]:
    """A proxy before the server at a port of this machine, for as long as this is open."""
    proxy = PrefixProxy(prefix, port)
    try:
        yield proxy
    finally:
        proxy.close()
