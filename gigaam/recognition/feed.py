"""From samples as they come to batches of chunks: detected, planned, cut.

A feed is pushed the samples of one recording, or of one channel of it, by whoever has them: the
thread that reads a file ahead, or a session with a microphone. It has no thread of its own.
Positions are samples at 16 kHz.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.audio.tape import Tape
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import LONGEST_PASS_S, Chunk, ChunkingOptions, ChunkPlan
from gigaam.recognition.level_falls import parted
from gigaam.recognition.scheduler import Limits
from gigaam.vad.speech import SpeechDetector, SpeechStream, open_stream

__all__ = ["Batch", "Buffering", "Feed", "Waveform"]

Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class Buffering:
    """How much sound is held back before it is looked at.

    All buffers follow from one number. Besides them, a chunk waits until the plan is certain of
    it, which `gigaam.recognition.chunking.ChunkingOptions` bounds: the first one until more than
    ``max_duration_s`` was heard, one that is shorter than that until speech goes on or ``gap_s``
    have passed without. A detector may wait of its own: Silero does not, pyannote takes 10 minutes
    at a time. And FFmpeg looks at some hundred kilobytes of a stream before it begins.

    Attributes:
        latency_s: How late the sound may be looked at, in seconds: half of it for the blocks in
            which it is read and resampled, half for the detector. The default, for files, is where
            longer buffers gain no more speed.
    """

    latency_s: float = 20.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.latency_s) and self.latency_s >= 0.01):
            raise ArgumentError(f"latency_s={self.latency_s!r} must be at least 0.01 seconds")

    @property
    def block_s(self) -> float:
        """Length of the blocks that are read, in seconds."""
        return self.latency_s / 2

    @property
    def detector_s(self) -> float | None:
        """How long the detector may wait before it looks at the sound, in seconds.

        None leaves that to the detector, as for files.
        """
        return None if self == Buffering() else self.latency_s / 2

    @property
    def patience_s(self) -> float:
        """A batch is not held back for chunks that much later in the recording, in seconds."""
        return 3 * self.latency_s


@dataclass(frozen=True)
class Batch:
    """Chunks that are recognised together; none if there was only silence.

    Attributes:
        chunks: In order.
        waveforms: Their samples, each float32 [n], mono, 16 kHz.
        done_to: Where the recording is done once these are recognised, in samples.
    """

    chunks: list[Chunk]
    waveforms: list[Waveform]
    done_to: int


class Feed:
    """Batches of one recording's chunks, made of the samples that are pushed.

    The chunks are the same however the recording is cut into pushes; which of them share a batch
    is not.
    """

    def __init__(
        self,
        detector: SpeechDetector,
        options: ChunkingOptions,
        batch_size: int,
        *,
        channel: int | None = None,
        buffering: Buffering | None = None,
        longest_span_s: float = math.inf,
    ) -> None:
        """A feed at the start of a recording.

        Args:
            detector: Finds speech.
            options: How the recording is cut.
            batch_size: Sound recognised together, in chunks of 30 seconds; the first batches are
                smaller, for the first segments to come soon.
            channel: Which channel of the recording it is, if not all.
            buffering: How much is held back; by default as for files.
            longest_span_s: A batch is sent before its chunks lie further apart, in seconds.
        """
        self.channel = channel
        self._detector = detector
        self._buffering = buffering or Buffering()
        self._tape = Tape()
        self._plan = ChunkPlan(options, self._tape.levels)
        self._stream: SpeechStream | None = None
        self._span = longest_span_s * SAMPLE_RATE
        self._largest_s = batch_size * LONGEST_PASS_S
        # The first batch is one chunk, and each may be twice as large as the one before.
        self._allowed_s = LONGEST_PASS_S
        self._planned: deque[Chunk] = deque()
        self._has_ended = False
        self._chunks: list[Chunk] = []
        self._waveforms: list[Waveform] = []
        self._ready: list[Batch] = []

    @property
    def n_samples(self) -> int:
        """Samples pushed so far."""
        return self._tape.end

    @property
    def n_held(self) -> int:
        """Samples that are kept, those of chunks that are in no batch yet included."""
        return self._tape.end - self._tape.start + sum(map(len, self._waveforms))

    def push(self, samples: Waveform) -> list[Batch]:
        """The batches that these further samples made ready, often none, in order.

        Args:
            samples: float32 [n], mono, 16 kHz, of full scale ±1. They are kept, so the array must
                not change afterwards.
        """
        stream = self._opened()
        self._tape.append(samples)
        self._planned += self._plan.push(stream.push(samples), stream.decided)
        self._take(stream.decided)
        return self._handed_out()

    def finish(self) -> list[Batch]:
        """The last batches, once all samples were pushed; after an error, call it again."""
        if not self._has_ended:
            self._planned += self._plan.finish(self._opened().finish(), self.n_samples)
            self._has_ended = True
        self._take(self.n_samples)
        self._send(self.n_samples)
        return self._handed_out()

    def _opened(self) -> SpeechStream:
        """The detector's stream, asked for where the samples come: that may take a while."""
        if self._stream is None:
            self._stream = open_stream(self._detector, self._buffering.detector_s)
        return self._stream

    def _take(self, decided: int) -> None:
        """Put planned chunks into batches, and let go of samples that no chunk will need."""
        while self._planned:
            parts = parted(self._planned[0], self._tape.levels)
            waveforms = [self._tape.cut(part.start, part.end) for part in parts]
            self._planned.popleft()  # for which there was memory
            for chunk, waveform in zip(parts, waveforms, strict=True):
                self._add(chunk, waveform)
        self._tape.forget(self._plan.needed_from)
        if not self._chunks or self._is_late(decided):
            self._send(min(decided, self._plan.needed_from))  # if only to tell the progress

    def _add(self, chunk: Chunk, waveform: Waveform) -> None:
        length = len(waveform)
        longest = max(length, *map(len, self._waveforms)) if self._waveforms else length
        is_full = len(self._waveforms) >= Limits(max_padded_s=self._allowed_s).room(longest)
        if is_full or self._spans(chunk.end):
            self._send(chunk.start)
        self._chunks.append(chunk)
        self._waveforms.append(waveform)

    def _spans(self, position: int) -> bool:
        """Whether the chunks that wait begin too long before a position."""
        return bool(self._chunks) and position - self._chunks[0].start > self._span

    def _is_late(self, decided: int) -> bool:
        waited = decided - self._chunks[-1].end
        return waited > self._buffering.patience_s * SAMPLE_RATE or self._spans(decided)

    def _send(self, done_to: int) -> None:
        batch = Batch(self._chunks, self._waveforms, done_to)
        self._chunks, self._waveforms = [], []
        if batch.chunks:
            self._allowed_s = min(2 * self._allowed_s, self._largest_s)
        self._ready.append(batch)

    def _handed_out(self) -> list[Batch]:
        ready, self._ready = self._ready, []
        return ready
