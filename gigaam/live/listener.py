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
from gigaam.vad.speech import PromptDetector, open_stream

__all__ = ["Listener"]


class Listener:
    """What is said on one channel.

    After an error of the recogniser nothing is lost: the next call goes on where it happened.

    Attributes:
        events: Those not yet told, in order; they are taken out when they are told.
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
        self._gate = Gate(
            open_stream(detector, HOP_SAMPLES / SAMPLE_RATE),
            pad_samples=_samples(options.speech_pad_s),
            endpoint_samples=_samples(options.endpoint_silence_s),
            is_prompt=isinstance(detector, PromptDetector),
        )
        self._context_samples = _samples(options.chunking.context_s)
        self._unheard = np.empty(0, np.float32)  # less than a hop, or what an error left
        self._tape = Tape()
        self._utterance: Utterance | None = None
        self._ending: Reason | None = None  # why the utterance ends, until all of it is told
        self._free_from = 0  # where the utterance before ended
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
            self._ending = "finish"
        self._settle()

    def is_due(self, stride_s: float, first_s: float) -> bool:
        """Whether it is time for a partial.

        Args:
            stride_s: Sound from one partial to the next, in seconds.
            first_s: Sound before the first of an utterance.
        """
        utterance = self._utterance
        if utterance is None or self._gate.speech_end <= utterance.heard_to:
            return False
        wanted_s = first_s if utterance.heard_to == utterance.start else stride_s
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
            self._ending = "blank"
            self._settle()

    def _hop(self, n_samples: int) -> None:
        hop, rest = np.split(self._unheard, [n_samples])
        if self._gate.push(hop):
            self._ending = "silence"
        self._tape.append(hop)
        self._unheard = rest

    def _settle(self) -> None:
        """Tell the segments that are certain; after an error the next call goes on."""
        utterance, ending = self._followed(), self._ending
        if utterance is not None:
            if ending is not None:
                utterance.finish()
                self._free_from = utterance.end
            self._tell_finals(utterance, utterance.segments(self._recognize))
        if ending is not None:
            self._gate.end_utterance()
            self._utterance, self._ending = None, None
            self._shown, self._is_open = ("", ""), False
        self._forget()

    def _followed(self) -> Utterance | None:
        """The utterance, which may begin here, with the sound that is certain to be its own."""
        if self._utterance is None:
            if self._gate.speech_start is None:
                return None
            start = max(self._free_from, self._gate.speech_start - self._context_samples)
            self._utterance = Utterance(start, self._detector, self._options, self._channel)
        utterance = self._utterance
        if self._gate.certain_to > utterance.end:
            utterance.push(self._tape.cut(utterance.end, self._gate.certain_to))
        return utterance

    def _tell_finals(self, utterance: Utterance, segments: list[Segment]) -> None:
        ending = self._ending
        if ending is not None and not segments and self._is_open:
            end_s = utterance.end / SAMPLE_RATE
            words: list[Word] | None = [] if self._options.word_timestamps else None
            segments = [Segment("", end_s, end_s, words, channel=self._channel)]
        span = utterance.start / SAMPLE_RATE, utterance.end / SAMPLE_RATE
        for segment in segments:
            is_last = ending is not None and segment is segments[-1]
            self.events.append(Final(segment, ending if ending and is_last else "cut", span))
            self._shown, self._is_open = ("", ""), True

    def _forget(self) -> None:
        """Let go of sound that nothing will need."""
        utterance = self._utterance
        if utterance is None:
            needed = max(self._free_from, self._gate.certain_to - self._context_samples)
        elif self._options.partials:
            needed = min(utterance.needed_from, utterance.end)
        else:
            needed = utterance.end
        self._tape.forget(needed)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)
