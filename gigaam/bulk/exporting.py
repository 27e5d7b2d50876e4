"""The results of a run as files: one for each recording and format.

    export("out", ["srt", "txt"], "subtitles")      calls/a.wav → subtitles/calls/a.srt, a.txt

Times are those of the recording, or of the stretch of one that the manifest names. A recording that
failed has no file; the result says how many did.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gigaam.bulk.file_names import FileNames
from gigaam.bulk.ledger import Ledger, RunFile
from gigaam.bulk.places import files_at, is_address, joined
from gigaam.bulk.reading_ahead import read_ahead
from gigaam.bulk.results import done_shards, read_run
from gigaam.bulk.row_files import Row, unpack_rows
from gigaam.errors import ArgumentError, BulkError
from gigaam.output.formats import FORMATS, render

__all__ = ["ExportResult", "export"]

_WRITERS = 8
_MOST_TOLD = 10


@dataclass
class ExportResult:
    """What was written.

    Attributes:
        output_dir: Where.
        n_recordings: Recordings that have files there now.
        n_written: The files.
        n_failed_rows: Recordings that have none, as they failed in the run.
        n_shards_missing: Shards that the run has not done yet.
        n_left: The recordings of these.
        n_unwritable: Recordings that have none, as a format cannot hold their results.
        unwritable: The first of these, and why.
    """

    output_dir: str
    n_recordings: int = 0
    n_written: int = 0
    n_failed_rows: int = 0
    n_shards_missing: int = 0
    n_left: int = 0
    n_unwritable: int = 0
    unwritable: list[tuple[str, str]] = field(default_factory=list)


def export(
    out: str | os.PathLike[str],
    formats: Sequence[str],
    output_dir: str | os.PathLike[str],
    *,
    on_done: Callable[[Row], Any] = lambda row: None,
) -> ExportResult:
    """Write the results of a run into files, each whole or not at all.

    A file is called as its recording is, with the format for its extension. Recordings that differ
    in their extensions alone keep these: ``a.wav.srt``. Files that are there are replaced.

    Args:
        out: The run's directory or address.
        formats: Names of `gigaam.output.formats.FORMATS`.
        output_dir: A directory, which is made, or the address of one in a store.
        on_done: Told of each row when its files are there, or it has none.

    Raises:
        ArgumentError: There is no such format, or the directory is the run's own.
        BulkError: It is of no run, or a file of it is damaged.
        UnreachableError: A store does not answer.
        OSError: A file cannot be written.
    """
    names = _checked(formats)
    ledger, run = read_run(out)
    output_dir = os.fspath(output_dir)
    if _below(output_dir, ledger.location) is not None:
        raise ArgumentError(f"{output_dir} is in the directory of the run: name another")
    exporter = _Exporter(ledger, run, names, output_dir)
    for row in exporter.rows():
        on_done(row)
    return exporter.result


class _Exporter:
    def __init__(
        self, ledger: Ledger, run: RunFile, formats: Sequence[str], output_dir: str
    ) -> None:
        self._ledger, self._run, self._formats = ledger, run, formats
        self._files = files_at(output_dir)
        self.result = ExportResult(output_dir)

    def rows(self) -> Iterator[Row]:
        """The rows of the run, each once its files are written."""
        done = done_shards(self._ledger, self._run)
        kept_out = _below(self._ledger.location, self.result.output_dir) or ()
        names = FileNames(self._ledger, self._run, kept_out) if done else None
        exported = 0
        with ThreadPoolExecutor(_WRITERS, "gigaam-export") as pool:
            for shard, content in read_ahead(partial(self._ledger.read_rows, self._run), done):
                if content is None or names is None:  # it was taken away since
                    continue
                rows = unpack_rows(content, self._run.format)
                for _ in pool.map(self._write, self._contents(rows, self._named(names, shard))):
                    self.result.n_written += 1
                exported += 1
                self.result.n_left -= len(rows)
                yield from rows
        self.result.n_shards_missing = self._run.n_shards - exported
        self.result.n_left += self._run.n_entries

    def _named(self, names: FileNames, shard: int) -> Callable[[Row], str]:
        by_id = names.of_shard(shard)

        def name(row: Row) -> str:
            try:
                return by_id.pop(row.id)
            except KeyError:
                told = f"shard {shard} of {self._ledger.location} has a row of {row.id}, which"
                raise BulkError(f"{told} the plan does not have there, or has once") from None

        return name

    def _contents(
        self, rows: Sequence[Row], name: Callable[[Row], str]
    ) -> Iterator[tuple[str, bytes]]:
        """The files of some rows."""
        for row in rows:
            stem = name(row)
            if row.error is not None:
                self.result.n_failed_rows += 1
                continue
            try:
                texts = [render(row.result, format).encode() for format in self._formats]
            except ValueError as error:  # a time that is no number, a text that is not UTF-8
                self.result.n_unwritable += 1
                if len(self.result.unwritable) < _MOST_TOLD:
                    self.result.unwritable.append((row.id, str(error)))
                continue
            self.result.n_recordings += 1
            for format, text in zip(self._formats, texts, strict=True):
                yield f"{stem}.{format}", text

    def _write(self, file: tuple[str, bytes]) -> None:
        name, content = file
        self._files.write(joined(self.result.output_dir, name), content)


def _checked(formats: Sequence[str]) -> list[str]:
    if isinstance(formats, str) or not formats:
        raise ArgumentError(f"formats must be a list of {', '.join(FORMATS)}, not {formats!r}")
    for name in formats:
        if name not in FORMATS:
            raise ArgumentError(f"'{name}' is not a format; there are {', '.join(FORMATS)}")
    return list(dict.fromkeys(formats))


def _below(inner: str, outer: str) -> tuple[str, ...] | None:
    """The parts of a folder's path below another; None if it is not below it."""
    if is_address(inner) != is_address(outer):
        return None
    parts = [_parts(folder) for folder in (outer, inner)]
    n = len(parts[0])
    return parts[1][n:] if parts[1][:n] == parts[0] else None


def _parts(folder: str) -> tuple[str, ...]:
    if is_address(folder):
        return tuple(part for part in folder.split("/") if part)
    return tuple(os.path.normcase(os.path.realpath(folder)).split(os.sep))
