"""Parquet files: tables of paths, or of recordings as Hugging Face's datasets keep them.

Never are recordings themselves read in planning: whether there are any is in the file's statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from gigaam.bulk.entries import Entry, Held, stretch_id
from gigaam.bulk.manifests.cells import Cells
from gigaam.bulk.manifests.manifest import Manifest, file_digest, folder_of, place_of, readable
from gigaam.bulk.places import files_at, joined
from gigaam.errors import DatasetError, MissingDependencyError

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

__all__ = ["ParquetFile", "column_chunk", "flattened", "opened_parquet"]

_PATHS = ("path", "audio_filepath", "file", "audio")
_RECORDINGS = ("audio.bytes", "audio", "bytes", "content")  # the last is Spark's
_FURTHER = ("id", "duration", "offset", "channel")
_ROWS_AT_ONCE = 4096
_RECORDINGS_AT_ONCE = 16  # if it has to be found out which rows have one


class ParquetFile(Manifest):
    """The recordings of a Parquet file: named by paths, or held in it.

    Columns: ``path``, ``audio_filepath`` or ``file``; or ``audio`` with ``bytes`` and ``path``, or
    one of bytes. Further ones may be ``id``, ``duration``, ``offset`` and ``channel``. A row is a
    stretch of its recording if it has an offset.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location, folder_of(location))
        self._path = place_of(location)

    def entries(self) -> Iterator[Entry]:
        """What its rows list, in their order."""
        with readable(self.called), opened_parquet(self._path, self.called) as file:
            columns = _columns(file.schema_arrow, self.called)
            first = 0
            for group in range(file.metadata.num_row_groups):
                for row, values, is_held in _rows(file, group, columns):
                    yield self._entry(first + row, values, is_held, columns)
                first += file.metadata.row_group(group).num_rows

    def stamp(self) -> str:
        """A digest of its size and time."""
        return file_digest(self._path, self.called)

    def _entry(
        self, row: int, values: dict[str, Any], is_held: float | None, columns: _Columns
    ) -> Entry:
        cells = Cells(values, f"{self.called}, row {row}")
        name = cells.text("path")
        if is_held is None and not name:
            raise cells.error("there is neither a recording nor a path")
        path = name if is_held is None else f"{self.called}/{name or row}"
        offset_s, duration_s, channel = cells.seconds("offset"), cells.duration_s(), cells.channel()
        end = None if offset_s is None else duration_s
        entry = Entry(
            id=cells.own_id() or stretch_id(path, offset_s or 0.0, end, channel),
            path=path,
            location=joined(self.base, name),
            offset_s=offset_s or 0.0,
            duration_s=duration_s,
            is_stretch=bool(offset_s) or end is not None,
            channel=channel,
        )
        if is_held is None:
            return entry
        held = Held(row, column=columns.recordings, name=name)
        return replace(entry, location=self._path, held=held, n_bytes=round(is_held))


