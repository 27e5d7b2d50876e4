"""One utterance: segments as the long form makes them, and words while it goes on.

Positions are samples at 16 kHz from the start of the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from gigaam.audio import SAMPLE_RATE
from gigaam.live.agreement import Agreement
from gigaam.live.options import LiveOptions
from gigaam.recognition.feed import Batch, Buffering, Feed, Waveform
from gigaam.recognition.stitching import Stitcher
from gigaam.recognition.words import moved
from gigaam.types import Segment, TranscriptionResult
from gigaam.vad import SpeechDetector

__all__ = ["Recognize", "Utterance"]

_PROMPT = Buffering(latency_s=1.0)
"""What is certain of a phrase that is cut is not to wait for the detector's buffer of a file."""

Recognize = Callable[[Sequence[Waveform]], list[TranscriptionResult]]
"""Gives the results, with words, of waveforms that are recognised together."""


class Utterance:
    """Speech from an onset to an endpoint.

    Attributes:
        start: Where its sound begins.
        heard_to: How far partials have heard it.
        words: What they have found.
    """

    def __init__(
        self, start: int, detector: SpeechDetector, options: LiveOptions, channel: int | None
    ) -> None:
        """An utterance of which nothing was heard.

        Args:
            start: Where its sound begins.
            detector: Finds the speech in it, as in a recording of its own.
            options: How it is cut, and when words are settled.
            channel: The one it is spoken on, if channels are apart.
        """
        self.start = self.heard_to = start
        self.words = Agreement(options.hold_back_s, options.longest_wait_s)
        self._channel = channel
        self._options = options
        self._window_start = start
        chunking = options.chunking
        # A span of nothing: chunks wait for no others.
        self._feed = Feed(
            detector, chunking, 1, channel=channel, buffering=_PROMPT, longest_span_s=0.0
        )
        self._stitcher = Stitcher(
            chunking.gap_min_confidence,
            options.word_timestamps,
            sure_confidence=chunking.gap_sure_confidence,
        )
        self._ready: deque[Batch] = deque()
        self._found: list[Segment] = []

    @property
    def end(self) -> int:
        """How far its sound was pushed."""
        return self.start + self._feed.n_samples

    @property
    def needed_from(self) -> int:
        """No partial needs sound from before this."""
        return self._window_start

    @property
    def last_word_end_s(self) -> float:
        """Where the last word ends that partials have found, in seconds; if none, its start."""
        return max(self.words.end_s, self.start / SAMPLE_RATE)

    def push(self, samples: Waveform) -> None:
        """Take further sound."""
        self._ready += self._feed.push(samples)

    def finish(self) -> None:
        """Take the end of its sound."""
        self._ready += self._feed.finish()

    def segments(self, recognize: Recognize) -> list[Segment]:
        """The segments that are certain, timed in the stream; after an error call it again."""
        while self._ready:
            batch = self._ready[0]
            results = recognize(batch.waveforms) if batch.chunks else []
            self._ready.popleft()
            for chunk, result in zip(batch.chunks, results, strict=True):
                self._found += self._stitcher.push(chunk, result)
        found, self._found = self._found, []
        segments = [self._in_stream(segment) for segment in found]
        if segments:
            self.words.drop_to(segments[-1].end)
        return segments

    def window_start(self, edge: int) -> int:
        """Where the sound of a partial begins that ends at the edge."""
        longest = round(self._options.window_s * SAMPLE_RATE)
        if edge - self._window_start > longest:
            boundary_s = self.words.boundary_s(self._options.context_s)
            boundary = 0 if boundary_s is None else round(boundary_s * SAMPLE_RATE)
            self._window_start = max(self._window_start, boundary, edge - longest)
        return self._window_start

    def hear(self, sound: Waveform, recognize: Recognize) -> None:
        """Make a partial.

        Args:
            sound: From `window_start` to the edge.
            recognize: Gives its words.
        """
        (result,) = recognize([sound])
        offset_s = self._window_start / SAMPLE_RATE
        words = [moved(word, offset_s) for word in result.words or ()]
        self.heard_to = self._window_start + len(sound)
        self.words.hear(words, self.heard_to / SAMPLE_RATE)

    def _in_stream(self, segment: Segment) -> Segment:
        offset_s = self.start / SAMPLE_RATE
        words = segment.words and [moved(word, offset_s) for word in segment.words]
        start_s, end_s = segment.start + offset_s, segment.end + offset_s
        return replace(segment, start=start_s, end=end_s, words=words, channel=self._channel)
