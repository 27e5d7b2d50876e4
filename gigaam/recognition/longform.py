"""Recordings of any length: decoded, searched for speech, planned, recognised, stitched.

A thread decodes and looks for speech while the chunks before are recognised. What is held at any
time is the stretch the plan still needs and a few batches, however long the recording is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

from gigaam.audio import SAMPLE_RATE, AudioSource, Recording
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import LONGEST_PASS_S, ChunkingOptions
from gigaam.recognition.feed import Buffering, Feed, Waveform
from gigaam.recognition.interleaving import Portion, interleaved
from gigaam.recognition.phrases import Segments, pause_limit_s
from gigaam.recognition.reading_ahead import ReadAhead
from gigaam.recognition.stitching import Stitcher
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.vad import SpeechDetector

Progress = Callable[[float, float | None], Any]
"""Told the seconds that are done and the seconds in all, or None where they are not known."""

Channels: TypeAlias = Literal["mix", "split"]

# Channels are read together: while a batch of one who hardly speaks fills up, what the others say
# is held. It is sent at the latest when it spans that much more than a batch without pauses.
_SPARSE_S = 600.0


class CallArguments(TypedDict, total=False):
    """What a call says about a recording, besides which it is, and about its segments.

    Attributes:
        input_rate: Sample rate of an array, in Hz.
        progress: Called with the seconds done and the seconds in all (or None) after each batch.
        channels: "mix", or "split" for each by itself.
        segments: "chunks" or "phrases"; by default phrases if channels are split, else chunks.
        max_pause: The pause that ends a phrase, in seconds.
        track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
    """

    input_rate: int | None
    track: int | None
    progress: Progress | None
    channels: Channels
    segments: Segments | None
    max_pause: float | None


def with_limits(
    chunking: ChunkingOptions | None,
    max_duration: float | None,
    min_duration: float | None,
    strict_limit_duration: float | None,
    new_chunk_threshold: float | None,
) -> ChunkingOptions:
    """The options with the limits that are given by their published names, in seconds."""
    limits = {
        "max_duration_s": max_duration,
        "min_duration_s": min_duration,
        "strict_limit_duration_s": strict_limit_duration,
        "new_chunk_threshold_s": new_chunk_threshold,
    }
    given: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
    return replace(chunking or ChunkingOptions(), **given)


class BatchRecognizer(Protocol):
    """What recognises a batch of chunks: a `gigaam.recognition.recognizer.Recognizer`."""

    def transcribe_batch(
        self, waveforms: Sequence[Waveform], word_timestamps: bool = False
    ) -> list[TranscriptionResult]:
        """The results of waveforms, each float32 [n], mono, 16 kHz."""


class Listener(Protocol):
    """What hears a recording to tell its speakers apart: a `gigaam.speakers.SpeakerListener`."""

    def hearing(self, blocks: Iterable[Sequence[Waveform]]) -> Iterator[Sequence[Waveform]]:
        """The blocks of all channels, heard as they go by."""

    def told_apart(self, with_words: bool, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments, which have their words, each of one speaker."""


