"""What a command line says about its results, checked, and where they go by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer

from gigaam.cli.command_options import refuse
from gigaam.cli.completion import complete_formats
from gigaam.cli.jobs import Job, find_recordings, plan_jobs
from gigaam.cli.printing import FileWriter, Printer, choose_printer
from gigaam.errors import ArgumentError
from gigaam.output.formats import FORMATS

__all__ = [
    "AsJson",
    "Formats",
    "Output",
    "OutputDir",
    "OutputOptions",
    "SkipExisting",
    "WordTimestamps",
]

Formats = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAMES",
        help=f"{', '.join(FORMATS)}: one to print, or several for --output-dir, with commas.",
        autocompletion=complete_formats,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="Write the result of one recording to this file, in the format that its extension "
        "or --format names.",
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="Write a file per recording and format here. [format: txt]",
    ),
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out recordings whose files are there.")
]
WordTimestamps = Annotated[
    bool,
    typer.Option(
        "--word-timestamps",
        "--timestamps",
        help="Print each word with its start and end, seconds; store words in json.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per recording and line.")
]


@dataclass(frozen=True)
class OutputOptions:
    """The options of results; `jobs` refuses those that do not go together.

    Attributes:
        formats: Names of formats, with commas.
        output: The file for the result of one recording.
        output_dir: The folder for the results of any number.
        as_json: Whether to print JSON.
        word_timestamps: Whether to print words.
        skip_existing: Whether recordings are left out whose files are there.
    """

    formats: str | None
    output: Path | None
    output_dir: Path | None
    as_json: bool
    word_timestamps: bool
    skip_existing: bool

    @property
    def are_printed(self) -> bool:
        """Whether results go to stdout."""
        return self.output is None and self.output_dir is None

    @cached_property
    def names(self) -> list[str]:
        """The formats of files, or of what is printed; none if it is texts, words or JSON."""
        if self.formats is None:
            return (
                [self._format_of_output()] if self.output else [] if self.are_printed else ["txt"]
            )
        names = [name.strip().lower() for name in self.formats.split(",")]
        if unknown := [name for name in names if name not in FORMATS]:
            refuse("--format", f"{unknown[0]!r} is not one of {', '.join(FORMATS)}")
        return list(dict.fromkeys(names))

    def jobs(self, files: Sequence[str]) -> list[Job]:
        """What there is to do for some recordings."""
        self._check()
        try:
            recordings = find_recordings(files)
            jobs = plan_jobs(recordings, self.output_dir, self.names)
        except ArgumentError as error:
            refuse("FILE", str(error))
        if self.output is not None:
            if len(jobs) > 1:
                refuse("--output", f"takes one recording, not {len(jobs)}; see --output-dir")
            if os.path.abspath(self.output) == os.path.abspath(jobs[0].path):
                refuse("--output", f"{self.output} is the recording itself")
            return [Job(jobs[0].path, (self.output,))]
        if len(jobs) > 1 and self.are_printed and self.names not in ([], ["txt"]):
            refuse(
                "--format",
                f"several recordings do not make one {self.names[0]} file: add --output-dir",
            )
        return jobs

    def printer(self, n_recordings: int) -> Printer:
        """What takes the results."""
        if not self.are_printed:
            return FileWriter(self.names)
        return choose_printer(
            self.names, self.as_json, self.word_timestamps, with_path=n_recordings > 1
        )

    def _format_of_output(self) -> str:
        """By its extension."""
        assert self.output is not None
        name = self.output.suffix[1:].lower()
        if name not in FORMATS:
            refuse(
                "--output",
                f"the extension of {self.output} is none of {', '.join(FORMATS)}: add --format",
            )
        return name

    def _check(self) -> None:
        """Refuses options of which one would be dropped."""
        if self.output is not None and self.output_dir is not None:
            refuse("--output", "does not go with --output-dir")
        if self.skip_existing and self.are_printed:
            refuse("--skip-existing", "needs --output-dir or --output: printing leaves no files")
        if self.as_json and not self.are_printed:
            refuse("--json", "prints; in files it is --format json")
        if self.as_json and self.names:
            refuse("--json", "does not go with --format")
        if self.word_timestamps and self.are_printed and self.names:
            refuse("--word-timestamps", "prints a line per word; with --format times are as it has")
        if self.word_timestamps and self.names == ["txt"]:
            refuse("--word-timestamps", "txt files have none; see --format json")
        if len(self.names) > 1 and self.output_dir is None:
            refuse("--format", "several formats need --output-dir")
