"""How many live streams there are, and how many of them hear sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gigaam.server.metrics import Metrics
from gigaam.server.refusals import busy

__all__ = ["LiveSlots"]


class LiveSlots:
    """Bounds connections and, among them, sessions that hear sound. For the event loop alone."""

    def __init__(self, metrics: Metrics, *, max_connections: int, max_live: int) -> None:
        """Slots that are free.

        Args:
            metrics: Told how many are in use.
            max_connections: Open connections, which cost little.
            max_live: Sessions that hear sound, which cost computing.
        """
        self._metrics = metrics
        self._max_connections = max_connections
        self._max_live = max_live
        self.n_connections = 0
        self.n_live = 0

    @contextmanager
    def connection(self, protocol: str) -> Iterator[None]:
        """A connection for as long as it is open.

        Raises:
            Refusal: There are too many.
        """
        if self.n_connections >= self._max_connections:
            raise busy(503, "too many connections are open", 30.0, "too_many_connections")
        self.n_connections += 1
        with self._metrics.connections.labels(protocol).track_inprogress():
            try:
                yield
            finally:
                self.n_connections -= 1

    @contextmanager
    def session(self, protocol: str) -> Iterator[None]:
        """A session, from its first sound to its last.

        Raises:
            Refusal: There are too many.
        """
        if self.n_live >= self._max_live:
            told = f"{self.n_live} live sessions are at work, which is all this server takes"
            raise busy(503, told, 10.0, "too_many_sessions")
        self.n_live += 1
        with self._metrics.live_sessions.labels(protocol).track_inprogress():
            try:
                yield
            finally:
                self.n_live -= 1
