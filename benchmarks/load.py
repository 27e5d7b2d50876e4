"""Time and memory of importing gigaam and of loading full-size checkpoints (random weights).

Each figure comes from a process of its own. Files are read once before, so that they are warm.

    python -m benchmarks.load [--models v3_ctc v2_rnnt] [--repeats 5]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import torch
from omegaconf import OmegaConf

from benchmarks.machine import report
from gigaam.loading import build_model
from gigaam.store.configs import builtin_config

LOAD = """
import json, sys, time
import torch, gigaam.loading, numpy as np
def memory(field):
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields[field].split()[0]) * 1024
before, start = memory("VmRSS"), time.perf_counter()
model = gigaam.loading.load_model(sys.argv[1])
loaded = time.perf_counter() - start
after = memory("VmRSS")
model.transcribe(np.zeros(16_000, np.float32), input_rate=16_000)
used = memory("VmRSS")
peak = memory("VmHWM")  # of this process alone: ru_maxrss starts with its parent's
sizes = {"loaded": after - before, "used": used - before, "peak": peak - before}
print(json.dumps({"load_s": loaded, **sizes}))
"""


def best_of(command: list[str], repeats: int) -> list[str]:
    """What each run of a Python program printed."""
    return [
        subprocess.run(
            [sys.executable, *command], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(repeats)
    ]


def import_seconds(statement: str, repeats: int) -> float:
    """Shortest time in which a fresh interpreter executes the statement."""
    program = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return min(float(out) for out in best_of(["-c", program], repeats))


def write_checkpoint(name: str, directory: Path) -> Path:
    """A full-size checkpoint in the published form, float32, with random weights."""
    config = builtin_config(name)
    state = OrderedDict(build_model(config).state_dict())
    path = directory / f"{name}.ckpt"
    torch.save({"state_dict": state, "cfg": OmegaConf.create(config)}, path)
    return path


def measure(path: Path, repeats: int) -> dict[str, object]:
    """One row: loading the file and a first transcription."""
    path.read_bytes()
    runs = [json.loads(out) for out in best_of(["-c", LOAD, str(path)], repeats)]
    size = path.stat().st_size
    return {
        "file_mb": size / 1e6,
        "load_s": min(run["load_s"] for run in runs),
        "loaded_of_file": max(run["loaded"] for run in runs) / size,
        "used_of_file": max(run["used"] for run in runs) / size,
        "peak_of_file": max(run["peak"] for run in runs) / size,
    }


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["v3_ctc", "v2_rnnt"])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as directory:
        for name in arguments.models:
            path = write_checkpoint(name, Path(directory))
            rows.append({"model": name, **measure(path, arguments.repeats)})
            path.unlink()
    report(
        "load",
        rows,
        import_gigaam_s=import_seconds("import gigaam", arguments.repeats),
        import_model_s=import_seconds("from gigaam import load_model", arguments.repeats),
    )


if __name__ == "__main__":
    main()
