"""A store whose process is killed at any moment: what it said it had kept is there."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gigaam.server.jobs.database import Database
from gigaam.server.jobs.store import JobStore

WRITER = """
import sys
from pathlib import Path
from gigaam.server.jobs.database import Database
from gigaam.server.jobs.job import Job
from gigaam.server.jobs.store import JobStore
from gigaam.types import Segment, TranscriptionResult

store = JobStore(Database(Path(sys.argv[1])))
store.recover(1_000)
job = store.get("a") or store.add(Job(id="a", client="me", model="m", filename="x"))
store.begin("a")
n = job.n_segments
print("open", flush=True)
while True:
    store.remember("a", {n.to_bytes(4, "big"): TranscriptionResult("раз" * 50, words=[])})
    store.progress("a", float(n + 1), n, [Segment(f"два {n}", n, n + 1.0)])
    n += 1
    print(n, flush=True)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_kept_is_there(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_kept = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        told = process.stdout.read().split("\n")[:-1]
        process.wait()
        process.stdout.close()
        n_kept = max([n_kept, *map(int, told)])
        store = JobStore(Database(tmp_path))  # checks that it is whole
        job = store.get("a")
        assert job is not None
        assert job.n_segments in (n_kept, n_kept + 1)
        n_kept = job.n_segments
        assert [each.text for each in store.segments("a")] == [f"два {n}" for n in range(n_kept)]
        keys = [n.to_bytes(4, "big") for n in range(n_kept + 2)]
        assert len(store.remembered("a", keys)) in (n_kept, n_kept + 1)
        store.database.close()
    assert n_kept > 3
