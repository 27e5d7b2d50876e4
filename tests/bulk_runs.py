"""Directories of bulk runs as they are once shards are done, made without any model."""

from collections.abc import Collection, Sequence

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Failure, Ledger, Part, RunFile, Summary
from gigaam.bulk.records import RowFormat
from gigaam.bulk.row_files import Row, pack_rows
from gigaam.types import Segment, Word

MADE_BY = {"model": "tiny_ctc", "options": "{}"}


def spoken_row(
    id: str,
    text: str = "два слова",
    *,
    path: str | None = None,
    duration: float = 2.0,
    confidence: float | None = 0.9,
    speakers: Sequence[str | None] = (None,),
    warnings: Sequence[str] = (),
) -> Row:
    """The row of a recording in which the speakers say a word each in turn, half a second long."""
    texts = text.split()
    words = [
        Word(word, i / 2, i / 2 + 0.4, confidence or 0.0, speakers[i % len(speakers)])
        for i, word in enumerate(texts)
    ]
    segments = (Segment(text, 0.0, len(texts) / 2, words, confidence),) if texts else ()
    known = confidence if texts else None
    return Row(id, path or id, 0.0, duration, text, known, segments, tuple(warnings))


def failed_row(id: str, kind: str = "AudioDecodingError", message: str = "it is damaged") -> Row:
    """The row of a recording that failed."""
    return Row(id, id, 0.0, 0.0, error=Failure(id, kind, message))


def make_run(
    location: object,
    shards: Sequence[Sequence[Row]],
    *,
    format: RowFormat = "parquet",
    left: Collection[int] = (),
    shards_a_part: int = 2,
    took_s: float = 1.0,
) -> RunFile:
    """A run in a directory or at an address, with the rows of its shards.

    Args:
        location: Where it is.
        shards: The rows of each, also of those that are left.
        format: Of the files.
        left: The shards that are not done yet.
        shards_a_part: Shards of which the plan is in one file.
        took_s: How long each shard took.
    """
    ledger = Ledger(str(location))
    parts = []
    for first in range(0, len(shards), shards_a_part):
        entries = [[entry_of(row) for row in each] for each in shards[first:][:shards_a_part]]
        flat = [entry for each in entries for entry in each]
        planned_s = sum(entry.planned_s for entry in flat)
        parts.append(Part(first, len(entries), len(flat), planned_s))
        ledger.write_part(parts[-1], entries)
    model = {"name": "tiny_ctc", "sha256": "00"}
    identity = {"gigaam": "1.2.3", "model": model, "options": {"beam": 4}}
    run = RunFile(identity, format, 3600.0, "calls/", "", "stamp", "digest", 0, tuple(parts))
    ledger.write_run(run)
    for shard, rows in enumerate(shards):
        if shard not in left:
            finish_shard(ledger, run, shard, rows, took_s)
    return run


def entry_of(row: Row) -> Entry:
    """What a row is the result of."""
    return Entry(row.id, row.path, f"/archive/{row.path}", row.offset, row.duration)


def finish_shard(
    ledger: Ledger, run: RunFile, shard: int, rows: Sequence[Row], took_s: float = 1.0
) -> None:
    """Write down a shard's rows as the worker of a machine does."""
    failures = [row.error for row in rows if row.error is not None]
    heard_s = sum(row.duration for row in rows if row.error is None)
    by = {"host": f"host{shard % 2}", "processor": "Abacus", "device": "cpu", "threads": 1}
    n_passing = sum(failure.is_passing for failure in failures)
    counts = len(rows), len(failures)
    summary = Summary(*counts, n_passing, heard_s, took_s, *counts, heard_s, by)
    packed = pack_rows(rows, MADE_BY, run.format)
    ledger.finish(run, shard, packed, summary, failures)
