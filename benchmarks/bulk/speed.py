"""How fast processes of one machine are together, against one alone; what each takes of memory.

    python -m benchmarks.bulk.speed MODEL ARCHIVE [--minutes 60] [--splits 1x1,1x2,2x1,ray:2x1]

Recordings of an archive up to so many minutes, once through by every split (workers x threads), in
turns; the first of the splits is what the others are compared with. Time counts from when all
workers have their models, since an archive takes hours, and a model seconds. Memory is told twice:
the most that one worker had, what it shares with the others included, and what all of them had for
themselves and their share of the rest (PSS) a worker.
"""

import json
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bulk.processes import peak_mb, proportional_mb, workers_of, workers_of_ray
from gigaam.audio import duration_s
from gigaam.audio.media_suffixes import MEDIA_SUFFIXES
from gigaam.bulk import LocalExecutor, run
from gigaam.bulk.executors import Executor, ShardDone
from gigaam.bulk.ray_executor import RayExecutor
from gigaam.errors import GigaAMError

REPEATS = 3


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--splits", default="1x1,1x2,2x1")
    arguments = parser.parse_args()
    splits = arguments.splits.split(",")
    runs: dict[str, list[Run]] = {split: [] for split in splits}
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "some.txt")
        manifest.write_text(
            "".join(f"{path}\n" for path in some(arguments.archive, arguments.minutes * 60))
        )
        for repeat in range(REPEATS):
            for number, split in enumerate(splits):
                out = Path(folder, f"{repeat}_{number}")
                done = timed(arguments.model, manifest, out, executor_of(split))
                runs[split].append(done)
                print(f"{split}: {done.speed:.1f} x real time", file=sys.stderr)
    base = statistics.median(done.speed for done in runs[splits[0]])
    for split, all_done in runs.items():
        speed = statistics.median(done.speed for done in all_done)
        told = {
            "split": split,
            "real_time": round(speed, 1),
            "ratio": round(speed / base, 2),
            "runs": [round(done.speed, 1) for done in all_done],
            "peak_mb_a_worker": round(max(done.peak_mb for done in all_done)),
            "pss_mb_a_worker": round(max(done.pss_mb for done in all_done)),
        }
        print(json.dumps(told))


@dataclass
class Run:
    """How fast a run was, and the memory of its workers."""

    speed: float = 0.0
    peak_mb: float = 0.0
    pss_mb: float = 0.0


def executor_of(split: str) -> Executor:
    """The executor of a split: workers x threads, with `ray:` in front on a Ray started for it."""
    by, _, numbers = split.rpartition(":")
    workers, threads = map(int, numbers.split("x"))
    if by == "ray":
        return RayExecutor(workers=workers, threads=threads)
    return LocalExecutor(workers, threads)


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


def timed(model: str, manifest: Path, out: Path, executor: Executor) -> Run:
    """A run through a manifest."""
    done: list[tuple[float, float]] = []
    told = Run()

    def take(event: object) -> None:
        if isinstance(event, ShardDone):
            done.append((time.monotonic() - event.summary.took_s, time.monotonic()))
            workers = [*workers_of(), *workers_of_ray()]
            told.peak_mb = max([told.peak_mb, *map(peak_mb, workers)])
            told.pss_mb = max(told.pss_mb, statistics.mean(map(proportional_mb, workers or [0])))

    result = run(
        manifest,
        out,
        model=model,
        executor=executor,
        shard_minutes=2.0,
        format="jsonl",
        on_event=take,
    )
    told.speed = result.heard_s / (max(end for _, end in done) - min(start for start, _ in done))
    return told


if __name__ == "__main__":
    main()
