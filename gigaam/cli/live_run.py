"""Live speech from where it comes to where its text goes, until the sound ends."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gigaam.cli.command_options import Talk
from gigaam.cli.live_printing import EventLines, PartialLine, Transcript
from gigaam.cli.printing import complain
from gigaam.errors import AudioDecodingError, GigaAMError
from gigaam.live.events import Event, Final
from gigaam.live.reader import Reader
from gigaam.quoting import said

if TYPE_CHECKING:
    from gigaam.live import LiveSession
    from gigaam.live.sources import SoundFormat

__all__ = ["LiveRun"]


class LiveRun:
    """One stream of sound.

    Ctrl-C ends the sound: its last words are still told, and the files written. A second one ends
    all at once, with what is in the files that was final by then.
    """

    def __init__(
        self,
        reader: Reader,
        lines: EventLines,
        transcript: Transcript,
        partial: PartialLine | None,
        how_much: Talk,
    ) -> None:
        """A run that has not begun.

        Args:
            reader: Gives the sound; it was started.
            lines: Prints events.
            transcript: Takes what is written at the end.
            partial: Shows the speech that goes on.
            how_much: Is said.
        """
        self._reader, self._lines, self._transcript = reader, lines, transcript
        self._partial, self._how_much = partial, how_much
        self._heard_s = 0.0
        self._was_stopped = False

    def work(self, session_for: Callable[[SoundFormat], LiveSession]) -> bool:
        """Recognise all of the sound; whether all went well.

        Args:
            session_for: Gives a session for sound like this.
        """
        failure: Exception | None = None
        try:
            with _until_interrupted(self._stop):
                self._recognise(session_for)
            failure = None if self._was_stopped else self._reader.failure
        except BrokenPipeError:  # nobody reads any more
            raise
        except Exception as error:
            failure = error
        finally:
            self._clear()
            is_written = self._transcript.write(self._heard_s)
        if failure is not None:
            self._tell_failure(failure)
        return is_written and failure is None

    def _recognise(self, session_for: Callable[[SoundFormat], LiveSession]) -> None:
        sound = self._reader.sound()
        if sound is None:
            return
        session = session_for(sound)
        while data := self._reader.take():
            self._tell(session.push(data))
            self._heard_s += len(data) / sound.bytes_per_s
        self._tell(session.finish())

    def _stop(self) -> None:
        self._was_stopped = True
        self._reader.stop()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._partial is not None:
                self._partial.hear(event)
            if isinstance(event, Final):
                self._clear()
            self._transcript.add(event)
            self._lines.print(event)
        if self._partial is not None and events:
            self._partial.show()

    def _clear(self) -> None:
        if self._partial is not None:
            self._partial.clear()

    def _tell_failure(self, failure: Exception) -> None:
        is_known = isinstance(failure, (GigaAMError, OSError))
        told = said(failure) if is_known else f"{type(failure).__name__}: {failure}"
        if isinstance(failure, AudioDecodingError) and not self._heard_s:
            told += "; PCM without a header needs --raw"
        complain(told)
        if self._how_much == Talk.VERBOSE:
            traceback.print_exception(failure)


@contextmanager
def _until_interrupted(stop: Callable[[], None]) -> Iterator[None]:
    """Has the first Ctrl-C, or request to terminate, call this; the next one is as it was."""
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if _is_heard(number)]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    def interrupt(*_: Any) -> None:
        restore()
        stop()

    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        restore()


def _is_heard(number: signal.Signals) -> bool:
    """Whether a signal has an effect: shells have jobs in the background ignore Ctrl-C."""
    return signal.getsignal(number) != signal.SIG_IGN
