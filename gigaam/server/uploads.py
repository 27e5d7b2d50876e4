"""Forms with recordings: read within bounds, whatever is sent."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO, cast

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from gigaam.server.refusals import Refusal
from gigaam.server.settings import ServerSettings

__all__ = ["UploadedRecording", "check_size", "read_form", "stated_size", "upload_of"]

_MOST_FILES = 1
_MOST_FIELDS = 1_000
_LARGEST_FIELDS = 4 << 20  # bytes together, but for the file: they are kept in memory
_LARGEST_LINE = 1 << 18  # of a form that is encoded as an address is

_LEAST_BYTES_PER_S = 1_000  # on average, of a body: a byte now and then would hold a place

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def stated_size(request: Request) -> int | None:
    """The size of the body in bytes, as its header states it."""
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdigit() else None


def check_size(request: Request, settings: ServerSettings) -> None:
    """Refuses a body that says it is too large, before it is read."""
    if (stated_size(request) or 0) > settings.max_upload_bytes:
        raise _too_large(settings.max_upload_bytes)


@asynccontextmanager
async def read_form(request: Request, settings: ServerSettings) -> AsyncIterator[FormData]:
    """The fields of a form; files among them are closed at the end.

    Raises:
        Refusal: It is no form, too large, or comes too slowly.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        told = f"the body must be a form, multipart/form-data, not {kind[:100] or 'nothing'!r}"
        raise Refusal(415, told, code="unsupported_media_type")
    try:
        fields = await _parser(kind, request, settings).parse()
    except MultiPartException as error:
        raise Refusal(400, error.message, code="invalid_form") from error
    except FormParserError as error:  # older releases of starlette let it through
        raise Refusal(400, f"the form is damaged: {error}", code="invalid_form") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        told = "the server has no room for this upload"
        raise Refusal(507, told, code="no_space") from error
    try:
        yield fields
    finally:
        await fields.close()


def _parser(kind: str, request: Request, settings: ServerSettings) -> MultiPartParser | FormParser:
    most = settings.max_upload_bytes
    if kind == _FORMS[1]:
        most = min(most, _LARGEST_LINE)
        return FormParser(request.headers, _stream(request, settings, most))
    return _SmallFields(
        request.headers,
        _stream(request, settings, most),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LARGEST_FIELDS,
    )


def _stream(
    request: Request, settings: ServerSettings, most_bytes: int
) -> AsyncGenerator[bytes, None]:
    return Request(request.scope, _Bounded(request, settings.stall_s, most_bytes).receive).stream()


class _SmallFields(MultiPartParser):
    """Reads a form of which only the file is large."""

    _n_bytes = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._n_bytes += end - start
            if self._n_bytes > _LARGEST_FIELDS:
                told = f"the fields have over {_LARGEST_FIELDS >> 20} MB together"
                raise MultiPartException(told)
        super().on_part_data(data, start, end)


def upload_of(form: FormData) -> BinaryIO:
    """The recording of a form.

    Raises:
        Refusal: There is none, or it is empty.
    """
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        told = "the form has no file" if upload is None else "file must be an upload, not text"
        raise Refusal(400, told, code="missing_file", param="file")
    if not upload.size:
        raise Refusal(400, "the file is empty", code="invalid_audio", param="file")
    return cast(BinaryIO, UploadedRecording(upload))


class UploadedRecording:
    """An upload as recordings are read: a file that can go back, and has a name.

    Attributes:
        name: The last part of what the client calls it: messages name it, and formats without a
            header are known by its extension. It is never a path of this machine.
    """

    def __init__(self, upload: UploadFile) -> None:
        last = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
        self.name = "".join(filter(str.isprintable, last))[-100:] or "upload"
        file = upload.file
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class _Bounded:
    """Receives a body of bounded size, from a client that goes on sending it."""

    def __init__(self, request: Request, stall_s: float, most_bytes: int) -> None:
        self._receive = request.receive
        self._stall_s = stall_s
        self._most_bytes = most_bytes
        self._n_bytes = 0
        self._began = time.monotonic()

    async def receive(self) -> Message:
        """The next message."""
        stall_s = self._stall_s
        try:
            message = await asyncio.wait_for(self._receive(), stall_s)
        except asyncio.TimeoutError:
            raise _stalled(f"nothing of the body came for {stall_s:g} s") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._n_bytes += len(message.get("body", b""))
        if self._n_bytes > self._most_bytes:
            raise _too_large(self._most_bytes)
        late_s = time.monotonic() - self._began - 2 * stall_s
        if message.get("more_body") and late_s * _LEAST_BYTES_PER_S > self._n_bytes:
            raise _stalled(f"the body comes too slowly: {self._n_bytes:,} bytes so far")
        return message


def _stalled(told: str) -> Refusal:
    return Refusal(408, told, code="upload_stalled", headers={"Connection": "close"})


def _too_large(most: int) -> Refusal:
    told = f"Maximum content size limit ({most}) exceeded: the server takes that many bytes"
    return Refusal(413, told, code="upload_too_large", headers={"Connection": "close"})
