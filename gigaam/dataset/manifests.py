"""Manifests: what is said in which stretch of which recording; a table or JSON, a line each.

Columns: ``path`` (relative to the manifest), ``transcription``, and, for utterances that are only a
part of their file, ``offset`` and ``duration`` (both in seconds); other columns are kept unchanged.

An utterance without a duration extends to the end of its file. Its expected length is read from the
file's header, which may be wrong: it serves for planning only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gigaam.audio import SAMPLE_RATE, duration_s
from gigaam.dataset.text_lines import as_seconds, line_error, read_lines
from gigaam.errors import AudioError, DatasetError

__all__ = ["Utterance", "read_manifest"]

_OWN_COLUMNS = {"path", "duration", "offset", "transcription"}


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording, and what is known about it.

    Attributes:
        path: The recording.
        first_sample: Where the utterance begins in the recording, in samples at 16 kHz.
        n_samples: Length in samples at 16 kHz; if `to_end`, the length according to the file's
            header, 0 if the header has none or the file cannot be opened.
        text: Transcription as in the manifest, empty if there is none.
        columns: All other columns of the manifest, by name.
        line: Line number in the manifest, from 1; 0 if it does not come from one.
        manifest: The manifest; None if it does not come from one.
        to_end: Whether the utterance extends to the end of its file, as the manifest has no
            duration.
    """

    path: Path
    first_sample: int
    n_samples: int
    text: str
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    line: int = field(default=0, compare=False)
    to_end: bool = False
    manifest: Path | None = field(default=None, compare=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / SAMPLE_RATE

    @property
    def offset_s(self) -> float:
        """Where it begins in its recording, in seconds."""
        return self.first_sample / SAMPLE_RATE

    @property
    def speaker(self) -> str:
        """Name of the voice, empty if unknown."""
        return self.columns.get("speaker", "")


def read_manifest(
    path: str | Path, *, required: Collection[str] = ("transcription",)
) -> list[Utterance]:
    """The utterances of a ``.tsv`` or ``.jsonl`` manifest, in its order.

    Tables are UTF-8 with a header line and tab-separated cells, without quoting. In JSON, every
    line is an object. Blank lines are ignored in both.

    Args:
        path: The manifest.
        required: Columns that must be present besides ``path``.

    Raises:
        DatasetError: The manifest cannot be read, or a line is invalid; the message says which and
            why.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DatasetError(f"{path}: a manifest must be a .tsv or .jsonl file")
    needed = ("path", *required)
    return [_utterance(row) for row in read(path, needed)]


@dataclass(frozen=True)
class _Row:
    """A line of a manifest.

    Attributes:
        manifest: The file.
        line: Number of the line, from 1.
        cells: Values by column; in tables all are strings.
    """

    manifest: Path
    line: int
    cells: Mapping[str, Any]

    def error(self, complaint: str) -> DatasetError:
        """An error about this line."""
        return line_error(self.manifest, self.line, complaint)

    def text(self, name: str) -> str:
        """The value of a text column; empty if there is none."""
        value = self.cells.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(f"{name} is {_shown(value)}, not a text")
        return value or ""

    def samples(self, name: str) -> int | None:
        """The value of a column of seconds, as samples at 16 kHz; None if there is none."""
        value = self.cells.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        seconds = as_seconds(value)
        if seconds is None:
            raise self.error(f"{name} is {_shown(value)}, not a number of seconds")
        return round(seconds * SAMPLE_RATE)


def _utterance(row: _Row) -> Utterance:
    name = row.text("path")
    if not name:
        raise row.error("the path is empty")
    n_samples = row.samples("duration")
    if n_samples == 0:
        raise row.error("the duration is 0")
    path, first = row.manifest.parent / name, row.samples("offset") or 0
    further = {key: value for key, value in row.cells.items() if key not in _OWN_COLUMNS}
    return Utterance(
        path=path,
        first_sample=first,
        n_samples=_stated_samples(path, first) if n_samples is None else n_samples,
        text=row.text("transcription"),
        columns={key: _shown(value) for key, value in further.items() if value is not None},
        line=row.line,
        to_end=n_samples is None,
        manifest=row.manifest,
    )


def _stated_samples(path: Path, first: int) -> int:
    """Samples from `first` to the end according to a file's header; 0 if it does not say."""
    try:
        stated_s = duration_s(path)
    except AudioError:
        return 0  # reading it will report what is wrong
    return 0 if stated_s is None else max(0, round(stated_s * SAMPLE_RATE) - first)


def _shown(value: Any) -> str:
    """A value as text: strings unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read_tsv(path: Path, needed: Collection[str]) -> Iterator[_Row]:
    lines = read_lines(path, "manifest")
    number, header = next(lines, (1, ""))
    first = _Row(path, number, {})
    names = [name.strip() for name in header.split("\t")]
    if missing := [name for name in needed if name not in names]:
        raise first.error(f"the manifest has no column {', '.join(missing)}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise first.error(f"duplicate columns: {', '.join(sorted(twice))}")
    for number, line in lines:
        cells = line.split("\t")
        row = _Row(path, number, dict(zip(names, cells, strict=False)))
        if len(cells) != len(names):
            raise row.error(f"{len(cells)} cells under a header of {len(names)}")
        yield row


def _read_jsonl(path: Path, needed: Collection[str]) -> Iterator[_Row]:
    for number, line in read_lines(path, "manifest"):
        row = _Row(path, number, {})
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise row.error(f"not JSON: {error}") from error
        if not isinstance(cells, dict):
            raise row.error(f"not an object but {line.strip()[:40]}")
        if missing := [name for name in needed if cells.get(name) is None]:
            raise row.error(f"the line has no {', '.join(missing)}")
        yield replace(row, cells=cells)


_READERS: dict[str, Callable[[Path, Collection[str]], Iterator[_Row]]] = {
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
}
