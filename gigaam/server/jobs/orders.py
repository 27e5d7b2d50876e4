"""What a form asks of a job, and how that is known again when the job is at work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import FormData

from gigaam.server.form_fields import FormFields
from gigaam.server.jobs.references import Fields, with_digests
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.uploads import upload_of
from gigaam.server.wishes import Wishes

__all__ = ["Order", "wishes_of"]

_OF_RESULTS = ("response_format", "timestamp_granularities", "include")


@dataclass(frozen=True)
class Order:
    """What a form asks for, checked.

    Attributes:
        fields: Its texts, but for the path; digests stand for recordings of known speakers.
        wishes: What they say.
        upload: The recording; None if it lies on the server.
        path: Where it lies.
        references: A text in which recordings of known speakers are kept; None if there are none.
    """

    fields: Fields
    wishes: Wishes
    upload: BinaryIO | None
    path: str | None
    references: str | None = None

    @classmethod
    def read(cls, form: FormData, service: Service) -> Order:
        """The order of a form to a server.

        Raises:
            Refusal: A field has a value that it cannot have, or there is no recording.
        """
        path = FormFields(form).text("path")
        texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        fields = tuple(item for item in texts if item[0] != "path")
        if path is not None and "file" in form:
            told = "file and path are both given: a job has one recording"
            raise Refusal(400, told, code="invalid_value", param="path")
        upload = upload_of(form) if path is None else None
        _refuse_others_fields(fields)
        wishes = wishes_of(fields, service)
        short, references = with_digests(fields)
        return cls(short, wishes, upload, path, references)


def wishes_of(fields: Iterable[tuple[str, str]], service: Service) -> Wishes:
    """What the texts of a form say to a server.

    Raises:
        Refusal: A field has a value that it cannot have.
    """
    form = FormFields(FormData(list(fields)))
    return Wishes.read(form, service.settings.decoding, service.no_speakers)


def _refuse_others_fields(fields: Fields) -> None:
    """Refuses what is said elsewhere."""
    form = FormFields(FormData(list(fields)))
    if form.flag("stream"):
        told = "a job is not streamed by the request that makes it: see its events"
        raise Refusal(400, told, code="unsupported_value", param="stream")
    for name in _OF_RESULTS:
        if form.list(name):
            told = f"{name} is said when the result is fetched: /v1/jobs/ID/result?{name}=…"
            raise Refusal(400, told, code="unsupported_value", param=name)
