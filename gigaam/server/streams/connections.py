"""Servers of protocols over TCP that have no HTTP: one client each, with limits of time.

None of these protocols knows authentication.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

from gigaam.server.answering import log
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.streams.conversation import log_end, refusal_for
from gigaam.server.streams.ends import Gone, ServerEnds, awaited
from gigaam.server.streams.stream import Live

__all__ = ["Connection", "Speaker", "listening"]

T = TypeVar("T")

_IDLE_S = 300.0
"""A client without a place may be silent for so long: nothing else tells that it is gone."""

_LAST_S = 20.0
"""What streams have for their last words when the server ends."""

_LINGER_S = 2.0


class Connection:
    """What is said over TCP.

    Attributes:
        service: The server.
        live: Its live speech.
        reader: What comes; read it by way of `received`.
    """

    def __init__(
        self,
        service: Service,
        protocol: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        closing: asyncio.Future[Any],
    ) -> None:
        self.service = service
        self.live = Live(service, protocol)
        self.reader = reader
        self._writer = writer
        self._closing = closing

    async def received(self, reading: Awaitable[T], *, is_first: bool = False) -> T:
        """What a reading of `reader` gives.

        Args:
            reading: One of its coroutines.
            is_first: Whether a client that sends nothing has not even begun.

        Raises:
            Gone: The client has left.
            Stalled: It sends nothing.
            ServerEnds: The server is about to end.
        """
        is_urgent = is_first or self.live.has_place
        timeout_s = self.service.settings.stall_s if is_urgent else _IDLE_S
        try:
            return await awaited(reading, self._closing, timeout_s)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error

    async def sent(self, write: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        """Send something.

        Raises:
            Gone: The client has left, or does not read.
        """
        try:
            await asyncio.wait_for(write(self._writer), self.service.settings.stall_s)
        except (asyncio.TimeoutError, ConnectionError) as error:
            self._writer.transport.abort()
            raise Gone from error


class Speaker(Protocol):
    """Speaks a protocol with one client."""

    async def converse(self) -> None:
        """Until the client or something else ends it."""

    async def fail(self, refusal: Refusal) -> None:
        """Tell of an error, after which the connection is closed."""

    def leave(self) -> None:
        """The connection is over."""


@asynccontextmanager
async def listening(
    service: Service,
    protocol: str,
    port: int,
    speak: Callable[[Connection], Speaker],
) -> AsyncIterator[None]:
    """Answers at a port for as long as this is open.

    Args:
        service: The server.
        protocol: What is spoken, for measurements and the log.
        port: Of the host that the settings name.
        speak: Gives who speaks it with one client.

    Raises:
        OSError: The port cannot be had.
    """
    tasks: set[asyncio.Task[None]] = set()
    closing = asyncio.create_task(service.closing.wait())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            connection = Connection(service, protocol, reader, writer, closing)
            await _hold(connection, protocol, writer, speak(connection))
        finally:
            tasks.discard(task)
            writer.close()

    host = service.settings.host
    try:
        server = await asyncio.start_server(serve, host, port)
    except OSError as error:
        closing.cancel()
        told = f"{protocol}: cannot listen on {host}, port {port}: {error.strerror or error}"
        raise OSError(error.errno, told) from error
    log.info(f"listening for {protocol} on {host}:{server.sockets[0].getsockname()[1]}")
    try:
        yield
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_S)
        for task in tasks:
            task.cancel()
        closing.cancel()


async def _hold(
    connection: Connection,
    protocol: str,
    writer: asyncio.StreamWriter,
    speaker: Speaker,
) -> None:
    """A conversation from its beginning to its end, however that comes."""
    service, began, ended = connection.service, time.perf_counter(), "done"
    client = str((writer.get_extra_info("peername") or ("local",))[0])
    try:
        with service.slots.connection(protocol):
            await speaker.converse()
    except ServerEnds:
        ended = "server ends"
    except Gone:
        ended = "client left"
    except Exception as error:
        refusal = refusal_for(error, service, protocol)
        ended = refusal.code or "refused"
        with suppress(Gone):
            await speaker.fail(refusal)
            await _linger(connection.reader, writer)
    finally:
        connection.live.leave()
        speaker.leave()
        log_end(protocol, client, connection.live.sound_s, began, ended)


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a while: to close at once would take back what was told last."""

    async def read_on() -> None:
        while await reader.read(1 << 16):
            pass

    with suppress(asyncio.TimeoutError, OSError):
        writer.write_eof()
        await asyncio.wait_for(read_on(), _LINGER_S)
