"""Recordings of known speakers in the form of a job: too large for a row that is read every time.

They lie beside the job's upload. In their place the form has digests, by which they are found
again, and by which it shows if they are not the same any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from gigaam.server.known_speakers import REFERENCES
from gigaam.server.refusals import Refusal

__all__ = ["Fields", "with_digests", "with_references"]

Fields = tuple[tuple[str, str], ...]
"""The texts of a form: names and values."""

_NAMES = (REFERENCES, f"{REFERENCES}[]")


def with_digests(fields: Fields) -> tuple[Fields, str | None]:
    """A form with digests of the references, and the text in which these are kept, if there are."""
    references = [value for name, value in fields if _is_reference(name, value)]
    if not references:
        return fields, None
    short = tuple(
        (name, _digest(value) if _is_reference(name, value) else value) for name, value in fields
    )
    return short, json.dumps(list(dict.fromkeys(references)))


def with_references(fields: Iterable[tuple[str, str]], kept: str | None) -> Fields:
    """The form as it came.

    Args:
        fields: With digests.
        kept: The text in which references are kept; None if there is none.

    Raises:
        Refusal: They are not there any more, or not the same.
    """
    if kept is None:
        known: dict[str, str] = {}
    else:
        known = {_digest(value): value for value in _listed(kept)}
    found = []
    for name, value in fields:
        is_reference = _is_reference(name, value)
        if is_reference and value not in known:
            told = "the recordings of the known speakers are not there any more"
            raise Refusal(410, told, code="recording_gone", param=REFERENCES)
        found.append((name, known[value] if is_reference else value))
    return tuple(found)


def _is_reference(name: str, value: str) -> bool:
    """Whether a field is one, or its digest; one that is left blank says nothing."""
    return name in _NAMES and bool(value.strip())


def _listed(kept: str) -> list[str]:
    try:
        parsed = json.loads(kept)
    except ValueError:  # it is damaged
        return []
    return [each for each in parsed if isinstance(each, str)] if isinstance(parsed, list) else []


def _digest(reference: str) -> str:
    content = reference.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=32).hexdigest()
