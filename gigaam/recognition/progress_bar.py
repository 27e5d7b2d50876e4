"""How far a call is, as a bar on a terminal or in a notebook.

No thread draws it, and it hides no cursor: a call that fails, or a generator that is left alone,
leaves the terminal as it was.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from gigaam.recognition.longform import Progress

__all__ = ["ProgressBar", "as_callback"]

_WIDTH = 30
_PERIOD_S = 0.1


def as_callback(progress: Progress | bool | None, unit: str) -> Progress | None:
    """What is to be told the progress: the caller's function, a bar for True, or nothing.

    Args:
        progress: What the caller gave.
        unit: Of what is counted.
    """
    if progress is True:
        return ProgressBar(unit)
    return None if progress is False else progress


class ProgressBar:
    """Shows progress on stderr if that is a terminal, and in notebooks.

    Args:
        unit: Of what is counted.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._began = time.monotonic()
        self._shown_at = -_PERIOD_S
        self._is_finished = False
        self._cell = _notebook_cell()
        self._on_terminal = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, done: float, total: float | None) -> None:
        """Show that so much is done."""
        now = time.monotonic()
        finished = total is not None and done >= total
        if self._is_finished or (not finished and now - self._shown_at < _PERIOD_S):
            return
        self._shown_at, self._is_finished = now, finished
        text = self._text(done, total, now - self._began)
        if self._cell is not None:
            self._cell.update({"text/plain": text, "text/html": _html(done, total, text)}, raw=True)
        elif self._on_terminal:
            sys.stderr.write(f"\r{_bar(done, total)}{text}\x1b[K" + ("\n" if finished else ""))
            sys.stderr.flush()

    def _text(self, done: float, total: float | None, elapsed_s: float) -> str:
        amount = f"{done:.0f}" if total is None else f"{done:.0f}/{total:.0f}"
        speed = f", {done / elapsed_s:.1f} per s" if done and elapsed_s else ""
        return f"{amount} {self._unit}{speed}"


def _bar(done: float, total: float | None) -> str:
    if not total:
        return ""
    filled = round(_WIDTH * min(done / total, 1.0))
    return f"{'━' * filled}{'─' * (_WIDTH - filled)} "


def _html(done: float, total: float | None, text: str) -> str:
    extent = "" if total is None else f' value="{done}" max="{total}"'
    return f"<progress{extent}></progress> {text}"


def _notebook_cell() -> Any:
    """Where a notebook shows something that changes; None outside of one."""
    shell = sys.modules.get("IPython")
    kernel = shell and shell.get_ipython()
    if not kernel or not hasattr(kernel, "kernel"):  # none, or IPython on a terminal
        return None
    from IPython import display

    show: Any = display.display  # it has no types
    return show({"text/plain": ""}, raw=True, display_id=True)
