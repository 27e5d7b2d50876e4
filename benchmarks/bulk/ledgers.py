"""Plans of millions of recordings, and how soon a run goes on of which much is done.

    python -m benchmarks.bulk.ledgers plan [--count 10000000]
    python -m benchmarks.bulk.ledgers resume [--count 100000] [--seconds 10]

Nothing is recognised: the recordings are made up, and so are their rows.
"""

import json
import resource
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Ledger, RunFile, Summary
from gigaam.bulk.planning import make_plan
from gigaam.bulk.row_files import Row, pack_rows
from gigaam.types import Segment, Word


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["plan", "resume"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each recording")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "plan":
            told = planned(folder, arguments.count or 10_000_000, arguments.seconds)
        else:
            told = resumed(folder, arguments.count or 100_000, arguments.seconds)
    print(json.dumps(told))


def entries(count: int, seconds: float) -> Iterator[Entry]:
    for number in range(count):
        path = f"calls/{number % 365:03d}/{number:09d}.opus"
        yield Entry(path, path, f"s3://archive/{path}", duration_s=seconds, n_bytes=20_000)


def planned(folder: str, count: int, seconds: float) -> dict[str, object]:
    """Time, memory and space of a plan."""
    before = peak_mb()
    began = time.monotonic()
    plan = make_plan(entries(count, seconds), Ledger(folder), 3600.0)
    took_s = time.monotonic() - began
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {
        "recordings": count,
        "shards": sum(part.n_shards for part in plan.parts),
        "seconds": round(took_s, 1),
        "mb_before": round(before),
        "mb_peak": round(peak_mb()),
        "plan_mb": round(size / 2**20),
    }


def resumed(folder: str, count: int, seconds: float) -> dict[str, object]:
    """Seconds in which it is known what is left, where all but one shard is done."""
    manifest = Path(folder, "manifest.jsonl")
    with open(manifest, "w") as file:
        for entry in entries(count, seconds):
            line = {"path": entry.location, "id": entry.id, "duration": seconds}
            file.write(f"{json.dumps(line)}\n")
    out = Path(folder, "out")
    begin(manifest, out)
    ledger = Ledger(str(out))
    run = ledger.read_run()
    assert run is not None
    print(f"{run.n_shards} shards", file=sys.stderr)
    for shard in range(1, run.n_shards):
        finish(ledger, run, shard)
    began = time.monotonic()
    left = begin(manifest, out)
    return {
        "recordings": count,
        "shards": run.n_shards,
        "left": left,
        "seconds": round(time.monotonic() - began, 2),
    }


def begin(manifest: Path, out: Path) -> list[int]:
    """Shards that are to be done, as a run finds them before any is begun."""
    from gigaam.bulk import run
    from gigaam.bulk.running import Todo

    found: list[int] = []

    class Enough(Exception):
        pass

    def take(event: object) -> None:
        if isinstance(event, Todo):
            found.extend(event.shards)
            raise Enough

    try:
        run(manifest, out, model="tiny_ctc", on_event=take)
    except Enough:
        return found
    raise AssertionError("nothing was planned")


def finish(ledger: Ledger, run: RunFile, shard: int) -> None:
    words = [Word("да", 0.1, 0.3, 0.9), Word("нет", 0.5, 0.9, 0.8)]
    rows = [
        Row(
            each.id,
            each.path,
            0.0,
            10.0,
            "да нет",
            0.85,
            (Segment("да нет", 0.1, 0.9, words, 0.85),),
        )
        for each in ledger.entries(run, shard)
    ]
    made_by = {"model": "tiny_ctc", "options": "{}"}
    heard_s = 10.0 * len(rows)
    summary = Summary(len(rows), 0, 0, heard_s, 1.0, len(rows), 0, heard_s, {})
    ledger.finish(run, shard, pack_rows(rows, made_by, "parquet"), summary, [])


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
