"""Where utterances begin and end, by a speech detector.

Positions are samples at 16 kHz from the start of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence

from gigaam.audio import SAMPLE_RATE
from gigaam.recognition.feed import Waveform
from gigaam.vad.speech import Region, SpeechStream

__all__ = ["HOP_SAMPLES", "Gate"]

HOP_SAMPLES = SAMPLE_RATE * 64 // 1000
"""How much the detector looks at at a time: two frames of Silero."""

# A prompt detector that has not decided for so long, in samples, hears speech: a click, which it
# would drop, is dropped before.
_CERTAIN_SAMPLES = SAMPLE_RATE // 4


class Gate:
    """Follows the regions of a detector's stream.

    Attributes:
        speech_start: Where the speech of the utterance begins; None while there is none.
        speech_end: Where its speech ends, as far as it was heard.
        certain_to: No utterance ends, and none begins, before this.
    """

    def __init__(
        self,
        stream: SpeechStream,
        *,
        pad_samples: int,
        endpoint_samples: int,
        is_prompt: bool,
    ) -> None:
        """A gate at the start of a stream.

        Args:
            stream: Finds the speech.
            pad_samples: What the detector adds at both ends of a region.
            endpoint_samples: The silence that ends an utterance.
            is_prompt: Whether the detector decides at once unless it hears speech. The beginning
                of speech is then known before its end; otherwise regions alone tell of it.
        """
        self._stream = stream
        self._pad_samples = pad_samples
        self._endpoint_samples = endpoint_samples
        self._is_prompt = is_prompt
        self._position = 0
        self.speech_start: int | None = None
        self.speech_end = 0
        self.certain_to = 0

    def push(self, hop: Waveform) -> bool:
        """Whether these further samples show that the utterance has ended, at `certain_to`."""
        self._hear(self._stream.push(hop))
        self._position += len(hop)
        decided = self.certain_to = self._stream.decided
        undecided = self._position - decided - self._pad_samples
        if self._is_prompt and undecided >= _CERTAIN_SAMPLES:
            self._hear([Region(decided, self._position + self._pad_samples)])
            self.certain_to = max(decided, self._position - self._pad_samples - _CERTAIN_SAMPLES)
        silence = decided + self._pad_samples - self.speech_end
        return self.speech_start is not None and silence >= self._endpoint_samples

    def finish(self) -> None:
        """Take the speech that the end of the sound made certain."""
        self._hear(self._stream.finish())
        self.certain_to = self._position

    def end_utterance(self) -> None:
        """Forget the utterance; the speech may go on in the next one."""
        self.speech_start = None

    def _hear(self, regions: Sequence[Region]) -> None:
        for region in regions:
            if self.speech_start is None:
                self.speech_start = region.start
            self.speech_end = region.end - self._pad_samples
