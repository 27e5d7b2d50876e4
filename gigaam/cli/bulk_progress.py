"""What a bulk run says while it works: a bar or a line now and then, and JSON for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

from gigaam.bulk.executors import Event, ShardAt, ShardDone, ShardFailed, WorkerLost
from gigaam.bulk.running import Planning, Todo
from gigaam.cli.command_options import Talk
from gigaam.cli.printing import complain, print_lines
from gigaam.quoting import counted
from gigaam.types import format_clock

if TYPE_CHECKING:
    from rich.progress import Progress

    from gigaam.bulk.running import BulkResult

__all__ = ["EventFile", "RunDisplay"]

_SHOW_EVERY_S = 0.1
_LINE_EVERY_S = 60.0  # where there is no terminal for a bar
_NAMES = {
    Planning: "planning",
    Todo: "planned",
    ShardAt: "progress",
    ShardDone: "shard",
    ShardFailed: "stopped",
    WorkerLost: "worker_lost",
}


class RunDisplay(AbstractContextManager["RunDisplay"]):
    """How far a run is, on stderr."""

    def __init__(self, workers: str, how_much: Talk) -> None:
        """Nothing is shown until it is entered.

        Args:
            workers: Who works, for people.
            how_much: Is said.
        """
        self._workers, self._how_much = workers, how_much
        self._stack = ExitStack()
        self._bar: Progress | None = None
        self._began = self._told = time.monotonic()
        self._planned_s: float | None = None
        self._shown = 0.0
        self._at_work: dict[int, float] = {}
        self._heard_s = 0.0
        self._n_failed = 0
        self._told_where: set[str] = set()

    def __enter__(self) -> RunDisplay:
        if self._how_much != Talk.QUIET and sys.stderr.isatty():
            self._bar = self._stack.enter_context(_bar())
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()
        self._bar = None

    def take(self, event: Event | Planning | Todo) -> None:
        """Show what has happened."""
        if self._how_much == Talk.QUIET:
            return
        if isinstance(event, Planning):
            self._show(f"planning: {counted(event.n_entries, 'recording')}")
        elif isinstance(event, Todo):
            self._begin(event)
        elif isinstance(event, ShardAt):
            self._at_work[event.shard] = event.done_s
        elif isinstance(event, ShardDone):
            self._at_work.pop(event.shard, None)
            self._tell_where(event.summary.by)
            self._heard_s += event.summary.made_s
            self._n_failed += event.summary.n_made_failed
        elif isinstance(event, WorkerLost):
            self._at_work.pop(event.shard, None)
            complain(f"a worker was lost ({event.reason}): shard {event.shard} is begun anew")
        self._show_speed()

    def _tell_where(self, by: Mapping[str, Any]) -> None:
        """Tell the wordy, once for each machine, what computes."""
        told = f"{by.get('host')} computes on {by.get('device')}, {by.get('processor')}"
        if self._how_much == Talk.VERBOSE and told not in self._told_where:
            self._told_where.add(told)
            complain(told)

    def _begin(self, todo: Todo) -> None:
        run = todo.run
        recordings, shards = counted(run.n_entries, "recording"), counted(run.n_shards, "shard")
        planned = f"{recordings}, {_hours(run.planned_s)}, in {shards}"
        done = f"; done already: {todo.n_done:,}" if todo.n_done else ""
        repeated = f"; listed again: {run.n_repeated:,}" if run.n_repeated else ""
        complain(f"{planned}{done}{repeated}; {self._workers}")
        self._planned_s = todo.planned_s
        self._began = self._told = time.monotonic()

    def _show_speed(self) -> None:
        planned_s = self._planned_s
        if planned_s is None or time.monotonic() - self._shown < _SHOW_EVERY_S:
            return
        self._shown = time.monotonic()
        done_s = self._heard_s + sum(self._at_work.values())
        elapsed_s = max(time.monotonic() - self._began, 1e-3)
        part = min(done_s / planned_s, 1.0) if planned_s else 1.0
        failed = f", {self._n_failed:,} failed" if self._n_failed else ""
        speed = f"{done_s / elapsed_s:.1f}× real time{failed}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=part, total=1.0, told=speed)
        elif time.monotonic() - self._told >= _LINE_EVERY_S:
            self._told = time.monotonic()
            left_s = elapsed_s * (1 - part) / part if part else 0.0
            left = f", {format_clock(left_s)} left" if left_s else ""
            complain(f"{_hours(done_s)} of {_hours(planned_s)} done, {speed}{left}")

    def _show(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=None, told=text)


def summary(result: BulkResult) -> str:
    """What a run did, for people."""
    if not result.n_entries:
        told = "nothing to do: all is done already"
    else:
        speed = f"{result.heard_s / max(result.took_s, 1e-3):.1f}× real time"
        took = format_clock(result.took_s)
        recordings = counted(result.n_entries, "recording")
        told = f"{recordings}, {_hours(result.heard_s)}, in {took}, {speed}"
    if result.n_failed:
        told += f"; {result.n_failed:,} failed"
    if result.n_shards_with_failures:
        told += f"; 'gigaam bulk report {result.out}' tells what failed and why"
    return told


class EventFile(AbstractContextManager["EventFile"]):
    """What happens as JSON lines: in a file, which is appended to, or on stdout."""

    def __init__(self, name: str) -> None:
        """Opened at once.

        Args:
            name: The file; "-" for stdout.

        Raises:
            OSError: It cannot be opened.
        """
        self._file: TextIO | None = None if name == "-" else open(name, "a", encoding="utf-8")  # noqa: SIM115

    def __exit__(self, *raised: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, event: Event | Planning | Todo) -> None:
        """Write what has happened."""
        told: dict[str, object] = {"event": _NAMES[type(event)], "time": _now()}
        if isinstance(event, Todo):
            told |= {
                "recordings": event.run.n_entries,
                "seconds": event.run.planned_s,
                "shards": event.run.n_shards,
                "shards_done": event.n_done,
                "repeated": event.run.n_repeated,
            }
        elif isinstance(event, ShardDone):
            told |= {"shard": event.shard, **asdict(event.summary)}
        else:
            told |= asdict(event)
        line = json.dumps(told, ensure_ascii=False)
        if self._file is None:
            print_lines([line])
        else:
            self._file.write(f"{line}\n")
            self._file.flush()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=True,
        transient=True,
    )
    bar.add_task("", total=None, told="reading the manifest")
    return bar
