"""Who may ask: API keys, and web sites whose pages may use the server.

A page of any site can send requests to a server on the machine of whoever looks at it. So a browser
that names another origin is refused unless that is allowed. It names none where it takes the server
for that of the page itself, whose name may lead here by now (DNS rebinding): so without keys the
server does not answer to names that could be anybody's.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gigaam.server.refusals import Refusal

__all__ = ["KEY_PROTOCOLS", "AccessControl", "client_of", "refuse_websocket"]

KEY_PROTOCOLS = ("openai-insecure-api-key.", "gigaam-key.")
"""Websockets of browsers have no headers; a key follows one of these, as a subprotocol."""

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa", ".lan")

_PUBLIC = ("/health", "/ready", "/", "/page/")


def client_of(connection: HTTPConnection) -> str:
    """Who asks: stands for the key, or is the address."""
    client: str = connection.scope["state"]["client"]
    return client


class AccessControl:
    """Middleware that lets through who may ask, and notes who it is."""

    def __init__(self, app: ASGIApp, keys: Iterable[str], origins: Iterable[str]) -> None:
        """A middleware.

        Args:
            app: What is protected.
            keys: One of them is needed, if there are any.
            origins: Sites besides the server's own whose pages may ask; "*" for all.
        """
        self._app = app
        self._digests = [_digest(key) for key in keys]
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        self._hosts = frozenset(urlsplit(origin).netloc for origin in self._origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if not _is_public(scope):  # browsers name an origin for scripts of the page, too
                self._check_host(headers.get("host", ""))
                self._check_origin(headers)
            scope.setdefault("state", {})["client"] = self._identified(scope, headers)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        if self._digests or "*" in self._origins or host in self._hosts:
            return
        if _is_of_this_network(host):
            return
        told = f"without API keys the server does not answer to the name {host[:200]!r}"
        told = f"{told}, which could be anybody's: see --allow-origin and --api-key"
        raise Refusal(403, told, code="host_not_allowed")

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc == headers.get("host", ""):
            return
        told = f"pages of {origin[:200]!r} may not use this server: see --allow-origin"
        raise Refusal(403, told, code="origin_not_allowed")

    def _identified(self, scope: Scope, headers: Headers) -> str:
        host = (scope.get("client") or ("local", 0))[0]
        if not self._digests:
            return str(host)
        given = _given_key(headers, scope.get("subprotocols", ()))
        if given is not None:
            digest = _digest(given)
            matches = [hmac.compare_digest(digest, each) for each in self._digests]  # all of them
            if any(matches):
                return f"key {digest.hex()[:16]}"
        if _is_public(scope):
            return str(host)
        told = "there is no API key in the request" if given is None else "the API key is wrong"
        raise Refusal(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _is_public(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    path: str = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    return path in _PUBLIC or path.startswith("/page/")


def _given_key(headers: Headers, subprotocols: Iterable[str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    for protocol in subprotocols:  # some servers leave them out of the headers
        for prefix in KEY_PROTOCOLS:
            if protocol.startswith(prefix):
                return protocol.removeprefix(prefix)
    return None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _is_of_this_network(host: str) -> bool:
    """Whether a host is named by its number, or by a name that nobody can have elsewhere."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if "." not in name.rstrip(".") or name.endswith(_LOCAL_NAMES):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _answer(refusal: Refusal) -> Response:
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def refuse_websocket(websocket: WebSocket, refusal: Refusal) -> None:
    """Answer a websocket that is not accepted; where the server cannot, the status is 403."""
    await websocket.receive()
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(_answer(refusal))
    else:
        await websocket.close(1008)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await refuse_websocket(WebSocket(scope, receive, send), refusal)
    else:
        await _answer(refusal)(scope, receive, send)
