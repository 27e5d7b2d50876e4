"""Recordings of any length: decoded, searched for speech, planned, recognised, stitched.

A thread decodes and looks for speech while the chunks before are recognised. What is held at any
time is the stretch the plan still needs and a few batches, however long the recording is.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource, channel_count, duration_s, iter_audio
from gigaam.audio.sources import repeatable
from gigaam.audio.tape import Tape
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import LONGEST_PASS_S, Chunk, ChunkingOptions, ChunkPlan
from gigaam.recognition.interleaving import Portion, interleaved
from gigaam.recognition.level_falls import parted
from gigaam.recognition.phrases import Segments, pause_limit_s
from gigaam.recognition.stitching import Stitcher
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.vad import SpeechDetector

Waveform = NDArray[np.float32]

Progress = Callable[[float, float | None], Any]
"""Told the seconds that are done and the seconds in all, or None where they are not known."""

Channels: TypeAlias = Literal["mix", "split"]


_BLOCK_S = 10.0
_PATIENCE_S = 60.0  # a batch is not held back for chunks that much later in the recording
_JOIN_S = 5.0  # a source that stalls, like a pipe nobody writes to, cannot be interrupted


class CallArguments(TypedDict, total=False):
    """What a call says about a recording, besides which it is, and about its segments.

    Attributes:
        input_rate: Sample rate of an array, in Hz.
        progress: Called with the seconds done and the seconds in all (or None) after each batch.
        channels: "mix", or "split" for each by itself; an open file is then read into memory.
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


@dataclass(frozen=True)
class _Batch:
    """Chunks that are recognised together; none if there was only silence."""

    chunks: list[Chunk]
    waveforms: list[Waveform]
    done_to: int  # where the recording is done once these are, in samples


class LongformTranscriber:
    """Recognition of long recordings; holds no state of a call, so threads may share it."""

    def __init__(
        self,
        recognizer: BatchRecognizer,
        detector: SpeechDetector,
        options: ChunkingOptions | None = None,
        batch_size: int = 8,
    ) -> None:
        """A transcriber.

        Args:
            recognizer: Recognises chunks.
            detector: Finds speech.
            options: How recordings are cut.
            batch_size: Sound recognised together, in chunks of 30 seconds; the first batches are
                smaller, for the first segments to come soon.
        """
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
        self._recognizer = recognizer
        self._detector = detector
        self._options = options or ChunkingOptions()
        self._batch_size = batch_size

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
        input_rate, track = call.get("input_rate"), call.get("track")
        progress = call.get("progress")
        numbers: Sequence[int | None] = [None]
        if is_split:
            repeated = repeatable(source)
            source, numbers = repeated, range(channel_count(repeated, track=track))
        stated_s = None
        if progress is not None:
            stated_s = duration_s(source, input_rate=input_rate, track=track)
        feeds = [
            _Feed(
                iter_audio(
                    source,
                    input_rate=input_rate,
                    block_s=_BLOCK_S,
                    channel=number,
                    track=track,
                ),
                self._detector,
                self._options,
                self._batch_size,
                number,
            )
            for number in numbers
        ]
        stitcher = partial(
            Stitcher,
            self._options.gap_min_confidence,
            word_timestamps,
            max_pause_s,
            self._options.gap_sure_confidence,
        )
        return _Run(self._recognizer, feeds, stitcher, progress, stated_s)


@dataclass(frozen=True)
class _Run:
    """The recognition of one recording, by one feed or a feed for each channel."""

    recognizer: BatchRecognizer
    feeds: Sequence[_Feed]
    stitcher: Callable[[], Stitcher]
    progress: Progress | None
    stated_s: float | None  # by the header, which may be wrong

    @property
    def length_s(self) -> float:
        """What was decoded so far, in seconds."""
        return max(feed.n_samples for feed in self.feeds) / SAMPLE_RATE

    def segments(self) -> Generator[Segment, None, None]:
        """The segments of all feeds."""
        yield from interleaved(list(map(self._portions, self.feeds)), self._tell)
        if self.progress is not None:
            self.progress(self.length_s, self.length_s)

    def _tell(self, done_s: float) -> None:
        if self.progress is not None:
            is_known = self.stated_s is not None and done_s <= self.stated_s
            self.progress(done_s, self.stated_s if is_known else None)

    def _portions(self, feed: _Feed) -> Generator[Portion, None, None]:
        """The segments of a feed, batch by batch."""
        stitcher = self.stitcher()
        with closing(feed.batches()) as batches:
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


