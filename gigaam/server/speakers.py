"""Speakers: whether the server tells them apart, and how OpenAI's interface names them."""

from __future__ import annotations

import re
from string import ascii_uppercase

from gigaam.errors import ArgumentError, GigaAMError, MissingDependencyError
from gigaam.recognition import LongformArguments
from gigaam.server.answering import log
from gigaam.server.form_fields import FormFields
from gigaam.server.refusals import Refusal

__all__ = ["letter_of", "missing_for_speakers", "speakers_wished"]

_NUMBERED = re.compile(r"SPEAKER_(\d+)")
_NOBODY = "unknown"


def missing_for_speakers(wanted: bool | None) -> str | None:
    """What is missing to tell speakers apart, for clients; None if nothing is.

    A server that was not told to tell speakers apart must start without that, and writes nothing:
    it does if the nets are there.

    Args:
        wanted: Whether it was told to; None if nothing was said.

    Raises:
        GigaAMError: It was, and cannot.
    """
    if wanted is False:
        return "it was started without that (--no-speakers)"
    from gigaam.speakers import load

    try:
        load(may_export=bool(wanted))
    except (GigaAMError, OSError) as error:
        if wanted:
            raise
        if isinstance(error, MissingDependencyError):
            return f"{error} (then: gigaam serve --speakers)"
        log.warning(f"speakers are not told apart: {error}")  # it may tell of directories
        return "its nets cannot be used; its log says why"
    return None


def speakers_wished(
    fields: FormFields, response_format: str, no_speakers: str | None
) -> LongformArguments:
    """The argument that tells speakers apart, if a form asks for that.

    Args:
        fields: Those of the form.
        response_format: What they are to be told in.
        no_speakers: Why the server does not tell speakers apart.

    Raises:
        Refusal: It does not, or the form says nothing that can be.
    """
    given = fields.text("speakers")
    is_implied = response_format == "diarized_json"
    if given is None and not is_implied:
        return {}
    if no_speakers is not None:
        told = f"this server does not tell speakers apart: {no_speakers}"
        name = "response_format" if is_implied else "speakers"
        raise Refusal(400, told, code="unsupported_value", param=name)
    from gigaam.speakers.turns import speakers_from

    try:
        return {"speakers": speakers_from(given or "auto")}
    except ArgumentError as error:
        raise Refusal(400, str(error), code="invalid_value", param="speakers") from error


def letter_of(speaker: str | None) -> str:
    """A speaker as OpenAI's interface names those it does not know: A, B, and AA after Z."""
    if speaker is None:
        return _NOBODY
    found = _NUMBERED.fullmatch(speaker)
    if found is None:
        return speaker
    rest, letters = int(found[1]) + 1, ""
    while rest:
        rest, last = divmod(rest - 1, len(ascii_uppercase))
        letters = ascii_uppercase[last] + letters
    return letters
