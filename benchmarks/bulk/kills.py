"""Runs that are killed at random, and whether their rows are those of a run that was not.

    python -m benchmarks.bulk.kills MODEL ARCHIVE [--kills 20] [--seed 1] [--shard-minutes 5]

Workers and drivers are killed with SIGKILL, one or the other, at random moments; a killed driver is
started again at once, as a supervisor would.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.bulk.processes import workers_of

WAIT_S = (2.0, 9.0)  # between two kills


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard-minutes", type=float, default=5.0)
    parser.add_argument("--executor", default="local")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = Path(folder, "calm"), Path(folder, "killed")
        began = time.monotonic()
        finish(arguments, calm)
        calm_s = time.monotonic() - began
        began = time.monotonic()
        counts = kill(arguments, killed)
        finish(arguments, killed)
        told = {
            "shards": len(files(calm)),
            "calm_s": round(calm_s, 1),
            "killed_s": round(time.monotonic() - began, 1),
            **counts,
            "left_over": [path.name for path in (killed / "begun").iterdir()],
            "are_equal": files(calm) == files(killed),
        }
    print(json.dumps(told))
    if not told["are_equal"]:
        raise SystemExit("the rows differ")


def command(arguments: Namespace, out: Path) -> list[str]:
    options = ["--model", arguments.model, "--shard-minutes", str(arguments.shard_minutes)]
    where = ["--executor", arguments.executor, "--workers", "2"]
    run = ["bulk", "run", str(arguments.archive), str(out), "--format", "jsonl", *options, *where]
    return [sys.executable, "-m", "gigaam", *run]


def finish(arguments: Namespace, out: Path) -> None:
    """Has a run done to its end; another may still be ending there."""
    while subprocess.run(command(arguments, out)).returncode == 1:
        time.sleep(1.0)


def kill(arguments: Namespace, out: Path) -> dict[str, int]:
    """Kills, so often as is wanted, or until all is done; how often it was which."""
    rng = random.Random(arguments.seed)
    counts = {"drivers": 0, "workers": 0}
    driver = subprocess.Popen(command(arguments, out))
    while sum(counts.values()) < arguments.kills:
        time.sleep(rng.uniform(*WAIT_S))
        if driver.poll() is not None:
            if driver.returncode in (0, 3):
                break
            driver = subprocess.Popen(command(arguments, out))
            continue
        workers = workers_of(driver.pid)
        if workers and rng.random() < 0.7:
            os.kill(rng.choice(workers), signal.SIGKILL)
            counts["workers"] += 1
        else:
            driver.kill()
            driver.wait()
            counts["drivers"] += 1
            driver = subprocess.Popen(command(arguments, out))
    driver.kill()
    driver.wait()
    return counts


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("shards/*/*")}


if __name__ == "__main__":
    main()
