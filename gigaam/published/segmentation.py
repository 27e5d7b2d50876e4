"""A program's own way of cutting long recordings, put in the place of ``vad_utils``' functions.

Such a program assigns to ``gigaam.vad_utils.segment_audio_file``, or to ``_PIPELINE`` there. It
stands for ``vad="auto"``; a detector that is asked for by name, or given, goes first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from gigaam.audio import SAMPLE_RATE, AudioSource, read_audio
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from gigaam.recognition.longform import BatchRecognizer, Progress
    from gigaam.vad import Vad, VadOptions

__all__ = ["OwnSegmentation", "own_detector", "own_segmenter"]

_LIMITS = (
    "max_duration_s",
    "min_duration_s",
    "strict_limit_duration_s",
    "new_chunk_threshold_s",
)
"""Options of `ChunkingOptions` that ``segment_audio_file`` takes, there without the unit."""

_WHAT_IT_DOES = {"channels": "mix", "segments": "chunks"}
"""Arguments that say what a program's segmenter does anyway."""


def own_segmenter() -> Callable[..., Any] | None:
    """What a program has put in the place of ``vad_utils.segment_audio_file``."""
    module = sys.modules.get("gigaam.vad_utils")  # whoever assigns to it has imported it
    own = getattr(module, "OWN_SEGMENTER", None)  # not yet there while another thread imports it
    if module is None or own is None or module.segment_audio_file is own:
        return None
    segmenter: Callable[..., Any] = module.segment_audio_file
    return segmenter


def own_detector(
    vad: Vad, vad_options: VadOptions | None, chunking: ChunkingOptions, chosen: bool
) -> tuple[Vad, ChunkingOptions]:
    """The detector of ``vad_utils._PIPELINE`` if that stands for ``vad``, and how to cut then.

    What a program's pipeline does not take for speech is not recognised, however loud it is,
    unless somebody has chosen the chunking.
    """
    pipeline = getattr(sys.modules.get("gigaam.vad_utils"), "_PIPELINE", None)
    if pipeline is None or vad != "auto":
        return vad, chunking
    from gigaam.vad import VadOptions
    from gigaam.vad.pyannote import PyannoteDetector

    detector = PyannoteDetector(pipeline, vad_options or VadOptions())
    return detector, chunking if chosen else replace(chunking, decode_loud_gaps=False)


@dataclass(frozen=True)
class OwnSegmentation:
    """Long recordings recognised segment by segment, as a program cuts them.

    Args:
        segmenter: Called like ``vad_utils.segment_audio_file``.
        recognizer: Recognises batches of segments.
        chunking: Limits; those that are not the defaults are told to the segmenter.
        batch_size: Segments recognised together.
        device: Where the nets run; told to the segmenter.
    """

    segmenter: Callable[..., Any]
    recognizer: BatchRecognizer
    chunking: ChunkingOptions
    batch_size: int
    device: Any

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {self.batch_size}")

    def transcribe(
        self, source: AudioSource, *, word_timestamps: bool = False, **call: Any
    ) -> LongformTranscriptionResult:
        """The segments of a recording; ``call`` as in `iter_segments`."""
        segments = list(self.iter_segments(source, word_timestamps=word_timestamps, **call))
        return LongformTranscriptionResult(segments, has_word_timestamps=word_timestamps)

    def iter_segments(
        self,
        source: AudioSource,
        *,
        word_timestamps: bool = False,
        progress: Progress | None = None,
        **others: Any,
    ) -> Generator[Segment, None, None]:
        """The segments of a recording in which something is said, in order.

        Args:
            source: Told to the segmenter as it is.
            word_timestamps: Whether they hold their words.
            progress: As for `gigaam.recognition.longform.LongformTranscriber`.
            others: What there is no way to tell the segmenter.
        """
        limits = _changed(self.chunking)
        untold = {**others, **{name: limits[name] for name in limits if name not in _LIMITS}}
        for name, value in untold.items():
            if value is not None and value != _WHAT_IT_DOES.get(name):
                raise ArgumentError(
                    f"vad_utils.segment_audio_file was replaced and cannot be told {name}: give "
                    "vad= to do without it"
                )
        told = {name.removesuffix("_s"): value for name, value in limits.items()}
        return self._segments(source, word_timestamps, progress, told)

    def _segments(
        self,
        source: AudioSource,
        word_timestamps: bool,
        progress: Progress | None,
        limits: dict[str, Any],
    ) -> Generator[Segment, None, None]:
        waveforms, boundaries = self.segmenter(source, SAMPLE_RATE, device=self.device, **limits)
        if len(waveforms) != len(boundaries):
            raise ArgumentError(
                f"vad_utils.segment_audio_file was replaced, and gives {len(waveforms)} segments "
                f"with {len(boundaries)} boundaries"
            )
        total_s = max((float(end) for _, end in boundaries), default=0.0)
        for first in range(0, len(waveforms), self.batch_size):
            batch = slice(first, first + self.batch_size)
            arrays = [read_audio(each, input_rate=SAMPLE_RATE) for each in waveforms[batch]]
            results = self.recognizer.transcribe_batch(arrays, word_timestamps)
            for result, (start, end) in zip(results, boundaries[batch], strict=True):
                if result.text.strip():
                    yield _placed(result, float(start), float(end))
            if progress is not None:
                progress(float(boundaries[batch][-1][1]), total_s)
        if progress is not None and not len(waveforms):
            progress(total_s, total_s)


def _changed(chunking: ChunkingOptions) -> dict[str, Any]:
    """The options that are not the defaults."""
    defaults = ChunkingOptions()
    values = {field.name: getattr(chunking, field.name) for field in fields(chunking)}
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def _placed(result: TranscriptionResult, start: float, end: float) -> Segment:
    """A segment's result in the time of its recording."""
    words = result.words
    if words is not None:
        words = [replace(word, start=word.start + start, end=word.end + start) for word in words]
    return Segment(result.text, start, end, words, result.confidence)
