"""Around every request: an id, a line in the log, measurements, errors in one form."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gigaam.server.metrics import Metrics
from gigaam.server.refusals import Refusal, refusal_of

__all__ = ["RequestLog", "answer_error", "log"]

log = logging.getLogger("gigaam.server")
"""Tells what happens, never what was said."""

_GONE = 499  # nginx's word for a client that did not wait for the answer

_PROBES = ("/health", "/ready", "/metrics")  # asked every few seconds: counted, but not told

_USABLE_ID = re.compile(r"[\w.:-]{1,100}")


class RequestLog:
    """Middleware that gives each request an id, measures it and tells how it was answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._metrics = metrics
        # Starlette names the route of a request only since 1.7.
        self._paths = {route.endpoint: route.path for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and tell."""
        if scope["type"] == "websocket":
            await self._watch_websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _USABLE_ID.fullmatch(given) else _new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), _GONE

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            pass
        except Exception as error:
            if status != _GONE:  # an answer was begun: the connection is closed in its middle
                raise
            response = await answer_error(Request(scope), error)
            await response(scope, receive, send_on)
        finally:
            self._tell(scope, request_id, status, time.perf_counter() - started)

    async def _watch_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell of one that is not accepted; of the others their protocols tell."""
        started = time.perf_counter()

        async def send_on(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                request_id = _new_id()
                MutableHeaders(raw=message["headers"])["x-request-id"] = request_id
                self._tell(scope, request_id, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, send_on)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        endpoint: Any = scope.get("endpoint")
        route = self._paths.get(endpoint, "other")  # names of any path would be endless
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.latency_s.labels(route).observe(seconds)
        if route in _PROBES and status == 200:
            return
        address = (scope.get("client") or ("local", 0))[0]
        told = {
            "request_id": request_id,
            "method": scope.get("method", "WEBSOCKET"),
            "route": route,
            "status": status,
            "seconds": round(seconds, 3),
            "client": scope.get("state", {}).get("client", address),
        }
        log.info("request", extra={"told": told})


def _new_id() -> str:
    return f"req_{secrets.token_hex(12)}"


async def answer_error(request: Request, error: Exception) -> Response:
    """The answer to a request that failed; faults of the server are told in its log."""
    if isinstance(error, HTTPException):
        refusal = Refusal(error.status_code, error.detail, headers=error.headers)
    else:
        refusal = refusal_of(error)
    if refusal.status >= 500 and not isinstance(error, Refusal):
        told = {"request_id": request.scope.get("state", {}).get("request_id")}
        log.error("failed", exc_info=error, extra={"told": told})
    service = request.app.state.service
    service.metrics.errors.labels(refusal.code or str(refusal.status)).inc()
    return JSONResponse(refusal.body, refusal.status, refusal.headers)
