"""Turns of speakers, and what finds them in a recording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ArgumentError

__all__ = [
    "DiarizationStream",
    "SpeakerCount",
    "SpeakerDiarizer",
    "Turn",
    "speaker_count",
    "speakers_from",
]

Samples: TypeAlias = NDArray[np.float32]

_MOST = 99
_WRITTEN = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, order=True)
class Turn:
    """A stretch in which somebody speaks; turns of two people may overlap.

    Attributes:
        start: Where it begins in the recording, in seconds.
        end: Where it ends, in seconds.
        speaker: Who it is: a name, or a label such as "SPEAKER_00".
    """

    start: float
    end: float
    speaker: str


@dataclass(frozen=True)
class SpeakerCount:
    """How many people speak, as far as that is known.

    Attributes:
        least: At least so many.
        most: At most so many.
    """

    least: int = 1
    most: int = _MOST

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= _MOST:
            raise ArgumentError(
                f"speakers must be a number from 1 to {_MOST}, or two of them, the smaller first, "
                f"not {self.least} to {self.most}"
            )


def speaker_count(given: object) -> SpeakerCount:
    """What ``speakers=`` says of their number: "auto", a number, or the least and the most.

    Raises:
        ArgumentError: It says nothing of the kind.
    """
    if given == "auto":
        return SpeakerCount()
    both = given if isinstance(given, tuple) else (given, given)
    if len(both) != 2 or not all(
        isinstance(each, Integral) and not isinstance(each, bool) for each in both
    ):
        raise ArgumentError(
            'speakers must be "auto", a number, (least, most), a diarizer, or a diarizer with one '
            f"of these, as (diarizer, 2), not {given!r}"
        )
    least, most = (int(each) for each in both)
    return SpeakerCount(least, most)


def speakers_from(text: str) -> Literal["auto"] | tuple[int, int]:
    """What ``speakers=`` takes, by how people write it: "auto", 2, 2-5.

    Raises:
        ArgumentError: It is none of these.
    """
    if text == "auto":
        return "auto"
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ArgumentError(f'speakers must be "auto", a number, or as 2-5, not {text[:100]!r}')
    count = SpeakerCount(int(found[1]), int(found[2] or found[1]))
    return count.least, count.most


class DiarizationStream(Protocol):
    """One recording that is being heard."""

    def feed(self, samples: Samples) -> None:
        """Hear the next samples, float32 [n], mono, 16 kHz."""

    def finish(self) -> list[Turn]:
        """All turns in order of their starts; the recording has ended."""


class SpeakerDiarizer(Protocol):
    """What tells speakers apart. Threads may share it."""

    def stream(self, count: SpeakerCount) -> DiarizationStream:
        """Hear a recording from its start on.

        Args:
            count: How many people speak in it.
        """
