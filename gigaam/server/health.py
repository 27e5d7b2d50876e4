"""Whether the server lives, whether it can answer, and what it measures."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gigaam.server.service import service_of

__all__ = ["routes"]


async def health(request: Request) -> Response:
    """The process lives, even while it loads its model."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Whether requests are answered now; if not, why."""
    service = service_of(request)
    if service.not_ready is not None:
        told = {"status": "not ready", "reason": service.not_ready}
        return JSONResponse(told, 503, {"Retry-After": "5"})
    return JSONResponse(
        {
            "status": "ready",
            "models": service.models.loaded,
            "speakers": service.no_speakers is None,
        }
    )


async def metrics(request: Request) -> Response:
    """All measurements, for Prometheus."""
    registry = service_of(request).metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


routes: list[BaseRoute] = [
    Route("/health", health),
    Route("/ready", ready),
    Route("/metrics", metrics),
]
