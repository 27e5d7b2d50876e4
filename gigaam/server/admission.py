"""Which requests are taken: those that can be answered in time, fairly between clients.

Recordings take turns, chunk by chunk. So a new one waits for no more of each of those before it
than it is long itself: an hour that is at work keeps no command waiting, but another hour.

What a request asks for is known for certain only once its recording was looked at. It is let in by
its headers, before the body is read, with a guess of how long its recording is; the guess gives way
to the length when that is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from gigaam.server.refusals import busy
from gigaam.server.speed import Speed

__all__ = ["Admission", "Ticket"]

_GUESSED_BYTES_PER_S = 16_000  # between a WAV's 32 kB at 16 kHz and an MP3's 8
_LONGEST_GUESS_S = 600.0  # files are large for other reasons, too

_PIECE_S = 30.0  # the longest chunk: no recording waits for less of another

_SHARE = 0.75
"""What one client may fill of the queue; the rest is for those who have nothing in it."""


class Ticket:
    """A request that was let in.

    Attributes:
        client: Who asks.
        left_s: Seconds of its sound that are still to be recognised.
    """

    def __init__(self, client: str, left_s: float) -> None:
        self.client = client
        self.left_s = left_s

    def measured(self, duration_s: float) -> None:
        """The length of the recording is known."""
        self.left_s = duration_s

    def progress(self, done_s: float) -> None:
        """So many further seconds were recognised."""
        self.left_s = max(0.0, self.left_s - done_s)


class Admission:
    """The requests that are there. Threads may share it.

    Attributes:
        speed: How fast the server recognises.
    """

    def __init__(self, speed: Speed, *, max_wait_s: float, max_requests: int) -> None:
        """Admission to a server without requests.

        Args:
            speed: How fast it recognises.
            max_wait_s: Requests are refused while the work before them takes longer.
            max_requests: How many may be there.
        """
        self.speed = speed
        self._max_wait_s = max_wait_s
        self._max_requests = max_requests
        self._tickets: set[Ticket] = set()
        self._lock = Lock()

    @property
    def n_requests(self) -> int:
        """How many are there."""
        return len(self._tickets)

    @property
    def waiting_s(self) -> float:
        """Seconds of sound still to be recognised."""
        with self._lock:
            return sum(ticket.left_s for ticket in self._tickets)

    @contextmanager
    def admitted(self, client: str, body_bytes: int | None) -> Iterator[Ticket]:
        """Let a request in for as long as it takes.

        Args:
            client: Who asks.
            body_bytes: The size of its body, if that is stated.

        Raises:
            Refusal: It cannot be answered in time.
        """
        guess_s = _LONGEST_GUESS_S
        if body_bytes is not None:
            guess_s = min(body_bytes / _GUESSED_BYTES_PER_S, _LONGEST_GUESS_S)
        ticket = Ticket(client, guess_s)
        with self._lock:
            self._check(client, max(guess_s, _PIECE_S))
            self._tickets.add(ticket)
        try:
            yield ticket
        finally:
            with self._lock:
                self._tickets.discard(ticket)

    def _check(self, client: str, length_s: float) -> None:
        speed = self.speed.value
        before = [(ticket.client, min(ticket.left_s, length_s)) for ticket in self._tickets]
        own = [left_s for whose, left_s in before if whose == client]
        wait_s = sum(left_s for _, left_s in before) / speed
        is_alone = len(own) == len(self._tickets)
        share = _SHARE if own else 1.0
        is_greedy = sum(own) / speed > share * self._max_wait_s or (
            len(own) >= share * self._max_requests
        )
        if is_greedy and not is_alone:
            raise busy(429, "too many of your requests wait already", wait_s, "rate_limit")
        if len(self._tickets) >= self._max_requests:
            first_s = len(self._tickets) * min(ticket.left_s for ticket in self._tickets) / speed
            told = f"requests at work: {self._max_requests}, and the server takes no more at once"
            raise busy(503, told, first_s, "overloaded")
        if wait_s > self._max_wait_s or is_greedy:
            told = f"the server is busy: what waits takes some {wait_s:.0f} s"
            raise busy(503, told, wait_s, "overloaded")
