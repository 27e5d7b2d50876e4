"""Where somebody speaks: the protocol of speech detectors and their options.

A detector is shared (also by threads); for each recording it hands out a stream, which is fed
samples and gives back regions of speech as soon as they are final. Streams keep little of what
they were fed, and how a recording is cut into blocks never changes the regions.

Samples are float32 of full scale ±1, mono, 16 kHz; positions count them from the beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.errors import ArgumentError, AudioError

__all__ = [
    "EverythingIsSpeech",
    "PromptDetector",
    "Region",
    "RegionBuilder",
    "SpeechDetector",
    "SpeechStream",
    "Vad",
    "VadOptions",
    "open_stream",
]

Samples: TypeAlias = NDArray[np.float32]

# Speech without a pause is reported in pieces of this length, so that whoever waits for regions
# need not keep an hour of samples.
PIECE_S = 30.0


@dataclass(frozen=True)
class Region:
    """A stretch of speech. One that begins where another ends continues it.

    Attributes:
        start: First sample.
        end: The sample after the last one.
    """

    start: int
    end: int


@dataclass(frozen=True)
class VadOptions:
    """What counts as speech. The defaults would rather keep noise than lose a word.

    Attributes:
        threshold: Probability from which speech begins; None: 0.3 for Silero (its own default of
            0.5 misses quiet speech that GigaAM models still recognise; others measured 0.2 to 0.3
            as best for them), 0.5 for pyannote (what its models are trained for).
        neg_threshold: Probability below which speech ends; None: 0.15 under ``threshold``. Lower
            than it, so that a dip within a word is no pause. Models of pyannote that choose
            between sets of speakers use ``threshold`` for both.
        min_speech_s: Speech shorter than this is dropped, in seconds. The default keeps "да".
        min_silence_s: A silence shorter than this is no pause, in seconds; so is one that the
            padding on its two sides would fill.
        speech_pad_s: Added at both ends of each region, in seconds: detectors notice the beginning
            of a word late.
        threads: CPU threads of Silero. A second one gains little.
    """

    threshold: float | None = None
    neg_threshold: float | None = None
    min_speech_s: float = 0.1
    min_silence_s: float = 0.2
    speech_pad_s: float = 0.1
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("threshold", "neg_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ArgumentError(f"{name} must be a probability between 0 and 1, not {value!r}")
        if None not in (self.threshold, self.neg_threshold):
            self.thresholds(0.5)  # both given: tell at once whether they fit
        for name in ("min_speech_s", "min_silence_s", "speech_pad_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ArgumentError(f"{name} must be 0 or more seconds, not {value!r}")
        if self.threads < 1:
            raise ArgumentError(f"threads must be at least 1, not {self.threads!r}")

    def thresholds(self, default: float) -> tuple[float, float]:
        """Where speech begins and ends, for a detector whose own threshold is ``default``."""
        onset = default if self.threshold is None else self.threshold
        offset = max(onset - 0.15, onset / 4) if self.neg_threshold is None else self.neg_threshold
        if offset > onset:
            raise ArgumentError(
                f"neg_threshold, {offset:g}, must not be above the threshold, {onset:g}"
            )
        return onset, offset


class SpeechStream(Protocol):
    """The regions of one recording, found while it is read. Not for several threads at once."""

    def push(self, block: Samples) -> list[Region]:
        """The regions that these further samples, float32 ``[n]``, made final, in order."""

    def finish(self) -> list[Region]:
        """The remaining regions, once all samples were pushed."""

    @property
    def decided(self) -> int:
        """No region still to come begins before this sample."""


class SpeechDetector(Protocol):
    """What finds speech. It may be used from several threads at once."""

    def stream(self) -> SpeechStream:
        """A stream for one recording."""


@runtime_checkable
class PromptDetector(SpeechDetector, Protocol):
    """A detector that can be told not to wait for much sound before it looks at it."""

    def prompt_stream(self, latency_s: float) -> SpeechStream:
        """A stream for one recording that looks at its sound at least that often."""


def open_stream(detector: SpeechDetector, latency_s: float | None = None) -> SpeechStream:
    """A stream for one recording; with a latency, a prompt one if the detector can be prompt."""
    if latency_s is not None and isinstance(detector, PromptDetector):
        return detector.prompt_stream(latency_s)
    return detector.stream()


Vad: TypeAlias = Literal["auto", "silero", "pyannote", "none"] | SpeechDetector


class EverythingIsSpeech:
    """The detector of ``vad="none"``: each block is a region that continues the one before."""

    def stream(self) -> SpeechStream:
        """A stream for one recording."""
        return _EverythingStream()


class _EverythingStream:
    def __init__(self) -> None:
        self._pushed = 0

    @property
    def decided(self) -> int:
        return self._pushed

    def push(self, block: Samples) -> list[Region]:
        start = self._pushed
        self._pushed += checked_block(block).size
        return [Region(start, self._pushed)] if self._pushed > start else []

    def finish(self) -> list[Region]:
        return []


class RegionBuilder:
    """Regions from raw stretches of speech: short pauses filled, short speech dropped, padded.

    Stretches are added in order, with ``settle`` between them to say how far the detector is.
    What comes out depends on the stretches only, not on the moments of the calls.
    """

    def __init__(self, options: VadOptions) -> None:
        self._pad = round(options.speech_pad_s * SAMPLE_RATE)
        self._min_speech = round(options.min_speech_s * SAMPLE_RATE)
        # Padding must not make two regions touch: they would be taken for one.
        self._min_gap = max(round(options.min_silence_s * SAMPLE_RATE), 2 * self._pad + 1)
        self._piece = round(PIECE_S * SAMPLE_RATE)
        self._speech: Region | None = None  # the last stretch; later ones may still continue it
        self._reported = 0  # the end of what was given out
        self._continues = False  # whether a part of the last stretch was given out
        self._settled = 0

    @property
    def decided(self) -> int:
        """No region still to come begins before this sample."""
        if self._continues:
            return self._reported
        start = self._settled if self._speech is None else self._speech.start
        return max(start - self._pad, self._reported, 0)

    def add(self, speech: Region) -> list[Region]:
        """Regions made final by a further stretch, or by a longer version of the last one."""
        final = self.settle(speech.start)
        if self._speech is not None:
            speech = Region(self._speech.start, max(self._speech.end, speech.end))
        self._speech = speech
        return final + self._pieces(speech)

    def settle(self, position: int) -> list[Region]:
        """Regions made final by knowing that no further stretch begins before ``position``."""
        self._settled = max(self._settled, position)
        if self._speech is None or self._settled - self._speech.end < self._min_gap:
            return []
        return self._close(self._speech.end + self._pad)

    def finish(self, n_samples: int) -> list[Region]:
        """The last regions of a recording of ``n_samples``."""
        self._settled = n_samples
        speech = self._speech
        final = [] if speech is None else self._close(min(speech.end + self._pad, n_samples))
        self._reported = n_samples
        return final

    def _pieces(self, speech: Region) -> list[Region]:
        """Parts of a stretch that is already longer than a piece."""
        pieces = []
        start = self.decided
        # More than the piece: what remains of the region is then never empty.
        while speech.end - start > self._piece and speech.end - speech.start >= self._min_speech:
            pieces.append(Region(start, start + self._piece))
            start = self._reported = start + self._piece
            self._continues = True
        return pieces

    def _close(self, end: int) -> list[Region]:
        speech, start = self._speech, self.decided
        keep = speech is not None and speech.end - speech.start >= self._min_speech
        self._speech = None
        if not (keep or self._continues):
            return []
        self._continues = False
        self._reported = end
        return [Region(start, end)] if end > start else []


def checked_block(block: Samples) -> Samples:
    """The block as float32 ``[n]``, or an error."""
    samples = np.asarray(block)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise AudioError(
            f"a speech detector takes mono float samples [n], not {samples.dtype} of shape "
            f"{samples.shape}"
        )
    return samples.astype(np.float32, copy=False)
