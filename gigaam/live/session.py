"""A live session: pieces of sound in, events out."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from threading import Lock

from gigaam.audio.pushed import Piece, PushedAudio
from gigaam.errors import ArgumentError, AudioError
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
        self._pieces: deque[tuple[Piece, int | None]] = deque()
        self._is_finished = False
        self._is_flushed = False

    def push(self, piece: Piece, input_rate: int | None = None) -> list[Event]:
        """What these further samples let it tell, often nothing; of each channel in order.

        All that a piece holds is heard before a partial is made, so long pieces give few of them.
        Finals do not depend on how the sound is cut into pieces.

        Args:
            piece: Bytes of PCM, cut anywhere; an array or tensor [n] or [n, channels]; or a pair
                of such an array and its rate.
            input_rate: The rate of the piece, which must be that of all others.

        Raises:
            AudioError: The piece is no sound, or of another rate than those before. It is left
                out, and others can follow.
            ArgumentError: The session is finished.
        """
        self.put(piece, input_rate)
        self.work()
        return self._told()

    def finish(self) -> list[Event]:
        """The last events, once all was pushed; later calls give none."""
        self.end()
        return self._told()

    def events(self, source: AsyncIterable[Piece] | Iterable[Piece]) -> AsyncGenerator[Event, None]:
        """All events of a source, while it gives pieces and once it has ended.

        Decoding runs in threads, so that the event loop goes on; pieces that come meanwhile are
        pushed together. An error of the source is raised after the last event. If the generator is
        closed or cancelled, nothing is lost: the pieces that were read are kept, and the events not
        yet given come with the next ones, of `push`, `finish` or `events` for what follows.

        Args:
            source: Gives pieces as `push` takes them; one that is not asynchronous is read in a
                thread.
        """
        return events_of(self, source)

    # For `gigaam.live.asynchronous`, where taking pieces, working and telling are apart.

    @property
    def n_waiting(self) -> int:
        """Pieces that were put, but not yet heard."""
        return len(self._pieces)

    def put(self, piece: Piece, input_rate: int | None = None) -> None:
        """Have a piece wait for `work`; this never waits itself."""
        if self._is_finished:
            raise ArgumentError("the session is finished: another stream needs another one")
        self._pieces.append((piece, input_rate))

    def work(self) -> None:
        """Hear all pieces that wait."""
        with self._lock:
            refused = self._take_pieces()
            for listener in self._listeners:
                listener.advance()
            if self._tells_partials:
                self._tell_partials()
        if refused is not None:
            raise refused

    def end(self) -> None:
        """Hear all that is left."""
        with self._lock:
            self._is_finished = True
            refused = self._take_pieces()
            if not self._is_flushed:
                self._add(self._audio.finish())
                self._is_flushed = True
            for listener in self._listeners:
                listener.finish()
        if refused is not None:
            raise refused

    def next_event(self) -> Event | None:
        """The next event that was not told, if there is one."""
        for listener in self._listeners:
            if listener.events:
                return listener.events.popleft()
        return None

    def _take_pieces(self) -> AudioError | None:
        """Take the pieces that wait; the error of the first that is no sound."""
        refused = None
        while self._pieces:
            piece, rate = self._pieces[0]
            try:
                outputs = self._audio.push(piece, rate)
            except AudioError as error:
                refused = refused or error
            else:
                self._add(outputs)
            self._pieces.popleft()
        return refused

    def _add(self, outputs: Sequence[Waveform]) -> None:
        for listener, samples in zip(self._listeners, outputs, strict=True):
            listener.add(samples)

    def _tell_partials(self) -> None:
        n_speaking = sum(each.is_speaking for each in self._listeners)
        stride_s, first_s = self._pace.stride_s(n_speaking), self._pace.first_s(n_speaking)
        for listener in self._listeners:
            if listener.is_due(stride_s, first_s):
                with self._pace.measured():
                    listener.tell_partial(stride_s)

    def _told(self) -> list[Event]:
        return list(iter(self.next_event, None))
