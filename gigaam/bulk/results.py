"""The rows of a run that are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import cast

from gigaam.bulk.ledger import Ledger, RunFile
from gigaam.bulk.row_files import Row, RowFormat, unpack_rows
from gigaam.errors import BulkError

__all__ = ["read_run", "rows", "shard_rows"]


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
    for shard in sorted(ledger.done() & set(range(run.n_shards))):
        yield from shard_rows(ledger, run, shard)


def shard_rows(ledger: Ledger, run: RunFile, shard: int) -> list[Row]:
    """The rows of a shard; none if it is not done.

    Raises:
        BulkError: The file is damaged.
    """
    content = ledger.read_rows(run, shard)
    if content is None:
        return []
    try:
        return unpack_rows(content, cast("RowFormat", run.format))
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
