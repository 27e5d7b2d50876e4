"""What a command line says about where live text goes, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from gigaam.cli.command_options import choices, refuse
from gigaam.cli.printing import complain
from gigaam.output.formats import FORMATS
from gigaam.quoting import said

__all__ = ["LiveFormat", "LiveOutput", "OutputFiles", "WordTimes"]

_Format: TypeAlias = Literal["txt", "jsonl", "srt", "vtt", "json", "tsv"]

LiveFormat = Annotated[
    _Format | None,
    typer.Option(
        "--format",
        metavar=choices(_Format),
        help="What to print: txt, a line per phrase once it was spoken; jsonl, an object per "
        "event, partial ones too; others as a whole at the end. [default: txt]",
        show_default=False,
    ),
]
OutputFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help=f"Also write all of it to this file at the end: {', '.join(FORMATS)} by its "
        "extension; give it again for further ones.",
    ),
]
WordTimes = Annotated[
    bool,
    typer.Option(
        "--word-timestamps",
        "--timestamps",
        help="Print each word with its start and end, seconds; store words in jsonl.",
    ),
]


@dataclass(frozen=True)
class LiveOutput:
    """The options of the text.

    Attributes:
        format: What is printed; None is txt, or words.
        files: What is written at the end.
        word_timestamps: Whether words are printed.
    """

    format: _Format | None
    files: Sequence[Path]
    word_timestamps: bool

    @property
    def printed_whole(self) -> str | None:
        """The format in which all of it is printed at the end, if it is."""
        return self.format if self.format in FORMATS and self.format != "txt" else None

    @property
    def needs_words(self) -> bool:
        """Whether segments have to hold their words."""
        formats = {*self._extensions, self.printed_whole} - {"txt", None}
        return self.word_timestamps or bool(formats)

    def check(self) -> None:
        """Refuses what would be dropped, or could not be written in the end."""
        for path, extension in zip(self.files, self._extensions, strict=True):
            if extension not in FORMATS:
                refuse("--output", f"the extension of {path} is none of {', '.join(FORMATS)}")
        has_words = {"json", "jsonl"} & {*self._extensions, self.format}
        if self.word_timestamps and self.format is not None and not has_words:
            refuse("--word-timestamps", "prints a line per word; with --format times are as it has")

    def prepare(self) -> None:
        """Makes the folders of the files; what cannot be written ends the command now."""
        for path in self.files:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                complain(said(error))
                raise typer.Exit(1) from error
            if not os.access(path.parent, os.W_OK):
                complain(f"{path}: its folder cannot be written to")
                raise typer.Exit(1)

    @property
    def _extensions(self) -> list[str]:
        return [path.suffix[1:].lower() for path in self.files]
