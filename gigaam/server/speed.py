"""How fast a server recognises, as far as it was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["Speed"]

_GUESSED_S = 0.02  # of busy time, which the guess stands for: the first recording outweighs it

_HALF_LIFE_S = 60.0  # of busy time: what was measured then counts half


class Speed:
    """Seconds of sound per second in which there is work. Threads may share it."""

    def __init__(self, initial: float, now: Callable[[], float] = time.monotonic) -> None:
        """A speed that was not measured yet.

        Args:
            initial: What is taken for it until then.
            now: Tells the time, in seconds.
        """
        self._now = now
        self._sound_s, self._busy_s = initial * _GUESSED_S, _GUESSED_S
        self._n_working = 0
        self._since = 0.0
        self._lock = Lock()

    @property
    def value(self) -> float:
        """The speed."""
        with self._lock:
            self._settle()
            return self._sound_s / self._busy_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """While there is one recording more to work at."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def done(self, sound_s: float) -> None:
        """So many further seconds of sound were recognised."""
        with self._lock:
            self._settle()
            self._sound_s += sound_s

    def _change(self, n_more: int) -> None:
        with self._lock:
            self._settle()
            self._n_working += n_more

    def _settle(self) -> None:
        now = self._now()
        if self._n_working:
            spent_s = now - self._since
            kept = 0.5 ** (spent_s / _HALF_LIFE_S)
            self._sound_s, self._busy_s = self._sound_s * kept, self._busy_s * kept + spent_s
        self._since = now
