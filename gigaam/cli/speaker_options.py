"""What a command line says about the speakers of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gigaam.cli.command_options import refuse
from gigaam.cli.printing import complain
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.quoting import said

if TYPE_CHECKING:
    from gigaam.speakers import SpeakerDiarizer

__all__ = ["COUNT_METAVAR", "KnownSpeakers", "SpeakerWishes", "Speakers", "speaker_wishes"]

COUNT_METAVAR = "auto|N|MIN-MAX"

Speakers = Annotated[
    str | None,
    typer.Option(
        "--speakers",
        metavar=COUNT_METAVAR,
        help="Tell speakers apart: as many as are heard, N, or MIN to MAX. The number helps most. "
        "A call with a speaker on each channel needs --channels split alone.",
    ),
]
KnownSpeakers = Annotated[
    list[str] | None,
    typer.Option(
        "--known-speaker",
        metavar="NAME=FILE",
        help="Call a speaker by name who sounds like the one in FILE, a recording of that person "
        "alone, of ten seconds or so. Can be given several times; implies --speakers.",
    ),
]


@dataclass(frozen=True)
class SpeakerWishes:
    """Speakers that are to be told apart.

    Attributes:
        count: How many there are, as `transcribe_longform` takes it.
        known: Name → a recording of that person.
    """

    count: str | tuple[int, int]
    known: dict[str, Path]

    def diarizer(self) -> tuple[SpeakerDiarizer, str | tuple[int, int]]:
        """What `transcribe_longform` takes as ``speakers``; known ones are heard here, once.

        If something is missing for it, or a known speaker cannot be known, the command ends.
        """
        from gigaam.speakers import load

        try:
            diarizer = load()
            return diarizer.knowing(self.known) if self.known else diarizer, self.count
        except (GigaAMError, OSError) as error:
            complain(said(error))
            raise typer.Exit(1) from error


def speaker_wishes(speakers: str | None, known: Sequence[str] | None) -> SpeakerWishes | None:
    """What the two options say; None if neither is given."""
    if speakers is None and not known:
        return None
    from gigaam.speakers.turns import speakers_from

    try:
        count = speakers_from("auto" if speakers is None else speakers)
    except ArgumentError:  # which names Python's argument
        refuse("--speakers", f"must be {COUNT_METAVAR}, numbers from 1 to 99, not {speakers!r}")
    return SpeakerWishes(count, _known(known or []))


def _known(given: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for each in given:
        name, equals, file = each.partition("=")
        name = name.strip()
        if not (name and equals and file):
            refuse("--known-speaker", f"must be NAME=FILE, not {each!r}")
        if name in found:
            refuse("--known-speaker", f"{name} is named twice")
        if not Path(file).is_file():
            refuse("--known-speaker", f"{file}: there is no such file")
        found[name] = Path(file)
    return found
