"""The bytes of recordings that lie in tar and Parquet files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from gigaam.bulk.entries import Entry, Held
from gigaam.bulk.manifests.parquet_files import column_chunk, flattened, opened_parquet
from gigaam.bulk.places import files_at
from gigaam.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["HeldReader", "read_held"]

_MOST_KEPT = 256 << 20  # bytes of a group of rows, before compression; each worker may keep two
_FEW_ROWS = 16


def read_held(entry: Entry) -> bytes:
    """The bytes of one recording; for many, a `HeldReader` is faster."""
    return HeldReader().read(entry)


class HeldReader:
    """Reads recordings that files hold, and keeps the last groups of rows of Parquet files.

    So rows that lie together cost one reading. Of a group that is too large to be kept only a few
    rows are, and it is read on from there; a row before them has it read from its beginning.
    Threads may share it: two groups are kept, since they take rows only nearly in order.
    """

    def __init__(self) -> None:
        self._kept: deque[_Rows] = deque(maxlen=2)
        self._coming: Iterator[_Rows] = iter(())
        self._latest: _Rows | None = None  # of those that came
        self._one_at_a_time = Lock()

    def read(self, entry: Entry) -> bytes:
        """The bytes of a recording.

        Args:
            entry: One that has `Entry.held`.

        Raises:
            DatasetError: The file is not what it was when it was listed.
            MissingDependencyError: pyarrow is not installed.
            UnreachableError: The store does not answer.
            OSError: The file cannot be read.
        """
        held = entry.held
        if held is None:
            raise ValueError(f"{entry.path} is a file of its own")
        if held.column is None:
            return _part(entry, held)
        with self._one_at_a_time:
            kept = next((rows for rows in self._kept if rows.have(entry, held)), None)
            rows = kept or self._move(entry, held)
            content = rows.values[held.first - rows.first].as_py()
        if content is None:
            raise DatasetError(f"{entry.path}: row {held.first} has no recording any more")
        return bytes(content)

    def _move(self, entry: Entry, held: Held) -> _Rows:
        """The rows among which a recording is, from now on among those that are kept."""
        latest, self._latest = self._latest, None
        if latest is None or not latest.are_before(entry, held):
            self._coming = _group(entry, held)
        del latest
        if len(self._kept) == self._kept.maxlen:
            self._kept.popleft()  # before more is read
        for rows in self._coming:
            if rows.have(entry, held):
                self._kept.append(rows)
                self._latest = rows
                return rows
        raise DatasetError(f"{entry.path}: {entry.location} has no row {held.first} any more")


@dataclass(frozen=True)
class _Rows:
    """Some recordings of a group of rows.

    Attributes:
        location: The file.
        column: The column.
        first: The first row.
        end: The row after the group's last.
        values: The recordings.
    """

    location: str
    column: str
    first: int
    end: int
    values: pyarrow.Array | pyarrow.ChunkedArray

    def have(self, entry: Entry, held: Held) -> bool:
        """Whether a recording is one of them."""
        is_among = self.first <= held.first < self.first + len(self.values)
        return is_among and self._are_of(entry, held)

    def are_before(self, entry: Entry, held: Held) -> bool:
        """Whether a recording is one that comes after them in their group."""
        return self.first < held.first < self.end and self._are_of(entry, held)

    def _are_of(self, entry: Entry, held: Held) -> bool:
        return (entry.location, held.column) == (self.location, self.column)


def _part(entry: Entry, held: Held) -> bytes:
    content = files_at(entry.location).read(entry.location, held.first, held.n_bytes)
    if held.n_bytes is not None and len(content) < held.n_bytes:
        raise DatasetError(f"{entry.path}: {entry.location} ends before the recording does")
    return content


def _group(entry: Entry, held: Held) -> Iterator[_Rows]:
    """The group of rows in which a recording is; one by one a few of them if it is large."""
    location, column = entry.location, held.column or ""
    with opened_parquet(location, location) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            if held.first < end:
                break
            first = end
        else:
            return
        chunk = column_chunk(file, group, column)
        if chunk is None:
            return
        if chunk.total_uncompressed_size <= _MOST_KEPT:
            table = file.read_row_group(group, columns=[column]).flatten()
            yield _Rows(location, column, first, end, table.column(column))
            return
        for batch in file.iter_batches(_FEW_ROWS, row_groups=[group], columns=[column]):
            values = flattened(batch).column(column)
            yield _Rows(location, column, first, end, values)
            first += len(values)
