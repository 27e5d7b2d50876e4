"""``gigaam diarize``: who speaks when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigaam.cli.command_options import Quiet, Verbose, refuse, talk
from gigaam.cli.printing import complain, print_lines, said
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.output.whole_file import write_whole

__all__ = ["SpeakersOption", "diarize_recordings", "speakers_of"]

_METAVAR = "auto|N|MIN-MAX"

SpeakersOption = Annotated[
    str | None,
    typer.Option(
        "--speakers",
        metavar=_METAVAR,
        help="Tell speakers apart: as many as are heard, N, or MIN to MAX. The number helps most. "
        "A call with a speaker on each channel needs --channels split alone.",
    ),
]


def speakers_of(option: str) -> str | tuple[int, int]:
    """What an option says of the speakers, as `transcribe_longform` takes it."""
    from gigaam.speakers.turns import speakers_from

    try:
        return speakers_from(option)
    except ArgumentError:
        refuse("--speakers", f"must be {_METAVAR}, numbers from 1 to 99, not {option!r}")


def diarize_recordings(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings.")],
    speakers: SpeakersOption = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to, in place of printing."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print who speaks when, as RTTM.

    A recording that fails does not stop the others.
    """
    from gigaam.speakers import diarize, load
    from gigaam.speakers.rttm import rttm_lines

    talk(context, quiet, verbose)
    wanted = speakers_of(speakers or "auto")
    lines: list[str] = []
    n_failed = 0
    try:
        load()
    except GigaAMError as error:
        complain(str(error))
        raise typer.Exit(1) from error
    for file in files:
        try:
            found = list(rttm_lines(diarize(file, wanted), file.stem))
        except (GigaAMError, OSError) as error:
            n_failed += 1
            complain(said(error))
            continue
        lines += found
        if output is None:
            print_lines(found)
    if output is not None:
        write_whole(output, "".join(f"{line}\n" for line in lines).encode())
    if n_failed:
        raise typer.Exit(1)
