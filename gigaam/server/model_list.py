"""``/v1/models``: what clients may ask for."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gigaam.server.refusals import Refusal
from gigaam.server.service import service_of

__all__ = ["routes"]

_STARTED = int(time.time())


async def models(request: Request) -> Response:
    """The models that the server was started with."""
    names = service_of(request).models.names
    return JSONResponse({"object": "list", "data": [_told(name) for name in names]})


async def model(request: Request) -> Response:
    """One of them."""
    name = request.path_params["name"]
    if name not in service_of(request).models.names:
        raise Refusal(404, f"there is no model {name!r}", code="model_not_found", param="model")
    return JSONResponse(_told(name))


def _told(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "gigaam"}


routes: list[BaseRoute] = [Route("/v1/models", models), Route("/v1/models/{name:path}", model)]
