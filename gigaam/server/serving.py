"""Runs the server: uvicorn, signals, the log."""

from __future__ import annotations

import asyncio
import logging.config
from dataclasses import dataclass
from socket import socket

import uvicorn
from starlette.applications import Starlette

from gigaam.server.answering import log
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
_LAST_WORDS_S = 10.0  # live streams have these for theirs when the server ends
_POLL_S = 0.05


@dataclass(frozen=True)
class Binding:
    """Where a server listens, and how it ends.

    Attributes:
        host: The address; "127.0.0.1" is reached from this machine alone.
        port: 0 takes any free one.
        root_path: Where a proxy has put it.
        trusted_proxies: Addresses whose word on who asks is taken.
        shutdown_s: Requests that are at work when the server is to end have so many seconds.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""
    trusted_proxies: str = "127.0.0.1"
    shutdown_s: int = 30


def serve(app: Starlette, binding: Binding, log_format: LogFormat = "text") -> bool:
    """Answer requests until SIGTERM or Ctrl-C; whether the server could answer any.

    Those at work at the end are finished.
    """
    service: Service = app.state.service
    logging.config.dictConfig(log_config(log_format))
    server = _Server(server_config(app, binding), service)
    try:
        server.run()
    except SystemExit:  # it could not begin, and has said why
        return False
    return not service.failed.is_set()


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
        timeout_graceful_shutdown=binding.shutdown_s,
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
    """Tells where it listens, and ends when it can never answer."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._watching = asyncio.create_task(self._end_on_failure())
        for server in self.servers if self.started else ():
            for each in server.sockets:
                host, port = each.getsockname()[:2]
                where = f"[{host}]" if ":" in host else host
                log.info(f"listening on http://{where}:{port}")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._service.close()
        for _ in range(round(_LAST_WORDS_S / _POLL_S)):  # uvicorn would cut websockets off
            if not self._service.slots.n_connections:
                break
            await asyncio.sleep(_POLL_S)
        await super().shutdown(sockets)

    async def _end_on_failure(self) -> None:
        await self._service.failed.wait()
        self.should_exit = True
