"""What the benchmarks share: the machine, timing, the table, and the JSON line."""

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs."""

    runs: tuple[float, ...]

    @property
    def best(self) -> float:
        """The shortest: what the machine can do when nothing else disturbs it."""
        return min(self.runs)

    @property
    def median(self) -> float:
        """The middle one: what to expect of it."""
        return statistics.median(self.runs)


def time_runs(work: Callable[[], Any], repeats: int, warmup: int = 1) -> Timing:
    """Wall seconds of each of ``repeats`` calls, after ``warmup`` that do not count."""
    for _ in range(warmup):
        work()
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return Timing(tuple(runs))


def describe_machine() -> dict[str, Any]:
    """Processor, threads and versions: what a figure depends on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{len(names)} × {names[0].partition(':')[2].strip()}" if names else cpu
    return {
        "cpu": cpu,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def figures(rows: Sequence[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Few rows of many figures turned round, with what they have in ``column`` on top."""
    names = dict.fromkeys(key for row in rows for key in row if key != column)
    heads = [f"{column} {row[column]}" for row in rows]
    return [
        {"what": name, **{head: row.get(name) for head, row in zip(heads, rows, strict=True)}}
        for name in names
    ]


def report(title: str, rows: Sequence[dict[str, Any]], **facts: Any) -> None:
    """Prints rows as a table for people and everything as one JSON line, last."""
    machine = describe_machine()
    console = Console(width=120)
    table = Table(title=title, caption=", ".join(f"{k} {v}" for k, v in machine.items()))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)
    print(json.dumps({"benchmark": title, "machine": machine, **facts, "rows": rows}))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
