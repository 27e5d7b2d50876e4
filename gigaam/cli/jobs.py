"""What a command line asks for: the recordings it means, and the files their results go to."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from gigaam.audio.media_suffixes import MEDIA_SUFFIXES
from gigaam.errors import ArgumentError

__all__ = ["STDIN", "Job", "find_recordings", "plan_jobs"]

STDIN = Path("-")


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
    def source(self) -> Path | BinaryIO:
        """What is read."""
        return sys.stdin.buffer if self.path == STDIN else self.path

    @property
    def is_missing(self) -> bool:
        """Whether there is no such recording."""
        if self.path == STDIN:
            return False
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # why it cannot be opened will show when it is
            return False
        return False

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
        ArgumentError: A directory or pattern leads to no recording, or it is a URL.
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
    if "://" in argument and not path.exists():
        raise ArgumentError(f"{argument} is not fetched: download the recording first")
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
        formats: One output each, with the format for its extension. Recordings that differ in
            their extensions alone, as ``a.wav`` and ``a.mp3``, keep these: ``a.wav.txt``. Those
            that differ in their folders alone keep the folders.

    Raises:
        ArgumentError: Two recordings would have the same output, or one would be overwritten.
    """
    if output_dir is None:
        return [Job(path) for path, _ in recordings]
    stems = _distinct_stems(recordings, output_dir, formats)
    return [
        Job(path, tuple(_outputs(output_dir, stem, formats)))
        for (path, _), stem in zip(recordings, stems, strict=True)
    ]


def _outputs(output_dir: Path, stem: PurePath, formats: Sequence[str]) -> Iterator[Path]:
    return (output_dir / f"{stem}.{name}" for name in formats)


def _distinct_stems(
    recordings: Sequence[tuple[Path, PurePath]], output_dir: Path, formats: Sequence[str]
) -> list[PurePath]:
    """For each recording the first of its `_stems` that it shares with no other.

    Which that is depends on no order: all that share one take their next.
    """
    absolute = [os.path.abspath(path) for path, _ in recordings]
    candidates = [_stems(*recording) for recording in recordings]
    stems = [next(each) for each in candidates]
    while clashing := _clashing(stems, absolute, output_dir, formats):
        for index in clashing:
            stem = next(candidates[index], None)
            if stem is None:
                others = [str(recordings[i][0]) for i in clashing if stems[i] == stems[index]]
                outputs = ", ".join(map(str, _outputs(output_dir, stems[index], formats)))
                raise ArgumentError(f"{' and '.join(others)} cannot be written to {outputs}")
            stems[index] = stem
    return stems


def _stems(path: Path, relative: PurePath) -> Iterator[PurePath]:
    """Names of outputs less the format, the shortest first."""
    yield relative.with_suffix("") if relative.suffix else relative
    yield relative
    folder = Path(os.path.abspath(path)).parent
    yield PurePath(*folder.parts[1:], relative.name)


def _clashing(
    stems: Sequence[PurePath], recordings: Sequence[str], output_dir: Path, formats: Sequence[str]
) -> list[int]:
    """Which stems are shared by several recordings, or lead to a file that is itself one."""
    sharers: dict[str, set[str]] = {}
    for stem, recording in zip(stems, recordings, strict=True):
        sharers.setdefault(os.path.normcase(stem), set()).add(recording)
    inputs = set(recordings)
    return [
        index
        for index, stem in enumerate(stems)
        if len(sharers[os.path.normcase(stem)]) > 1
        or any(os.path.abspath(each) in inputs for each in _outputs(output_dir, stem, formats))
    ]
