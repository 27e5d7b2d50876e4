"""A recording that is kept until its end, for what can hear nothing less than all of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers.turns import Turn

__all__ = ["WholeRecording"]


class WholeRecording:
    """A `DiarizationStream` that keeps all samples: 230 MB of an hour."""

    def __init__(self, find: Callable[[NDArray[np.float32]], list[Turn]]) -> None:
        """A recording of which nothing was heard yet.

        Args:
            find: Gives the turns of all samples, float32 [n], of which there are some.
        """
        self._find = find
        self._blocks: list[NDArray[np.float32]] = []

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Keep the next samples, float32 [n], mono, 16 kHz."""
        self._blocks.append(np.array(samples, np.float32))  # blocks may be used again

    def finish(self) -> list[Turn]:
        """All turns in order of their starts; the recording has ended."""
        samples = np.empty(sum(map(len, self._blocks)), np.float32)
        end = len(samples)
        while self._blocks:  # each is let go of as soon as it is copied
            block = self._blocks.pop()
            samples[end - len(block) : end] = block
            end -= len(block)
        return self._find(samples) if samples.size else []
