"""Why a request is not answered, in the form that clients of OpenAI's interface read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gigaam.errors import ArgumentError, AudioError, GigaAMError, ModelError

__all__ = ["LONGEST_RETRY_S", "Refusal", "busy", "refusal_of"]

LONGEST_RETRY_S = 120
"""OpenAI's client gives up where it is told to wait longer."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: Of HTTP.
        message: For a person.
        code: For a program.
        param: Which of the request's fields it is about.
        headers: To be sent with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def type(self) -> str:
        """The kind of error, by OpenAI's names."""
        return _TYPES.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }

    @property
    def body(self) -> dict[str, Any]:
        """The body of an answer."""
        return {"error": self.error}


def busy(status: int, message: str, wait_s: float, code: str) -> Refusal:
    """The refusal of a request that may come again later.

    Args:
        status: 429 if this client asks for too much, 503 if all of them do.
        message: For a person.
        wait_s: After how many seconds it may.
        code: For a program.
    """
    seconds = min(LONGEST_RETRY_S, max(1, math.ceil(wait_s)))
    return Refusal(status, message, code=code, headers={"Retry-After": str(seconds)})


def refusal_of(error: Exception) -> Refusal:
    """What an error of the library is to a client; others are faults of the server."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, AudioError):
        return Refusal(400, str(error), code="invalid_audio", param="file")
    if isinstance(error, ArgumentError | ModelError):
        return Refusal(400, str(error), code="invalid_value")
    if isinstance(error, GigaAMError):
        return Refusal(503, str(error), code="unavailable")
    if isinstance(error, MemoryError):
        return busy(503, "the server has too little memory for this now", 30.0, "out_of_memory")
    return Refusal(500, "the server failed at this request; its log says why", code="internal")
