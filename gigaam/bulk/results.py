"""The rows of a run that are there."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gigaam.bulk.ledger import Ledger, RunFile
from gigaam.bulk.row_files import Row, unpack_rows
from gigaam.errors import BulkError

__all__ = ["done_shards", "read_run", "rows", "shard_rows"]


def rows(out: str | os.PathLike[str]) -> Iterator[Row]:
    """The rows of a run in the order of its manifest, of those shards that are done.

    One shard is in memory at a time.

    Args:
        out: The run's directory or address.

    Raises:
        BulkError: It is of no run, or a file is damaged.
        UnreachableError: The store does not answer.
    """
    ledger, run = read_run(out)
    for shard in done_shards(ledger, run):
        yield from shard_rows(ledger, run, shard)


def done_shards(ledger: Ledger, run: RunFile) -> list[int]:
    """The shards of a run that are done, in order."""
    return sorted(ledger.done() & set(range(run.n_shards)))


def shard_rows(ledger: Ledger, run: RunFile, shard: int) -> list[Row]:
    """The rows of a shard; none if it is not done.

    Raises:
        BulkError: The file is damaged.
    """
    content = ledger.read_rows(run, shard)
    if content is None:
        return []
    try:
        return unpack_rows(content, run.format)
    except BulkError as error:
        where = ledger.rows_place(run, shard)
        told = f"{where}: {error}; once it is deleted, the run makes it anew"
        raise BulkError(told) from error


def read_run(out: str | os.PathLike[str]) -> tuple[Ledger, RunFile]:
    """The ledger of a run, and what it is.

    Raises:
        BulkError: It is of no run.
    """
    ledger = Ledger(os.fspath(out))
    run = ledger.read_run()
    if run is None:
        raise BulkError(f"{out} holds no bulk run: `gigaam bulk run MANIFEST {out}` makes one")
    return ledger, run
