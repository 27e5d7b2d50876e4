"""One channel of a live session: sound in, events out.

Positions are samples at 16 kHz from the start of the stream.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from gigaam.audio import SAMPLE_RATE
from gigaam.audio.tape import Tape
from gigaam.live.events import Event, Final, Partial, Reason
from gigaam.live.gate import HOP_SAMPLES, Gate
from gigaam.live.options import LiveOptions
from gigaam.live.utterance import Recognize, Utterance
from gigaam.recognition.feed import Waveform
from gigaam.types import Segment, Word
from gigaam.vad import SpeechDetector
from gigaam.vad.speech import VadOptions, open_stream

__all__ = ["Listener"]


class Listener:
    """What is said on one channel.

    After an error of the recogniser nothing is lost: the next call goes on where it happened.

    Attributes:
        events: What is to be told, in order; whoever tells it takes it out.
    """

    def __init__(
        self,
        recognize: Recognize,
        detector: SpeechDetector,
        options: LiveOptions,
        channel: int | None = None,
    ) -> None:
        """A channel of which nothing was heard.

        Args:
            recognize: Gives the results of waveforms.
            detector: Finds speech.
            options: How it listens.
            channel: Which it is, if channels are apart.
        """
        self._recognize = recognize
        self._detector = detector
        self._options = options
        self._channel = channel
        pad_s = 0.0
        if options.vad == "silero":
            pad_s = (options.vad_options or VadOptions()).speech_pad_s
        self._gate = Gate(
            open_stream(detector, HOP_SAMPLES / SAMPLE_RATE),
            _samples(pad_s),
            _samples(options.endpoint_silence_s),
        )
        self._context = _samples(options.chunking.context_s)
        self._unheard = np.empty(0, np.float32)  # less than a hop, or what an error left
        self._tape = Tape()
        self._utterance: Utterance | None = None
        self._ending: Reason | None = None  # why the utterance ends, until all of it is told
        self._parted = 0  # where the utterance before ended
        self._shown: tuple[str, str] = ("", "")  # since the last final
        self._is_open = False  # whether something of the utterance was told, but not its end
        self._is_over = False
        self.events: deque[Event] = deque()

    @property
    def is_speaking(self) -> bool:
        """Whether there is an utterance."""
        return self._utterance is not None

    def add(self, samples: Waveform) -> None:
        """Take further samples, float32 [n]; they are heard in `advance`."""
        self._unheard = np.concatenate([self._unheard, samples])

    def advance(self) -> None:
        """Hear what was added, and tell what is final."""
        self._settle()
        while len(self._unheard) >= HOP_SAMPLES:
            self._hop(HOP_SAMPLES)
            self._settle()

    def finish(self) -> None:
        """Tell the rest, once all samples were added."""
        self.advance()
        if len(self._unheard):
            self._hop(len(self._unheard))
            self._settle()
        if not self._is_over:
            self._is_over = True
            self._gate.finish()
            self._follow()
            if self._utterance is not None:
                self._end("finish")
        self._settle()

    def is_due(self, stride_s: float) -> bool:
        """Whether it is time for a partial.

        Args:
            stride_s: Sound from one partial to the next, in seconds.
        """
        utterance = self._utterance
        if utterance is None or self._gate.speech_end <= utterance.heard_to:
            return False
        wanted_s = stride_s if self._is_open else stride_s / 2  # the first words soon
        return self._tape.end - utterance.heard_to >= _samples(wanted_s)

    def tell_partial(self, stride_s: float) -> None:
        """Make a partial, and tell it if it says anything new."""
        assert self._utterance is not None
        utterance, edge = self._utterance, self._tape.end
        start = utterance.window_start(edge)
        utterance.hear(self._tape.cut(start, edge), self._recognize)
        words, edge_s = utterance.words, edge / SAMPLE_RATE
        texts = _text(words.committed), _text(words.tentative)
        if texts != self._shown:
            starts = [word.start for word in (*words.committed, *words.tentative)]
            start_s = starts[0] if starts else edge_s
            self.events.append(Partial(*texts, start_s, edge_s, stride_s, self._channel))
            self._shown, self._is_open = texts, True
        blank_s = self._options.endpoint_blank_s
        if blank_s is not None and edge_s - utterance.last_word_end_s >= blank_s:
            self._end("blank")
            self._settle()

    def _hop(self, n_samples: int) -> None:
        hop, self._unheard = np.split(self._unheard, [n_samples])
        self._tape.append(hop)
        has_ended = self._gate.push(hop)
        self._follow()
        if has_ended:
            self._end("silence")
        self._forget()

    def _follow(self) -> None:
        """Give the utterance, which may begin here, the sound that is certain to be its own."""
        if self._utterance is None:
            if self._gate.speech_start is None:
                return
            start = max(self._parted, self._gate.speech_start - self._context)
            self._utterance = Utterance(start, self._detector, self._options, self._channel)
        utterance = self._utterance
        if self._gate.certain_to > utterance.end:
            utterance.push(self._tape.cut(utterance.end, self._gate.certain_to))

    def _end(self, reason: Reason) -> None:
        assert self._utterance is not None
        self._utterance.finish()
        self._parted = self._utterance.end
        self._gate.part()
        self._ending = reason

    def _settle(self) -> None:
        """Tell the segments that are certain."""
        utterance, ending = self._utterance, self._ending
        if utterance is None:
            return
        segments = utterance.segments(self._recognize)
        if ending is not None and not segments and self._is_open:
            end_s = utterance.end / SAMPLE_RATE
            words: list[Word] | None = [] if self._options.word_timestamps else None
            segments = [Segment("", end_s, end_s, words, channel=self._channel)]
        span = utterance.start / SAMPLE_RATE, utterance.end / SAMPLE_RATE
        for segment in segments:
            is_last = segment is segments[-1]
            reason = ending if ending is not None and is_last else "cut"
            self.events.append(Final(segment, reason, span))
            self._shown, self._is_open = ("", ""), reason == "cut"
        if ending is not None:
            self._utterance, self._ending = None, None
            self._shown, self._is_open = ("", ""), False

    def _forget(self) -> None:
        """Let go of sound that nothing will need."""
        utterance = self._utterance
        if utterance is None:
            needed = max(self._parted, self._gate.certain_to - self._context)
        elif self._options.partials:
            needed = min(utterance.needed_from, utterance.end)
        else:
            needed = utterance.end
        self._tape.forget(needed)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)
