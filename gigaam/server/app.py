"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from gigaam.errors import ArgumentError, GigaAMError
from gigaam.server import health, jobs, model_list, page, transcriptions
from gigaam.server.access import AccessControl
from gigaam.server.answering import RequestLog, answer_error, log
from gigaam.server.ending import Ending, EndingRequests
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.settings import ServerSettings
from gigaam.server.streams import Streams
from gigaam.server.warming import warm_up
from gigaam.server.warned import warnings_by_context

if TYPE_CHECKING:
    from gigaam.server.models import Load

__all__ = ["create_app"]

_UNLOAD_EVERY_S = 10.0

_OWN = ("x-gigaam-ignored", "x-gigaam-model", "x-gigaam-warning")
_EXPOSED = ("x-request-id", "retry-after", "location", *_OWN)
"""Headers of answers that scripts of other sites' pages may read."""


def create_app(settings: ServerSettings | None = None, *, load: Load | None = None) -> Starlette:
    """The server, for any ASGI server; ``gigaam serve`` runs it with uvicorn.

    Args:
        settings: What it is told.
        load: Gives a model by its name, in place of `gigaam.load_model`.
    """
    settings = settings or ServerSettings()
    service, ending = Service(settings, load), Ending()
    streams = Streams(service)
    routes = _routes(service, streams)
    app = Starlette(
        routes=routes,
        middleware=_middleware(service, ending, routes),
        exception_handlers={HTTPException: answer_error, Refusal: answer_error},
        lifespan=_lifespan,
    )
    app.state.service = service
    app.state.ending = ending
    app.state.has_run = False
    app.state.streams = streams
    return app


def _routes(service: Service, streams: Streams) -> list[BaseRoute]:
    shown = page.routes() if service.settings.page else []
    speech = [*transcriptions.routes, *jobs.pages(service), *streams.routes]
    return [*health.routes, *model_list.routes, *speech, *shown]


def _middleware(service: Service, ending: Ending, routes: Sequence[BaseRoute]) -> list[Middleware]:
    settings = service.settings
    layers = [Middleware(RequestLog, metrics=service.metrics, routes=routes)]
    if settings.allow_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allow_origins,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
                expose_headers=_EXPOSED,
            )
        )
    access = Middleware(AccessControl, keys=settings.api_keys, origins=settings.allow_origins)
    return [*layers, access, Middleware(EndingRequests, ending=ending)]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    if app.state.has_run:  # its threads and limits are used up
        raise ArgumentError("this server has run already: each run needs its own create_app()")
    app.state.has_run = True
    service: Service = app.state.service
    async with AsyncExitStack() as stack:
        stack.enter_context(warnings_by_context())
        try:
            await stack.enter_async_context(jobs.running(service))
            listeners = app.state.streams.listeners()
            await stack.enter_async_context(app.state.ending.in_time(listeners))
        except GigaAMError as error:
            service.fail(str(error))
        except OSError as error:
            service.fail(error.strerror or str(error))
        for work in (warm_up, _unload_idle):
            stack.callback(asyncio.create_task(work(service)).cancel)
        yield
        service.close()
    for executor in (service.executor, service.live_executor):
        executor.shutdown(wait=False, cancel_futures=True)


async def _unload_idle(service: Service) -> None:
    while True:
        await asyncio.sleep(_UNLOAD_EVERY_S)
        for name in service.models.unload_idle():
            log.info("model unloaded", extra={"told": {"model": name}})
