"""The protocols of live speech: each a thin layer over one live session.

``native`` is this server's own, ``realtime`` is OpenAI's, ``vosk`` Vosk's, ``wyoming`` Home
Assistant's and ``audiosocket`` Asterisk's. What they share is in ``stream`` (places, models,
sound), ``conversation`` (websockets) and ``connections`` (TCP).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from gigaam.server.access import refuse_websocket
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.streams import calls, native, realtime, vosk
from gigaam.server.streams.audiosocket import AudioSocket
from gigaam.server.streams.calls import Calls
from gigaam.server.streams.connections import listening

__all__ = ["Streams"]

_OPTIONAL = {"/v1/realtime": "--realtime", "/vosk": "--vosk", "/": "--vosk"}

_MOST_WAITING = 64
"""So many subscribers may wait for calls that are not there: anybody can invent a call."""


async def _nowhere(websocket: WebSocket) -> None:
    """No protocol, or one that is switched off."""
    option = _OPTIONAL.get(websocket.url.path.removeprefix(websocket.scope.get("root_path", "")))
    told = "there is no websocket here"
    if option is not None:
        told = f"this server does not speak that protocol: it was started without {option}"
    await refuse_websocket(websocket, Refusal(404, told, code="not_found"))


class Streams:
    """The live protocols of one server, as far as they are switched on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        most = service.settings.max_connections // 4  # the others are for sound
        self._calls = Calls(most_waiting=max(1, min(_MOST_WAITING, most)))

    @property
    def routes(self) -> list[BaseRoute]:
        """Those at the server's own port."""
        settings = self._service.settings
        routes = list(native.routes)
        if settings.realtime:
            routes += realtime.routes
        if settings.vosk:
            routes += vosk.routes
        if settings.audiosocket is not None:
            routes += calls.routes(self._calls)
        return [*routes, WebSocketRoute("/{path:path}", _nowhere)]

    @asynccontextmanager
    async def listeners(self) -> AsyncIterator[None]:
        """Those at ports of their own, which are open meanwhile.

        Raises:
            OSError: A port cannot be had.
        """
        service, settings = self._service, self._service.settings
        async with AsyncExitStack() as stack:
            if settings.wyoming is not None:
                from gigaam.server.streams.wyoming import Wyoming  # whose package few need

                opened = listening(service, "wyoming", settings.wyoming, Wyoming)
                await stack.enter_async_context(opened)
            if settings.audiosocket is not None:
                speak = partial(AudioSocket, self._calls)
                opened = listening(service, "audiosocket", settings.audiosocket, speak)
                await stack.enter_async_context(opened)
            yield
