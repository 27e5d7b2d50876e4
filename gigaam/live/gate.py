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

# A detector that has been unable to decide for this long hears speech: a click, which it would
# drop, is dropped before.
_CERTAIN = SAMPLE_RATE * 35 // 100


class Gate:
    """Follows the regions of a detector's stream.

    Attributes:
        speech_start: Where the speech of the utterance begins; None while there is none.
        speech_end: Where its speech ends, as far as it was heard.
        certain_to: No utterance ends, and none begins, before this.
    """

    def __init__(self, stream: SpeechStream, pad_samples: int, endpoint_samples: int) -> None:
        """A gate at the start of a stream.

        Args:
            stream: Finds the speech.
            pad_samples: What the detector adds at both ends of a region.
            endpoint_samples: The silence that ends an utterance.
        """
        self._stream = stream
        self._pad = pad_samples
        self._endpoint = endpoint_samples
        self._position = 0
        self.speech_start: int | None = None
        self.speech_end = 0
        self.certain_to = 0

    def push(self, hop: Waveform) -> bool:
        """Whether these further samples show that the utterance has ended, at `certain_to`."""
        self._position += len(hop)
        self._hear(self._stream.push(hop))
        decided = self.certain_to = self._stream.decided
        if self._position - decided >= _CERTAIN:
            self._hear([Region(decided, self._position + self._pad)])
            self.certain_to = max(decided, self._position - _CERTAIN)
        silence = decided + self._pad - self.speech_end
        return self.speech_start is not None and silence >= self._endpoint

    def finish(self) -> None:
        """Take note of the speech that the end of the sound made certain."""
        self._hear(self._stream.finish())
        self.certain_to = self._position

    def part(self) -> None:
        """End the utterance; the speech may go on in the next one."""
        self.speech_start = None

    def _hear(self, regions: Sequence[Region]) -> None:
        for region in regions:
            if self.speech_start is None:
                self.speech_start = region.start
            self.speech_end = region.end - self._pad