class _Feed:
    """Batches of one recording's chunks, made in a thread ahead of whoever takes them."""

    def __init__(
        self,
        blocks: Iterator[Waveform],
        detector: SpeechDetector,
        options: ChunkingOptions,
        batch_size: int,
        channel: int | None,
    ) -> None:
        self.channel = channel
        self._blocks = blocks
        self._detector = detector
        self._tape = Tape()
        self._plan = ChunkPlan(options, self._tape.levels)
        self._largest = round(batch_size * LONGEST_PASS_S * SAMPLE_RATE)
        # The first batch is one chunk, and each may be twice as large as the one before.
        self._allowed = round(LONGEST_PASS_S * SAMPLE_RATE)
        self._chunks: list[Chunk] = []
        self._waveforms: list[Waveform] = []
        self._stopped, self._ended = Event(), Event()
        self._queue: Queue[_Batch | BaseException | None] = Queue(maxsize=1)

    @property
    def n_samples(self) -> int:
        """Samples decoded so far."""
        return self._tape.end

    def batches(self) -> Generator[_Batch, None, None]:
        """The batches in order; an error of the source comes in its place."""
        thread = Thread(target=self._run, name="gigaam-longform", daemon=True)
        # A program may end with this generator still open. Its threads would then be taken down
        # in the middle of ONNX Runtime, which aborts the process.
        stop = partial(self._stop, thread)
        atexit.register(stop)
        try:
            thread.start()
            while (item := self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop()
            atexit.unregister(stop)

    def _stop(self, thread: Thread) -> None:
        """Ends the thread, and waits for it."""
        self._stopped.set()
        with suppress(Empty):  # the thread may be waiting for room, and puts once more at most
            self._queue.get_nowait()
        self._ended.wait(_JOIN_S)  # join() refuses a thread whose start was interrupted
        if thread.is_alive():
            thread.join(_JOIN_S)

    def _run(self) -> None:
        """The thread: everything up to the batches, then None or the error that ended them."""
        ending: BaseException | None = None
        try:
            self._decode()
        except BaseException as error:  # whatever it is, the other thread waits for it
            ending = error
        try:
            if isinstance(self._blocks, Generator):
                self._blocks.close()
        finally:
            self._put(ending)
            self._ended.set()

    def _decode(self) -> None:
        stream = self._detector.stream()
        failure: Exception | None = None
        while not self._stopped.is_set():
            try:
                block = next(self._blocks, None)
            except Exception as error:
                failure = error
                break
            if block is None:
                break
            self._tape.append(block)
            regions = stream.push(block)
            self._take(self._plan.push(regions, stream.decided), stream.decided)
        if not self._stopped.is_set():
            # After a failure, too: what was decoded before it is to be recognised.
            self._take(self._plan.finish(stream.finish(), self.n_samples), self.n_samples)
            self._send(self.n_samples)
        if failure is not None:
            raise failure

    def _take(self, chunks: Sequence[Chunk], decided: int) -> None:
        """Put planned chunks into batches, and let go of samples that no chunk will need."""
        for chunk in (part for each in chunks for part in parted(each, self._tape.levels)):
            length = chunk.end - chunk.start
            longest = max(length, *map(len, self._waveforms)) if self._waveforms else length
            if longest * (len(self._waveforms) + 1) > self._allowed:
                self._send(chunk.start)
            self._chunks.append(chunk)
            self._waveforms.append(self._tape.cut(chunk.start, chunk.end))
        self._tape.forget(self._plan.needed_from)
        if not self._chunks or decided - self._chunks[-1].end > _PATIENCE_S * SAMPLE_RATE:
            self._send(min(decided, self._plan.needed_from))  # if only to tell the progress

    def _send(self, done_to: int) -> None:
        batch = _Batch(self._chunks, self._waveforms, done_to)
        self._chunks, self._waveforms = [], []
        if batch.chunks:
            self._allowed = min(2 * self._allowed, self._largest)
        self._put(batch)

    def _put(self, item: _Batch | BaseException | None) -> None:
        if not self._stopped.is_set():
            self._queue.put(item)
