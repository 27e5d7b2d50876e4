"""The web page: a few files, as they are, and nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

__all__ = ["routes"]

_FOLDER = Path(__file__).parent
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # The page plays what was dropped on it from memory (blob:), and speaks to this server alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; media-src blob:; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
    "X-Content-Type-Options": "nosniff",
}


async def page(request: Request) -> Response:
    """The page, or one of its files."""
    name = request.path_params.get("name", "index.html")
    if name not in _files():
        raise HTTPException(404, "there is no such file")
    content, kind = _files()[name]
    return Response(content, headers=_HEADERS, media_type=kind)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Name → content and kind; no other name leads to a file."""
    paths = [path for path in _FOLDER.iterdir() if path.suffix in _TYPES]
    return {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in paths}


def routes() -> list[BaseRoute]:
    """The page and its files."""
    return [Route("/", page), Route("/page/{name}", page)]
