"""How often partials are made, so that decoding keeps up with the sound."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

__all__ = ["Pace"]

_SPARE = 1.5  # seconds of sound for a second of decoding: a third is left for finals


class Pace:
    """Measures what partials take, waiting for other sessions included."""

    def __init__(self, stride_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """A pace that was not measured yet.

        Args:
            stride_s: Sound from one partial to the next where decoding is fast.
            clock: Tells the time, in seconds.
        """
        self._stride_s = stride_s
        self._clock = clock
        # One that took very long, as on a machine that was suspended, says nothing of the next.
        self._took_s = deque([0.0] * 3, maxlen=3)

    def stride_s(self, n_speaking: int = 1) -> float:
        """Sound from one partial to the next while so many channels speak, in seconds."""
        return max(self._stride_s, self._needed_s(n_speaking))

    def first_s(self, n_speaking: int = 1) -> float:
        """Sound before the first partial of an utterance, in seconds: half as much, to be soon."""
        return max(self._stride_s / 2, self._needed_s(n_speaking))

    @contextmanager
    def measured(self) -> Iterator[None]:
        """The context in which a partial is made."""
        began = self._clock()
        yield
        self._took_s.append(self._clock() - began)

    def _needed_s(self, n_speaking: int) -> float:
        return _SPARE * median(self._took_s) * n_speaking
