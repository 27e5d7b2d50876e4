"""Other ways to get text while somebody speaks, of our own writing, on the same nets.

`PrefixAgreement` is the policy known from Whisper: all that is not settled is decoded again every
second, and the words on which two hypotheses in a row agree from the first on are committed.
`FixedWindows` decodes windows of 2.5 s and joins their words by time.

Both get utterances from the detector that gigaam.live has, with its endpoints, so that they differ
in nothing but where text comes from. Neither decodes an utterance again once it has ended: its
final is what was committed and the rest of the last hypothesis. Speech that no hypothesis has heard
by then is heard first, or the last words would be missing.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.audio.tape import Tape
from gigaam.live import Event, Final, Partial
from gigaam.live.events import Reason
from gigaam.live.gate import HOP_SAMPLES, Gate
from gigaam.live.utterance import Recognize
from gigaam.recognition.words import middle_s, plain
from gigaam.types import Segment, Word
from gigaam.vad.silero import SileroDetector
from gigaam.vad.speech import VadOptions, open_stream

_CONTEXT_S = 0.4  # before the detector's onset, as gigaam.live has it
_LONGEST_PASS_S = 30.0


class Method(Protocol):
    """What makes text of one utterance; positions are samples of the stream."""

    stride_s: float
    committed: list[Word]
    tentative: list[Word]

    def window_start(self, edge: int) -> int:
        """Where the sound of the next hypothesis begins that ends at the edge."""

    def hear(self, words: Sequence[Word], edge: int) -> None:
        """Take a hypothesis, timed in the stream."""


class PrefixAgreement:
    """Commits what two hypotheses of the whole buffer agree on."""

    stride_s = 1.0
    longest_s = 15.0
    """A longer buffer is trimmed to where the last committed word ends."""

    def __init__(self, start: int) -> None:
        """An utterance of which nothing was heard, and where it begins."""
        self._start = start
        self.committed: list[Word] = []
        self.tentative: list[Word] = []

    def window_start(self, edge: int) -> int:
        """Where the buffer begins."""
        if edge - self._start > self.longest_s * SAMPLE_RATE and self.committed:
            self._start = max(self._start, round(self.committed[-1].end * SAMPLE_RATE))
        self._start = max(self._start, edge - round(_LONGEST_PASS_S * SAMPLE_RATE))
        return self._start

    def hear(self, words: Sequence[Word], edge: int) -> None:
        """Commit the words on which it and the one before agree."""
        settled_s = self.committed[-1].end if self.committed else 0.0
        words = [word for word in words if middle_s(word) > settled_s]
        pairs = zip(words, self.tentative, strict=False)
        agreed = next(
            (n for n, (a, b) in enumerate(pairs) if plain(a) != plain(b)),
            min(len(words), len(self.tentative)),
        )
        self.committed += words[:agreed]
        self.tentative = words[agreed:]


class FixedWindows:
    """Takes from each window what follows its context, and leaves the last 0.2 s to the next."""

    stride_s = 0.8
    window_s = 2.5
    context_s = 1.5

    def __init__(self, start: int) -> None:
        """An utterance of which nothing was heard, and where it begins."""
        self._start = start
        self.committed: list[Word] = []
        self.tentative: list[Word] = []
        self._settled_s = 0.0

    def window_start(self, edge: int) -> int:
        """Where the window begins that ends at the edge."""
        return max(self._start, edge - round(self.window_s * SAMPLE_RATE))

    def hear(self, words: Sequence[Word], edge: int) -> None:
        """Commit the words of the stretch that this window is for."""
        ahead_s = self.window_s - self.context_s - self.stride_s
        settled_s = edge / SAMPLE_RATE - ahead_s
        words = [word for word in words if middle_s(word) >= self._settled_s]
        self.committed += [word for word in words if middle_s(word) < settled_s]
        self.tentative = [word for word in words if middle_s(word) >= settled_s]
        self._settled_s = settled_s


METHODS: dict[str, type[PrefixAgreement] | type[FixedWindows]] = {
    "agreement": PrefixAgreement,
    "windows": FixedWindows,
}


class RivalSession:
    """A session that works by one of the methods."""

    def __init__(self, recognize: Recognize, method: str, endpoint_s: float) -> None:
        """A session of which nothing was heard.

        Args:
            recognize: Gives the results, with words, of waveforms.
            method: One of `METHODS`.
            endpoint_s: The silence that ends an utterance, in seconds.
        """
        options = VadOptions()
        self._recognize = recognize
        self._method = METHODS[method]
        self._gate = Gate(
            open_stream(SileroDetector(options), HOP_SAMPLES / SAMPLE_RATE),
            round(options.speech_pad_s * SAMPLE_RATE),
            round(endpoint_s * SAMPLE_RATE),
        )
        self._tape = Tape()
        self._unheard = np.empty(0, np.float32)
        self._utterance: Method | None = None
        self._start = self._heard_to = self._parted = 0
        self._shown = ("", "")
        self._events: list[Event] = []

    def push(self, piece: NDArray[np.int16]) -> list[Event]:
        """What these further samples let it tell."""
        self._unheard = np.concatenate([self._unheard, piece.astype(np.float32) / 32768])
        while len(self._unheard) >= HOP_SAMPLES:
            self._hop(HOP_SAMPLES)
        if self._utterance is not None:
            since = self._tape.end - self._heard_to
            if since >= self._utterance.stride_s * SAMPLE_RATE and self._has_unheard:
                self._hear()
        return self._told()

    def finish(self) -> list[Event]:
        """The last events."""
        if len(self._unheard):
            self._hop(len(self._unheard))
        self._gate.finish()
        if self._utterance is not None:
            self._end("finish")
        return self._told()

    @property
    def _has_unheard(self) -> bool:
        return self._gate.speech_end > self._heard_to

    def _hop(self, n_samples: int) -> None:
        hop, self._unheard = np.split(self._unheard, [n_samples])
        self._tape.append(hop)
        has_ended = self._gate.push(hop)
        if self._utterance is None and self._gate.speech_start is not None:
            begun = self._gate.speech_start - round(_CONTEXT_S * SAMPLE_RATE)
            self._start = self._heard_to = max(self._parted, begun)
            self._utterance = self._method(self._start)
        if has_ended:
            self._end("silence")
        needed = self._gate.certain_to - SAMPLE_RATE if self._utterance is None else self._start
        self._tape.forget(max(needed, self._tape.end - round(_LONGEST_PASS_S * SAMPLE_RATE)))

    def _hear(self) -> None:
        assert self._utterance is not None
        edge = self._tape.end
        start = max(self._utterance.window_start(edge), self._tape.start)
        (result,) = self._recognize([self._tape.cut(start, edge)])
        offset_s = start / SAMPLE_RATE
        words = [
            Word(word.text, word.start + offset_s, word.end + offset_s, word.confidence)
            for word in result.words or ()
        ]
        self._utterance.hear(words, edge)
        self._heard_to = edge
        texts = _text(self._utterance.committed), _text(self._utterance.tentative)
        if texts != self._shown:
            self._shown = texts
            edge_s = edge / SAMPLE_RATE
            self._events.append(Partial(*texts, offset_s, edge_s, self._utterance.stride_s))

    def _end(self, reason: Reason) -> None:
        assert self._utterance is not None
        if self._has_unheard:
            self._hear()
        words = [*self._utterance.committed, *self._utterance.tentative]
        span = self._start / SAMPLE_RATE, self._gate.certain_to / SAMPLE_RATE
        if words or any(self._shown):
            start_s, end_s = (words[0].start, words[-1].end) if words else (span[1], span[1])
            segment = Segment(_text(words), start_s, end_s, words)
            self._events.append(Final(segment, reason, span))
        self._parted = self._gate.certain_to
        self._gate.part()
        self._utterance, self._shown = None, ("", "")

    def _told(self) -> list[Event]:
        told, self._events = self._events, []
        return told


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
