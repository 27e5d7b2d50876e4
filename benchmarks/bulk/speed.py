"""How fast processes of one machine are together, against one alone; what each takes of memory.

    python -m benchmarks.bulk.speed MODEL ARCHIVE [--minutes 60] [--splits 1x1,1x2,2x1]

Recordings of an archive up to so many minutes, once through by every split (workers x threads), in
turns; the first of the splits is what the others are compared with. Time counts from when all
workers have their models, since an archive takes hours, and a model seconds.
"""

import json
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bulk.processes import peak_mb, workers_of
from gigaam.audio import duration_s
from gigaam.audio.media_suffixes import MEDIA_SUFFIXES
from gigaam.bulk import LocalExecutor, run
from gigaam.bulk.executors import ShardDone
from gigaam.errors import GigaAMError

REPEATS = 3


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--splits", default="1x1,1x2,2x1")
    arguments = parser.parse_args()
    splits = [tuple(map(int, split.split("x"))) for split in arguments.splits.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "some.txt")
        manifest.write_text(
            "".join(f"{path}\n" for path in some(arguments.archive, arguments.minutes * 60))
        )
        speeds: dict[tuple[int, ...], list[float]] = {split: [] for split in splits}
        memory: dict[tuple[int, ...], float] = {}
        for repeat in range(REPEATS):
            for split in splits:
                out = Path(folder, f"{repeat}_{split[0]}_{split[1]}")
                speed, memory[split] = timed(arguments.model, manifest, out, *split)
                speeds[split].append(speed)
                print(f"{split[0]} x {split[1]}: {speed:.1f} x real time", file=sys.stderr)
    base = statistics.median(speeds[splits[0]])
    for split in splits:
        speed = statistics.median(speeds[split])
        told = {
            "workers": split[0],
            "threads": split[1],
            "real_time": round(speed, 1),
            "ratio": round(speed / base, 2),
            "runs": [round(each, 1) for each in speeds[split]],
            "peak_mb_a_worker": round(memory[split]),
        }
        print(json.dumps(told))


def some(archive: Path, seconds: float) -> Iterator[Path]:
    """Recordings of an archive, spread over it."""
    paths = [path for path in sorted(archive.rglob("*")) if path.suffix in MEDIA_SUFFIXES]
    for path in paths[::7] + paths[1::7] + paths[2::7]:
        try:
            length_s = duration_s(path) or 0.0
        except GigaAMError:
            continue
        if length_s and seconds > 0:
            seconds -= length_s
            yield path.absolute()


def timed(model: str, manifest: Path, out: Path, workers: int, threads: int) -> tuple[float, float]:
    """Seconds of sound a second, and megabytes of the largest worker."""
    done: list[tuple[float, float]] = []
    peak = 0.0

    def take(event: object) -> None:
        nonlocal peak
        if isinstance(event, ShardDone):
            peak = max([peak, *map(peak_mb, workers_of())])
            done.append((time.monotonic() - event.summary.took_s, time.monotonic()))

    result = run(
        manifest,
        out,
        model=model,
        executor=LocalExecutor(workers, threads),
        shard_minutes=2.0,
        format="jsonl",
        on_event=take,
    )
    first = min(start for start, _ in done)
    last = max(end for _, end in done)
    return result.heard_s / (last - first), peak


if __name__ == "__main__":
    main()
