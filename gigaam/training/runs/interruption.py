"""Ctrl-C in a run: the first one lets it save its state, the second one stops it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["Interruption", "ignore_interrupts"]


class _Stop(BaseException):
    """Ends a run.

    It becomes a KeyboardInterrupt only outside Lightning, which exits the program on those.
    """


class Interruption:
    """Handles Ctrl-C within a context, where Python allows it: in the main thread.

    The context ends with a KeyboardInterrupt if the run was stopped.

    Args:
        notice: Called, in another thread, when the run is about to stop.

    Attributes:
        waits: Whether the run stops by itself, between two steps, once that is `wanted`.
        wanted: Whether the run is to stop.
        saved: The step that the run would resume from.
    """

    def __init__(self, notice: Callable[[], None]) -> None:
        self.waits = False
        self.wanted = False
        self.saved = 0
        self._notice = notice
        self._previous: Any = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        if isinstance(error, _Stop):
            saved = f"step {self.saved} is saved" if self.saved else "no step is saved yet"
            raise KeyboardInterrupt(f"stopped: {saved}") from None

    def stop(self) -> NoReturn:
        """Ends the run."""
        raise _Stop

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.waits or self.wanted:
            self.stop()
        self.wanted = True
        # The interrupted code may be in the middle of printing.
        threading.Thread(target=self._notice, daemon=True).start()


def ignore_interrupts(worker: int) -> None:
    """Leaves Ctrl-C to the main process; called in the processes that prepare batches.

    Args:
        worker: Number of the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
