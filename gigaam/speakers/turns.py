"""Turns of speakers, and what finds them in a recording."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
    "is_label",
    "label",
    "numbered",
    "speaker_count",
    "speakers_from",
    "within",
]

Samples: TypeAlias = NDArray[np.float32]

_MOST = 99
_LABEL = re.compile(r"SPEAKER_\d+")
_WRITTEN = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, order=True)
class Turn:
    """A stretch in which somebody speaks; turns of two people may overlap.

    Attributes:
        start: Where it begins in the recording, in seconds.
        end: Where it ends, in seconds.
        speaker: Who it is: a name, or a label such as "SPEAKER_00".
        channel: The one it is in, from 0, where channels are heard apart.
    """

    start: float
    end: float
    speaker: str
    channel: int | None = None


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
            given = self.least if self.least == self.most else f"{self.least} to {self.most}"
            raise ArgumentError(
                f"speakers must be a number from 1 to {_MOST}, or two of them, the smaller first, "
                f"not {given}"
            )


def speaker_count(given: object) -> SpeakerCount:
    """What ``speakers=`` says of their number: "auto", a number, or the least and the most.

    Raises:
        ArgumentError: It says nothing of the kind.
    """
    if isinstance(given, SpeakerCount):
        return given
    if isinstance(given, str):
        written = speakers_from(given)
        return SpeakerCount() if written == "auto" else SpeakerCount(*written)
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


def is_label(speaker: str) -> bool:
    """Whether this is what somebody is called whose name is not known."""
    return _LABEL.fullmatch(speaker) is not None


def numbered(turns: Sequence[Turn], person: Callable[[Turn], object]) -> list[Turn]:
    """The turns with labels counted by first appearance; names stay.

    Args:
        turns: In order.
        person: What is the same for all turns of somebody who has a label.
    """
    numbers: dict[object, int] = {}
    return [
        replace(turn, speaker=label(numbers.setdefault(person(turn), len(numbers))))
        if is_label(turn.speaker)
        else turn
        for turn in turns
    ]


def within(turns: Iterable[Turn], length_s: float) -> list[Turn]:
    """The turns in order, numbered, as far as they lie in a recording, to the millisecond.

    Args:
        turns: In any order, of people with labels.
        length_s: Of the recording.
    """
    cut = (
        replace(each, start=round(max(0.0, each.start), 3), end=round(min(each.end, length_s), 3))
        for each in turns
    )
    found = sorted(turn for turn in cut if turn.end > turn.start)
    return numbered(found, lambda turn: turn.speaker)


def label(number: int) -> str:
    """What somebody is called whose name is not known."""
    return f"SPEAKER_{number:02}"


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
