"""Segments of several channels as one sequence in order of time."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from gigaam.recognition.chunking import LONGEST_PASS_S
from gigaam.types import Segment

__all__ = ["Portion", "interleaved"]


@dataclass(frozen=True)
class Portion:
    """What a channel gave in one step.

    Attributes:
        segments: In order, none before those of the portions before.
        done_s: Where the channel is done, in seconds. A segment still to come may begin before
            it, by less than the longest pass, where its end was not yet known.
    """

    segments: Sequence[Segment]
    done_s: float


def interleaved(
    channels: Sequence[Generator[Portion, None, None]], progress: Callable[[float], Any]
) -> Generator[Segment, None, None]:
    """The segments of all channels by their start, each as soon as none can come before it.

    The channel furthest behind advances first. One that fails ends there; its error comes after
    the segments of all.

    Args:
        channels: Advanced in turns, and closed at the end.
        progress: Told after each portion where the channel furthest behind is, in seconds.
    """
    done_s = dict.fromkeys(range(len(channels)), 0.0)  # of those that are not at their end
    waiting: list[tuple[float, int, int, Segment]] = []
    n_taken = 0
    failure: Exception | None = None
    with ExitStack() as stack:
        for channel in channels:
            stack.enter_context(closing(channel))
        while done_s:
            current = min(done_s, key=done_s.__getitem__)
            try:
                portion = next(channels[current], None)
            except Exception as error:
                failure = failure or error
                portion = None
            if portion is None:
                del done_s[current]
            else:
                done_s[current] = portion.done_s
                for segment in portion.segments:
                    heapq.heappush(waiting, (segment.start, current, n_taken, segment))
                    n_taken += 1
            yield from _certain(waiting, done_s)
            if done_s:
                progress(min(done_s.values()))
    if failure is not None:
        raise failure


def _certain(
    waiting: list[tuple[float, int, int, Segment]], done_s: dict[int, float]
) -> Iterator[Segment]:
    """Takes the segments out that no other channel can still come before."""
    while waiting:
        start_s, channel, *_ = waiting[0]
        others = (done for other, done in done_s.items() if other != channel)
        if start_s >= min(others, default=math.inf) - LONGEST_PASS_S:
            return
        yield heapq.heappop(waiting)[-1]
