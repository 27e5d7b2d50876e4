"""Runs the server: uvicorn, signals, the log."""

from __future__ import annotations

import asyncio
import ipaddress
import logging.config
import math
import re
from dataclasses import dataclass
from socket import socket
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from gigaam.errors import ArgumentError
from gigaam.server.answering import log
from gigaam.server.ending import Ending
from gigaam.server.logs import LogFormat, log_config
from gigaam.server.protocols import BoundedHttp, BoundedWebSocket
from gigaam.server.service import Service
from gigaam.server.streams.conversation import MOST_BYTES
from gigaam.server.streams.realtime import MOST_BYTES as MOST_REALTIME_BYTES

__all__ = ["Binding", "serve", "server_config"]

# Of websockets; what is a little larger is still told so by the protocol.
_LARGEST_MESSAGE = MOST_BYTES + (64 << 10)
_LARGEST_REALTIME_MESSAGE = MOST_REALTIME_BYTES + (64 << 10)

_PONG_S = 120.0  # the answer to a ping queues behind sound that waits to be heard

_KEEP_ALIVE_S = 75  # longer than proxies keep idle connections, which must not be the last to know
_LAST_WORDS_S = 10.0  # of the time for the end, live streams have so much for theirs
_ANSWERS_S = 2.0  # then what is at work was told that it must end, and what is stuck is cut off
_POLL_S = 0.05

_PATH = re.compile(r"(/[^/?#%\s]+)+")


@dataclass(frozen=True)
class Binding:
    """Where a server listens, and how it ends.

    Attributes:
        host: The address; "127.0.0.1" is reached from this machine alone.
        port: 0 takes any free one.
        root_path: Where a proxy has put it, which takes this off what it passes on: "/speech".
        trusted_proxies: Addresses and networks whose word on who asks is taken, with commas
            between; "*" for all.
        shutdown_s: What is at work when the server is to end has so many seconds.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""
    trusted_proxies: str = "127.0.0.1"
    shutdown_s: int = 30

    def __post_init__(self) -> None:
        path = self.root_path.rstrip("/")
        if path and not _PATH.fullmatch(path):
            raise ArgumentError(f"root_path must be as /speech, not {self.root_path!r}")
        object.__setattr__(self, "root_path", path)
        for proxy in filter(None, map(str.strip, self.trusted_proxies.split(","))):
            try:
                if proxy != "*":
                    ipaddress.ip_network(proxy)
            except ValueError:
                told = "must be addresses, networks as 10.0.0.0/8, or '*'"
                raise ArgumentError(f"trusted_proxies {told}, not {proxy!r}") from None


def serve(app: Starlette, binding: Binding, log_format: LogFormat = "text") -> bool:
    """Answer requests until SIGTERM or Ctrl-C; whether the server could answer any.

    Those at work at the end are finished, if they can be in time; a second Ctrl-C leaves none.
    """
    logging.config.dictConfig(log_config(log_format))
    server = _Server(server_config(app, binding), app, binding.shutdown_s)
    try:
        server.run()
    except SystemExit:  # it could not begin, and has said why
        return False
    return not server.service.failed.is_set()


def server_config(app: Starlette, binding: Binding) -> uvicorn.Config:
    """How uvicorn runs the server."""
    service: Service = app.state.service
    is_realtime = service.settings.realtime
    return uvicorn.Config(
        app,
        host=binding.host,
        port=binding.port,
        root_path=binding.root_path,
        forwarded_allow_ips=binding.trusted_proxies,
        timeout_keep_alive=_KEEP_ALIVE_S,
        # Pure Python, and so on every machine; sound costs more than headers.
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_max_size=_LARGEST_REALTIME_MESSAGE if is_realtime else _LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # a little would become a lot before its size is checked
        ws_ping_timeout=_PONG_S,
        log_config=None,
        access_log=False,
        server_header=False,
    )


class _Server(uvicorn.Server):
    """Tells where it listens, ends in time, and ends when it can never answer."""

    def __init__(self, config: uvicorn.Config, app: Starlette, shutdown_s: float) -> None:
        super().__init__(config)
        self.service: Service = app.state.service
        self._ending: Ending = app.state.ending
        self._shutdown_s = shutdown_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; who asks again waits for nothing that is at work."""
        if self.should_exit:  # uvicorn would leave the application as it is, without its end
            self._ending.hasten()
        else:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._watching = asyncio.create_task(self._end_on_failure())
        if self.service.failed.is_set():
            return
        for server in self.servers if self.started else ():
            for each in server.sockets:
                host, port = each.getsockname()[:2]
                where = f"[{host}]" if ":" in host else host
                log.info(f"listening on http://{where}:{port}")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._ending.begin(self._shutdown_s)
        self.service.close()
        for _ in range(round(_LAST_WORDS_S / _POLL_S)):  # uvicorn would cut websockets off
            if self._ending.is_over or not self.service.slots.n_connections:
                break
            await asyncio.sleep(_POLL_S)
        left_s = self._ending.left_s or 0.0
        self.config.timeout_graceful_shutdown = math.ceil(left_s + _ANSWERS_S)
        await super().shutdown(sockets)

    async def _end_on_failure(self) -> None:
        await self.service.failed.wait()
        self.should_exit = True
