"""People who go by name in an answer: read from a form, and known again by their voices."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, Recording, duration_s
from gigaam.errors import ArgumentError, AudioError, GigaAMError
from gigaam.recognition import LongformArguments
from gigaam.server.form_fields import FormFields
from gigaam.server.refusals import Refusal

if TYPE_CHECKING:
    from gigaam.speakers import Speakers

__all__ = [
    "NAMES",
    "REFERENCES",
    "KnownSpeaker",
    "calling_by_name",
    "check_recordings",
    "known_speakers",
    "stated_seconds",
]

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
"""Fields of a form, with "[]" or without."""

_MOST = 10
_LONGEST_NAME = 100
_LONGEST_S = 30.0
_PADDING_S = 0.5  # which encoders add

_LABEL = re.compile(r"SPEAKER_\d+|[A-Z]{1,2}|unknown")
_DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")


@dataclass(frozen=True)
class KnownSpeaker:
    """Somebody whose voice is known.

    Attributes:
        name: What they are called.
        recording: The bytes of a file in which they speak, and nobody else.
    """

    name: str
    recording: bytes

    def samples(self) -> NDArray[np.float32]:
        """What is heard, float32 [n], mono, 16 kHz.

        Raises:
            Refusal: It cannot be decoded, or is too long.
        """
        most = (_LONGEST_S + _PADDING_S) * SAMPLE_RATE
        blocks: list[NDArray[np.float32]] = []
        try:
            with closing(Recording(_file(self))) as recording:
                for block in recording.blocks():
                    blocks.append(block)
                    if sum(map(len, blocks)) > most:
                        told = f"the recording of the known speaker {self.name!r} is too long: "
                        raise _refusal(REFERENCES, f"{told}it may have {_LONGEST_S:.0f} s")
        except AudioError as error:
            told = f"the recording of the known speaker {self.name!r} cannot be used: {error}"
            raise _refusal(REFERENCES, told, "invalid_audio") from error
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def known_speakers(
    fields: FormFields, are_wanted: bool, no_speakers: str | None
) -> tuple[KnownSpeaker, ...]:
    """Those whom a form names; that their recordings can be used is not known yet.

    Args:
        fields: Those of the form.
        are_wanted: Whether it asks for speakers.
        no_speakers: Why the server does not tell speakers apart.

    Raises:
        Refusal: It does not, or the form says nothing that can be.
    """
    names = fields.list(NAMES, with_blank=True)
    references = fields.list(REFERENCES, with_blank=True)
    if not any(names) and not any(references):
        return ()
    first = NAMES if any(names) else REFERENCES
    if no_speakers is not None:
        told = f"this server does not tell speakers apart: {no_speakers}"
        raise _refusal(first, told, "unsupported_value")
    if not are_wanted:
        told = f"{first} need the response_format diarized_json, or speakers (auto, or a number)"
        raise _refusal(first, told)
    if len(names) != len(references):
        told = f"each of {NAMES} needs one of {REFERENCES}, and the other way round: there are "
        raise _refusal(REFERENCES, f"{told}{len(names)} and {len(references)}")
    if len(names) > _MOST:
        raise _refusal(NAMES, f"{len(names)} known speakers are too many: there may be {_MOST}")
    _check_names(names)
    return tuple(map(_known, names, references))


def check_recordings(people: Sequence[KnownSpeaker]) -> None:
    """Refuses what cannot be decoded or is too long; what is said in it is not heard.

    Raises:
        Refusal: There is such a recording.
    """
    for person in people:
        person.samples()


def stated_seconds(people: Sequence[KnownSpeaker]) -> float:
    """Seconds of all recordings by their headers; the most there may be where one does not say."""
    return sum(map(_stated_s, people))


def calling_by_name(
    options: LongformArguments,
    people: Sequence[KnownSpeaker],
    check: Callable[[], Any],
    on_heard: Callable[[float], Any] = lambda seconds: None,
) -> LongformArguments:
    """Options by which people get their names; their voices are heard here, which takes a while.

    Args:
        options: Those of a recording, with ``speakers``.
        people: Whose voices are known; if nobody's are, the options stay.
        check: Called before each of them is heard; what it raises ends this.
        on_heard: Told the seconds of each recording.

    Raises:
        Refusal: A recording cannot be used, or two are of one person.
    """
    if not people:
        return options
    from gigaam.speakers import load

    try:
        diarizer = load().knowing(_Heard(people, check, on_heard))
    except ArgumentError as error:
        raise _refusal(REFERENCES, str(error)) from error
    return {**options, "speakers": cast("Speakers", (diarizer, options["speakers"]))}


class _Heard(Mapping[str, tuple[int, NDArray[np.float32]]]):
    """Name → rate and samples, decoded when they are asked for: one person's are in memory."""

    def __init__(
        self,
        people: Sequence[KnownSpeaker],
        check: Callable[[], Any],
        on_heard: Callable[[float], Any],
    ) -> None:
        self._people = {person.name: person for person in people}
        self._check = check
        self._on_heard = on_heard

    def __getitem__(self, name: str) -> tuple[int, NDArray[np.float32]]:
        self._check()
        samples = self._people[name].samples()
        self._on_heard(len(samples) / SAMPLE_RATE)
        return SAMPLE_RATE, samples

    def __iter__(self) -> Iterator[str]:
        return iter(self._people)

    def __len__(self) -> int:
        return len(self._people)


class _Named(BytesIO):
    """Bytes as an upload is read; messages name it, and never a path."""

    name = "known speaker"


def _file(person: KnownSpeaker) -> _Named:
    return _Named(person.recording)


def _stated_s(person: KnownSpeaker) -> float:
    try:
        seconds = duration_s(_file(person))
    except (GigaAMError, OSError):  # what is wrong with it shows when it is heard
        seconds = None
    return _LONGEST_S if seconds is None else min(seconds, _LONGEST_S)


def _check_names(names: Sequence[str]) -> None:
    for n, name in enumerate(names):
        if not name.strip():
            raise _refusal(NAMES, f"known speaker {n + 1} has a blank name")
        if len(name) > _LONGEST_NAME or not name.isprintable():
            told = f"up to {_LONGEST_NAME} characters in one line, not {name[:200]!r}"
            raise _refusal(NAMES, f"the name of a known speaker must have {told}")
        if _LABEL.fullmatch(name):
            told = f"a known speaker cannot be called {name!r}: those who are not known are called"
            raise _refusal(NAMES, f"{told} so (A, SPEAKER_00, unknown)")
        if name in names[:n]:
            raise _refusal(NAMES, f"two known speakers are called {name!r}")


def _known(name: str, reference: str) -> KnownSpeaker:
    head = _DATA_URL.match(reference)
    if head is None:
        told = f"must be a data URL (data:audio/wav;base64,…), not {reference[:40]!r}"
        raise _refusal(REFERENCES, f"the recording of the known speaker {name!r} {told}")
    text = _BLANKS.sub("", reference[head.end() :]).rstrip("=")
    try:
        if not head[0].lower().endswith(";base64,"):
            raise ValueError
        content = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        told = "is not written in base64, as a data URL that says ;base64, has it"
        raise _refusal(REFERENCES, f"the recording of the known speaker {name!r} {told}") from None
    if not content:
        raise _refusal(REFERENCES, f"the recording of the known speaker {name!r} is empty")
    return KnownSpeaker(name, content)


def _refusal(param: str, told: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, told, code=code, param=param)
