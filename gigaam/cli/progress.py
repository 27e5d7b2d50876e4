"""How far a run over many recordings is, shown on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gigaam.types import format_clock

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressDisplay", "progress_display"]


class ProgressDisplay:
    """The recordings that are done, and their seconds of sound per second.

    Args:
        n_recordings: How many there are.
        bar: Where they are shown, if anywhere.
    """

    def __init__(self, n_recordings: int, bar: Progress | None = None) -> None:
        self._n_recordings = n_recordings
        self._bar = bar
        self._began = time.monotonic()
        self._n_done = 0
        self._sound_s = 0.0
        if bar is not None:
            bar.add_task("", total=n_recordings, count="", speed="")
        self._show(0.0, 0.0)

    def at(self, done_s: float, total_s: float | None) -> None:
        """Show how much of the recording at work is done, in seconds."""
        self._show(done_s, done_s / total_s if total_s else 0.0)

    def finish(self, duration_s: float) -> None:
        """Show that the recording at work is finished, and was this long, in seconds."""
        self._n_done += 1
        self._sound_s += duration_s
        self._show(0.0, 0.0)

    def summary(self) -> str:
        """What was done, how long it took, and the seconds of sound per second; or nothing."""
        if not self._sound_s:
            return ""
        return f"{_long(self._sound_s)} of sound in {_long(self._elapsed_s)}, {self._speed(0.0)}"

    @property
    def _elapsed_s(self) -> float:
        return max(time.monotonic() - self._began, 1e-3)

    def _speed(self, done_s: float) -> str:
        return f"{(self._sound_s + done_s) / self._elapsed_s:.1f}× real time"

    def _show(self, done_s: float, part: float) -> None:
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=self._n_done + min(part, 1.0),
                count=f"{self._n_done}/{self._n_recordings}",
                speed=self._speed(done_s) if self._sound_s + done_s else "",
            )


def _long(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 59.95 else format_clock(seconds)


@contextmanager
def progress_display(n_recordings: int, hidden: bool) -> Iterator[ProgressDisplay]:
    """A display, on stderr if that is a terminal.

    Args:
        n_recordings: How many there are.
        hidden: Whether it is not to be shown, even on a terminal.
    """
    if hidden or not sys.stderr.isatty():
        yield ProgressDisplay(n_recordings)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.fields[count]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
        console=Console(stderr=True),
        redirect_stdout=False,  # rich would print the results on its own console
        transient=True,
    )
    with bar:
        yield ProgressDisplay(n_recordings, bar)
