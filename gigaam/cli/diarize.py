"""``gigaam diarize``: who speaks when."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gigaam.cli.command_options import Quiet, Talk, Verbose, refuse, talk
from gigaam.cli.jobs import Job, find_recordings
from gigaam.cli.listening_options import ChannelMix, Track
from gigaam.cli.printing import check_stdout, complain, print_lines, reason
from gigaam.cli.progress import progress_display
from gigaam.cli.speaker_options import KnownSpeakers, Speakers, speaker_wishes
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.output.whole_file import write_whole

__all__ = ["diarize_recordings"]


def diarize_recordings(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Recordings, directories of them, patterns, or - for the standard input.",
        ),
    ],
    speakers: Speakers = "auto",
    known_speaker: KnownSpeakers = None,
    channels: ChannelMix = "mix",
    track: Track = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to, in place of printing."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print who speaks when, as RTTM.

    A recording is named as its file, without the extension; below a directory, with its folders.
    Spaces in names become underscores. A recording that fails does not stop the others.
    """
    from gigaam.speakers import diarize
    from gigaam.speakers.rttm import rttm_lines

    how_much = talk(context, quiet, verbose)
    wishes = speaker_wishes(speakers, known_speaker)
    assert wishes is not None
    recordings = _recordings(files)
    if output is None:
        check_stdout()
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
    told = wishes.diarizer()
    lines: list[str] = []
    n_done = 0
    with progress_display(len(recordings), hidden=quiet) as display:
        for name, job in recordings:
            try:
                turns = diarize(
                    job.source, told, channels=channels, track=track, progress=display.at
                )
            except (GigaAMError, OSError) as error:
                complain(reason(job.path, error))
                if how_much == Talk.VERBOSE:
                    traceback.print_exception(error)
                continue
            if not turns and how_much != Talk.QUIET:
                complain(f"{job.path}: nobody was heard to speak")
            found = list(rttm_lines(turns, name))
            lines += found
            if output is None:
                print_lines(found)
            display.finish(turns[-1].end if turns else 0.0)
            n_done += 1
    if output is not None and n_done:
        write_whole(output, "".join(f"{line}\n" for line in lines).encode())
    if n_done < len(recordings):
        raise typer.Exit(1)


def _recordings(files: Sequence[str]) -> list[tuple[str, Job]]:
    """What is to be heard, each with a name that no other one has."""
    try:
        found = find_recordings(files)
    except ArgumentError as error:
        refuse("FILE", str(error))
    paths = [relative for _, relative in found]
    if len({path.with_suffix("") for path in paths}) < len(paths):  # the folders tell them apart
        absolute = [Path(os.path.abspath(path)) for path, _ in found]
        common = os.path.commonpath([path.parent for path in absolute])
        paths = [path.relative_to(common) for path in absolute]
    names = [str(path.with_suffix("")) for path in paths]
    if len(set(names)) < len(names):  # the extensions do
        names = [str(path) for path in paths]
    return [(name, Job(path)) for name, (path, _) in zip(names, found, strict=True)]
