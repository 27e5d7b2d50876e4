"""A live session: pieces of sound in, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from threading import Lock

from gigaam.audio.pushed import Piece, PushedAudio
from gigaam.errors import ArgumentError
from gigaam.live.asynchronous import events_of
from gigaam.live.events import Event
from gigaam.live.listener import Listener
from gigaam.live.options import LiveOptions
from gigaam.live.pace import Pace
from gigaam.live.utterance import Recognize
from gigaam.recognition.feed import Waveform
from gigaam.vad import SpeechDetector

__all__ = ["LiveSession"]


class LiveSession:
    """One stream of speech, recognised while it comes; ``model.live`` makes one.

    A session works in the thread that pushes. Threads may share it, one at a time.

    An error of the recogniser is raised by the call in which it happens, and nothing is lost: what
    was pushed is kept, and the next call goes on.
    """

    def __init__(
        self,
        recognize: Recognize,
        detector: SpeechDetector,
        options: LiveOptions,
        audio: PushedAudio,
        pace: Pace | None = None,
    ) -> None:
        """A session of which nothing was heard.

        Args:
            recognize: Gives the results, with words, of waveforms.
            detector: Finds speech.
            options: How it listens.
            audio: Takes the pieces; its outputs are the channels.
            pace: Tells how often partials are made; by default it measures how long they take.
        """
        is_split = options.channels == "split"
        self._audio = audio
        self._listeners = [
            Listener(recognize, detector, options, number if is_split else None)
            for number in range(audio.n_outputs)
        ]
        self._tells_partials = options.partials
        self._pace = pace or Pace(options.stride_s)
        self._lock = Lock()
        self._is_finished = False

    def push(self, piece: Piece, input_rate: int | None = None) -> list[Event]:
        """What these further samples let it tell, in order; often nothing.

        All that a piece holds is heard before a partial is made, so long pieces give few of them.
        Finals do not depend on how the sound is cut into pieces.

        Args:
            piece: Bytes of PCM, cut anywhere; an array or tensor [n] or [n, channels]; or a pair
                of one and its rate.
            input_rate: The rate of the piece, which must be that of all others.

        Raises:
            AudioError: The piece is no sound, or of another rate than those before. It is left
                out, and others can follow.
            ArgumentError: The session is finished.
        """
        return self.push_all([piece], input_rate)

    def push_all(self, pieces: Iterable[Piece], input_rate: int | None = None) -> list[Event]:
        """What several pieces let it tell, as if they were one; see `push`."""
        with self._lock:
            if self._is_finished:
                raise ArgumentError("the session is finished: another stream needs another one")
            for piece in pieces:
                self._add(self._audio.push(piece, input_rate))
            for listener in self._listeners:
                listener.advance()
            if self._tells_partials:
                self._tell_partials()
            return self._told()

    def finish(self) -> list[Event]:
        """The last events, once all was pushed; later calls give none."""
        with self._lock:
            if not self._is_finished:
                self._add(self._audio.finish())
                self._is_finished = True
            for listener in self._listeners:
                listener.finish()
            return self._told()

    def events(self, source: AsyncIterable[Piece] | Iterable[Piece]) -> AsyncGenerator[Event, None]:
        """All events of a source, while it gives pieces and once it has ended.

        Decoding runs in threads, so that the event loop goes on; pieces that come meanwhile are
        pushed together. An error of the source is raised after the last event. If the generator is
        closed, the session can go on with another source, or be finished.

        Args:
            source: Gives pieces as `push` takes them; one that is not asynchronous is read in
                threads.
        """
        return events_of(self, source)

    def _add(self, outputs: Sequence[Waveform]) -> None:
        for listener, samples in zip(self._listeners, outputs, strict=True):
            listener.add(samples)

    def _tell_partials(self) -> None:
        stride_s = self._pace.stride_s(sum(each.is_speaking for each in self._listeners))
        for listener in self._listeners:
            if listener.is_due(stride_s):
                with self._pace.measured():
                    listener.tell_partial(stride_s)

    def _told(self) -> list[Event]:
        told: list[Event] = []
        for listener in self._listeners:
            told += listener.events
            listener.events.clear()
        return told
