"""Live sound, read in a thread of its own while other sound is recognised."""

from __future__ import annotations

import math
import time
from contextlib import closing
from queue import Empty, Queue
from threading import Thread

from gigaam.live.sources import LiveSource, SoundFormat

__all__ = ["Reader"]

_MOST_PIECES = 100  # taken at once: a fast source would always have more
_POLL_S = 0.1  # waiting without an end would keep signals out on Windows


class Reader:
    """Reads a source, and holds what nobody has taken yet.

    Attributes:
        failure: Why there is no more sound, if that is an error; known at the end.
    """

    def __init__(self, source: LiveSource, max_pieces: int, grace_s: float = 0.0) -> None:
        """A reader that has not started.

        Args:
            source: Is opened and read in the thread.
            max_pieces: While it holds so many it does not read on, and the source has to wait.
            grace_s: How long after `stop` the source may still end by itself, in seconds.
        """
        self._source = source
        self._grace_s = grace_s
        self._queue: Queue[SoundFormat | bytes | None] = Queue(max_pieces)
        self._last_moment = math.inf
        self._is_over = False
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin to read. The thread never keeps the process from its end."""
        Thread(target=self._read, name="gigaam-live-reader", daemon=True).start()

    def stop(self) -> None:
        """End the sound here; what has come is still given. Signal handlers may call it."""
        self._last_moment = time.monotonic() + self._grace_s

    def sound(self) -> SoundFormat | None:
        """What the sound is, once some has come; None if it ended before."""
        first = self._next()
        assert not isinstance(first, bytes)
        return first

    def take(self) -> bytes:
        """What has come since, once there is any; nothing at the end."""
        taken: list[bytes] = []
        while len(taken) < _MOST_PIECES:
            item = self._next(wait=not taken)
            if not isinstance(item, bytes):
                break
            taken.append(item)
        return b"".join(taken)

    @property
    def _is_late(self) -> bool:
        return time.monotonic() >= self._last_moment

    def _next(self, wait: bool = True) -> SoundFormat | bytes | None:
        """The next item; None at the end, or at once where it is not to be waited for."""
        while not self._is_over:
            try:
                item = self._queue.get(block=wait, timeout=_POLL_S)
            except Empty:
                self._is_over = self._is_late
                if not wait:
                    break
                continue
            self._is_over = item is None
            return item
        return None

    def _read(self) -> None:
        try:
            sound, pieces = self._source.open()
            self._queue.put(sound)
            with closing(pieces):
                for piece in pieces:
                    self._queue.put(piece)
                    if self._is_late:
                        break
        except Exception as error:  # whoever takes the sound is told
            self.failure = error
        self._queue.put(None)
