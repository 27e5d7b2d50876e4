"""What a command line asks for: the recordings it means, and the files their results go to."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from gigaam.errors import ArgumentError

__all__ = ["MEDIA_SUFFIXES", "STDIN", "Job", "find_recordings", "plan_jobs"]

STDIN = Path("-")

MEDIA_SUFFIXES = frozenset(
    (
        *(".aac", ".ac3", ".aif", ".aiff", ".amr", ".ape", ".au", ".caf", ".flac", ".m4a", ".m4b"),
        *(".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".spx", ".tta", ".voc", ".w64", ".wav"),
        *(".wma", ".wv"),
        *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    )
)
"""Extensions of the files of a directory that are taken for recordings, in lower case."""


@dataclass(frozen=True)
class Job:
    """A recording and where its results go.

    Attributes:
        path: The recording; `STDIN` for the standard input.
        outputs: Files to write, one of each format.
    """

    path: Path
    outputs: tuple[Path, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether all of its files are there."""
        return bool(self.outputs) and all(output.is_file() for output in self.outputs)


def find_recordings(arguments: Iterable[str]) -> list[tuple[Path, PurePath]]:
    """The recordings that are meant, and their paths below what named them.

    Args:
        arguments: Files, which are taken as they are; directories, of which all recordings are
            taken, by their extensions, hidden ones left out; patterns with ``*``, ``?``, ``[…]``
            or ``**``; "-" for the standard input.

    Raises:
        ArgumentError: A directory or pattern leads to no recording.
    """
    return [found for argument in arguments for found in _meant(argument)]


def _meant(argument: str) -> list[tuple[Path, PurePath]]:
    path = Path(argument)
    if path.is_dir():
        below: list[tuple[Path, PurePath]] = [
            (each, each.relative_to(path)) for each in _recordings_below(path)
        ]
        if not below:
            raise ArgumentError(f"there are no recordings in {argument}")
        return below
    if not path.exists() and glob.has_magic(argument):
        matches = [Path(match) for match in sorted(glob.glob(argument, recursive=True))]
        files = [each for each in matches if each.is_file()]
        if not files:
            raise ArgumentError(f"no file matches {argument}")
        return [(each, PurePath(each.name)) for each in files]
    return [(path, PurePath("stdin" if path == STDIN else path.name))]


def _recordings_below(directory: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES:
                yield Path(folder, name)


def plan_jobs(
    recordings: Sequence[tuple[Path, PurePath]], output_dir: Path | None, formats: Sequence[str]
) -> list[Job]:
    """The jobs for some recordings.

    Args:
        recordings: From `find_recordings`; outputs keep their places below a directory.
        output_dir: Where outputs go; None if nothing is written.
        formats: One output each, with the format for its extension.

    Raises:
        ArgumentError: Two recordings would have the same output, or one would be overwritten.
    """
    if output_dir is None:
        return [Job(path) for path, _ in recordings]
    taken: dict[Path, Path] = {}
    jobs = []
    for path, relative in recordings:
        stem = relative if relative.suffix == "" else relative.with_suffix("")
        outputs = tuple(output_dir / f"{stem}.{name}" for name in formats)
        for output in outputs:
            other = taken.setdefault(output, path)
            if other != path:
                raise ArgumentError(f"{other} and {path} would both be written to {output}")
        jobs.append(Job(path, outputs))
    return jobs