class LongformTranscriber:
    """Recognition of long recordings; holds no state of a call, so threads may share it."""

    def __init__(
        self,
        recognizer: BatchRecognizer,
        detector: SpeechDetector,
        options: ChunkingOptions | None = None,
        batch_size: int = 8,
        buffering: Buffering | None = None,
        listener: Callable[[], Listener] | None = None,
    ) -> None:
        """A transcriber.

        Args:
            recognizer: Recognises chunks.
            detector: Finds speech.
            options: How recordings are cut.
            batch_size: Sound recognised together, in chunks of 30 seconds; the first batches are
                smaller, for the first segments to come soon.
            buffering: How much of a recording is held back; by default as for files.
            listener: Makes what tells the speakers of a recording apart; by default nothing does.
        """
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
        self._recognizer = recognizer
        self._detector = detector
        self._options = options or ChunkingOptions()
        self._batch_size = batch_size
        self._buffering = buffering or Buffering()
        self._new_listener = listener

    def transcribe(
        self,
        source: AudioSource,
        *,
        word_timestamps: bool = False,
        **call: Unpack[CallArguments],
    ) -> LongformTranscriptionResult:
        """The segments of a recording; see `iter_segments`."""
        run = self._open(source, word_timestamps, call)
        return LongformTranscriptionResult(
            list(run.segments()), duration=run.length_s, has_word_timestamps=word_timestamps
        )

    def iter_segments(
        self,
        source: AudioSource,
        *,
        word_timestamps: bool = False,
        **call: Unpack[CallArguments],
    ) -> Generator[Segment, None, None]:
        """The segments of a recording, in order, each as soon as it is recognised.

        Where speakers are told apart, that is when all of it was heard.

        Args:
            source: A path, the bytes of a file, an open binary file, or an array of samples.
            word_timestamps: Whether segments hold their words, timed in the recording.
            call: See `CallArguments`.

        Returns:
            A generator; arguments are checked, and a file is opened, before it starts. An error in
            the middle of a file comes after the segments before it.
        """
        return self._open(source, word_timestamps, call).segments()

    def _open(self, source: AudioSource, word_timestamps: bool, call: CallArguments) -> _Run:
        """The recording, opened, with a feed for all of it or one for each channel."""
        channels = call.get("channels", "mix")
        if channels not in ("mix", "split"):
            raise ArgumentError(f'channels must be "mix" or "split", not {channels!r}')
        is_split = channels == "split"
        max_pause_s = pause_limit_s(call.get("segments"), call.get("max_pause"), is_split)
        progress = call.get("progress")
        listener = None if self._new_listener is None else self._new_listener()
        stitcher = partial(
            Stitcher,
            self._options.gap_min_confidence,
            word_timestamps or listener is not None,
            max_pause_s,
            self._options.gap_sure_confidence,
        )
        recording = Recording(source, input_rate=call.get("input_rate"), track=call.get("track"))
        try:
            stated_s = None if progress is None else recording.duration_s
            ahead = self._read_ahead(recording, is_split, listener)
        except BaseException:
            recording.close()
            raise
        told_apart = None if listener is None else partial(listener.told_apart, word_timestamps)
        return _Run(self._recognizer, ahead, stitcher, progress, stated_s, told_apart)

    def _read_ahead(
        self, recording: Recording, is_split: bool, listener: Listener | None
    ) -> ReadAhead:
        """What reads the recording, with a feed for all of it or one for each channel."""
        new_feed = partial(
            Feed, self._detector, self._options, self._batch_size, buffering=self._buffering
        )
        block_s = self._buffering.block_s
        heard = listener.hearing if listener is not None else iter
        if not is_split:
            mix = ((block,) for block in recording.blocks(block_s))
            return ReadAhead(heard(mix), [new_feed()], recording.close)
        apart = heard(recording.blocks_apart(block_s))
        span_s = self._batch_size * LONGEST_PASS_S + _SPARSE_S
        feeds = [
            new_feed(channel=number, longest_span_s=span_s)
            for number in range(recording.n_channels)
        ]
        return ReadAhead(apart, feeds, recording.close)


@dataclass(frozen=True)
class _Run:
    """The recognition of one recording, by one feed or a feed for each channel."""

    recognizer: BatchRecognizer
    ahead: ReadAhead
    stitcher: Callable[[], Stitcher]
    progress: Progress | None
    stated_s: float | None  # by the header, which may be wrong
    told_apart: Callable[[Iterable[Segment]], Iterator[Segment]] | None

    @property
    def length_s(self) -> float:
        """What was decoded so far, in seconds."""
        return max(feed.n_samples for feed in self.ahead.feeds) / SAMPLE_RATE

    def segments(self) -> Generator[Segment, None, None]:
        """The segments of all feeds."""
        with self.ahead.running():
            channels = list(map(self._portions, self.ahead.feeds))
            found = interleaved(channels, self._tell)
            yield from found if self.told_apart is None else self.told_apart(found)
        if self.progress is not None:
            self.progress(self.length_s, self.length_s)

    def _tell(self, done_s: float) -> None:
        if self.progress is not None:
            is_known = self.stated_s is not None and done_s <= self.stated_s
            self.progress(done_s, self.stated_s if is_known else None)

    def _portions(self, feed: Feed) -> Generator[Portion, None, None]:
        """The segments of a feed, batch by batch."""
        stitcher = self.stitcher()
        with closing(self.ahead.batches(feed)) as batches:
            for batch in batches:
                results: list[TranscriptionResult] = []
                if batch.chunks:
                    # Words are needed for joining, whether or not they are asked for.
                    results = self.recognizer.transcribe_batch(
                        batch.waveforms, word_timestamps=True
                    )
                segments = [
                    replace(segment, channel=feed.channel)
                    for chunk, result in zip(batch.chunks, results, strict=True)
                    for segment in stitcher.push(chunk, result)
                ]
                yield Portion(segments, batch.done_to / SAMPLE_RATE)