@contextmanager
def opened_parquet(path: str, called: str) -> Iterator[pyarrow.parquet.ParquetFile]:
    """A Parquet file.

    Args:
        path: Its absolute path or address.
        called: What it is to the user.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        DatasetError: It is no Parquet file, or damaged.
        OSError: It cannot be opened.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        told = f"{called} needs the package pyarrow: pip install 'gigaam[bulk]'"
        raise MissingDependencyError(told) from error
    with files_at(path).open(path) as file, readable(called):
        try:
            yield _parquet(file)
        except pyarrow.ArrowException as error:
            raise DatasetError(f"{called} cannot be read: {error}") from error


def _parquet(file: BinaryIO) -> pyarrow.parquet.ParquetFile:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(file, buffer_size=1 << 20)  # columns are not read whole


@dataclass(frozen=True)
class _Columns:
    """Where a table has what.

    Attributes:
        recordings: The column of recordings, such as ``audio.bytes``; None if there is none.
        paths: The columns of paths, or of names of the recordings; the first that has one counts.
        further: The others that count.
    """

    recordings: str | None
    paths: tuple[str, ...]
    further: tuple[str, ...]


def _columns(schema: pyarrow.Schema, called: str) -> _Columns:
    flat = {name: kind for field in schema for name, kind in _flat(field)}
    binary = [name for name, kind in flat.items() if _is_of(kind, "binary")]
    paths = tuple(name for name in ("audio.path", *_PATHS) if _is_of(flat.get(name), "string"))
    named = [name for name in _RECORDINGS if name in binary] or ([] if paths else binary)
    if len(binary) > 1 and named == binary:
        told = f"which of the columns {', '.join(binary)} has the recordings: call it audio"
        raise DatasetError(f"{called} does not say {told}")
    recordings = next(iter(named), None)
    if recordings is None and not paths:
        told = f"path, audio_filepath, file or audio, but {', '.join(schema.names)}"
        raise DatasetError(f"{called} has no column {told}")
    return _Columns(recordings, paths, tuple(name for name in _FURTHER if name in flat))


def _flat(field: pyarrow.Field) -> Iterator[tuple[str, pyarrow.DataType]]:
    import pyarrow

    if pyarrow.types.is_struct(field.type):
        yield from ((f"{field.name}.{child.name}", child.type) for child in field.type)
    else:
        yield field.name, field.type


def _is_of(kind: pyarrow.DataType | None, what: str) -> bool:
    import pyarrow

    if kind is None:
        return False
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    return str(kind).removeprefix("large_").removesuffix("_view") == what


def _rows(
    file: pyarrow.parquet.ParquetFile, group: int, columns: _Columns
) -> Iterator[tuple[int, dict[str, Any], float | None]]:
    """The rows of a group: number in it, values, and the bytes of the recording if it has one."""
    held = _held(file, group, columns)
    wanted = [*columns.paths, *columns.further]
    row = 0
    if not wanted:
        for row in range(file.metadata.row_group(group).num_rows):
            yield row, {}, next(held)
        return
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=wanted):
        table = flattened(batch)
        for values in zip(*(table.column(name).to_pylist() for name in wanted), strict=True):
            by_name = dict(zip(wanted, values, strict=True))
            path = next((by_name[name] for name in columns.paths if by_name[name]), None)
            yield row, {**by_name, "path": path}, next(held)
            row += 1


def flattened(batch: pyarrow.RecordBatch) -> pyarrow.Table:
    """A table in which the parts of structures are columns such as ``audio.path``."""
    import pyarrow

    return pyarrow.Table.from_batches([batch]).flatten()


def _held(
    file: pyarrow.parquet.ParquetFile, group: int, columns: _Columns
) -> Iterator[float | None]:
    """Of each row of a group: the bytes of its recording, on an average; None if it has none."""
    n_rows = file.metadata.row_group(group).num_rows
    if columns.recordings is None:
        yield from [None] * n_rows
        return
    chunk = column_chunk(file, group, columns.recordings)
    known = chunk.statistics if chunk.is_stats_set else None
    n_missing = known.null_count if known is not None and known.has_null_count else None
    if n_missing == n_rows:
        yield from [None] * n_rows
        return
    mean = chunk.total_uncompressed_size / max(1, n_rows - (n_missing or 0))
    if n_missing == 0:
        yield from [mean] * n_rows
        return
    only = [columns.recordings]
    for batch in file.iter_batches(_RECORDINGS_AT_ONCE, row_groups=[group], columns=only):
        valid = flattened(batch).column(columns.recordings).is_valid().to_pylist()
        yield from (mean if is_there else None for is_there in valid)


def column_chunk(file: pyarrow.parquet.ParquetFile, group: int, column: str) -> Any:
    """What a file says of a column in a group of rows; None if there is no such column."""
    about = file.metadata.row_group(group)
    chunks = (about.column(index) for index in range(about.num_columns))
    return next((chunk for chunk in chunks if chunk.path_in_schema == column), None)
