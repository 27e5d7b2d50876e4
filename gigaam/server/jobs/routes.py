"""``/v1/jobs``: jobs made, listed, looked at, cancelled, deleted; their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from gigaam.server.access import client_of
from gigaam.server.answers import Transcript, answer
from gigaam.server.form_fields import FormFields
from gigaam.server.jobs.events import events_of
from gigaam.server.jobs.job import Job, refusal_from
from gigaam.server.jobs.orders import Order
from gigaam.server.jobs.room import Jobs
from gigaam.server.refusals import Refusal
from gigaam.server.service import service_of
from gigaam.server.uploads import check_size, read_form, stated_size
from gigaam.server.wishes import Wishes

__all__ = ["job_routes"]

_PARAMETERS = (  # of a result
    "response_format",
    "timestamp_granularities",
    "timestamp_granularities[]",
    "include",
    "include[]",
)
_MOST_LISTED = 100


async def create(request: Request) -> Response:
    """A new job, which waits for its turn."""
    jobs = _jobs(request)
    service, settings = jobs.service, jobs.service.settings
    service.check_ready()
    check_size(request, settings)
    with jobs.place(client_of(request)):
        await jobs.do(jobs.check_space, stated_size(request) or 0)
        async with read_form(request, settings) as form:
            job = await jobs.do(jobs.take, Order.read(form, service), client_of(request))
    where = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
    return JSONResponse(_told(jobs, job), 202, {"Location": where})


async def list_jobs(request: Request) -> Response:
    """The client's jobs, the newest first."""
    jobs = _jobs(request)
    query = _query(request, ("limit", "after"))
    limit = int(query.number("limit", 1, _MOST_LISTED) or 20)
    after = query.text("after")
    owner = _owner(request)
    if after is not None and await jobs.do(jobs.store.get, after, owner) is None:
        raise Refusal(404, "there is no job such as after says", code="not_found", param="after")
    found = await jobs.do(jobs.store.page, owner, limit + 1, after)
    shown = found[:limit]
    return JSONResponse(
        {
            "object": "list",
            "data": [_told(jobs, job) for job in shown],
            "first_id": shown[0].id if shown else None,
            "last_id": shown[-1].id if shown else None,
            "has_more": len(found) > limit,
        }
    )


async def look(request: Request) -> Response:
    """A job as it is now."""
    return JSONResponse(_told(_jobs(request), await _asked_for(request)))


async def cancel(request: Request) -> Response:
    """A job, ended."""
    jobs = _jobs(request)
    job = await _asked_for(request)
    return JSONResponse(_told(jobs, await jobs.do(jobs.cancel, job)))


async def delete(request: Request) -> Response:
    """Nothing, and nothing is left of the job."""
    jobs = _jobs(request)
    job = await _asked_for(request)
    await jobs.do(jobs.forget, job.id)
    return Response(status_code=204)


async def events(request: Request) -> ASGIApp:
    """What becomes of a job, as it comes."""
    return events_of(request, _jobs(request), await _asked_for(request))


async def result(request: Request) -> Response:
    """The text of a job's recording, as a transcription would answer."""
    jobs = _jobs(request)
    wishes = Wishes.read(_query(request, _PARAMETERS), None)
    job = await _asked_for(request)
    if not job.is_finished:
        raise Refusal(
            409, f"the job is {job.status}: it has no result yet", code="job_not_finished"
        )
    if job.status == "cancelled":
        raise Refusal(410, "the job was cancelled", code="job_cancelled")
    if job.error is not None:
        raise refusal_from(job.error)
    return await jobs.do(_result, jobs, job.id, replace(wishes, ignored=job.ignored))


def _result(jobs: Jobs, id: str, wishes: Wishes) -> Response:
    job, segments = jobs.look(id)
    if job is None:
        raise _unknown()
    transcript = Transcript(
        job.text or "", segments, job.duration_s or 0.0, job.model, job.language, job.warnings
    )
    if wishes.response_format == "diarized_json" and segments and not transcript.has_speakers:
        told = "no speakers were told apart in this job: it is made with speakers=auto for that"
        raise Refusal(400, told, code="unsupported_value", param="response_format")
    return answer(transcript, wishes)


def _jobs(request: Request) -> Jobs:
    jobs = service_of(request).jobs
    assert jobs is not None  # as long as requests are answered
    return jobs


def _owner(request: Request) -> str | None:
    """Whose jobs a client may see; None for all, where no keys tell clients apart."""
    return client_of(request) if service_of(request).settings.api_keys else None


async def _asked_for(request: Request) -> Job:
    jobs = _jobs(request)
    job = await jobs.do(jobs.store.get, request.path_params["id"], _owner(request))
    if job is None:
        raise _unknown()
    return job


def _unknown() -> Refusal:
    return Refusal(404, "there is no such job", code="not_found", param="id")


def _told(jobs: Jobs, job: Job) -> dict[str, object]:
    return job.told(jobs.service.settings.job_ttl_s)


def _query(request: Request, known: Sequence[str]) -> FormFields:
    """The parameters of a request, of which none are unknown."""
    given = request.query_params.multi_items()
    for name, _ in given:
        if name not in known:
            told = f"there is no parameter {name[:100]!r} here, only {', '.join(known)}"
            raise Refusal(400, told, code="unknown_parameter", param=name[:100])
    return FormFields(FormData([*given]))


job_routes: list[BaseRoute] = [
    Route("/v1/jobs", create, methods=["POST"]),
    Route("/v1/jobs", list_jobs, methods=["GET"]),
    Route("/v1/jobs/{id}", look, methods=["GET"]),
    Route("/v1/jobs/{id}", delete, methods=["DELETE"]),
    Route("/v1/jobs/{id}/cancel", cancel, methods=["POST"]),
    Route("/v1/jobs/{id}/events", events, methods=["GET"]),
    Route("/v1/jobs/{id}/result", result, methods=["GET"]),
]
