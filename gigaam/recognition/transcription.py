"""Many recordings, short and long, recognised one after another; what fails is told apart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from gigaam.audio import AudioSource, duration_s
from gigaam.cli.jobs import STDIN, Job
from gigaam.errors import AudioTooLongError, GigaAMError
from gigaam.recognition.chunking import LONGEST_PASS_S
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from gigaam.recognition.chunking import ChunkingOptions
    from gigaam.recognition.longform import Channels, Progress
    from gigaam.recognition.phrases import Segments
    from gigaam.recognition.speech_recognition import SpeechRecognition
    from gigaam.vad import Vad

__all__ = ["ListeningArguments", "Outcome", "Transcription"]

_WINDOW_BATCHES = 8  # short recordings handed over at once: enough to sort them by length

_Measured: TypeAlias = "tuple[Job, float | None]"


class ListeningArguments(TypedDict, total=False):
    """Those of the arguments of ``transcribe_longform`` that a command line has."""

    vad: Vad
    channels: Channels
    track: int | None
    segments: Segments | None
    max_pause: float | None
    chunking: ChunkingOptions | None


@dataclass(frozen=True)
class Outcome:
    """What came of a recording.

    Attributes:
        job: What was to be done.
        result: What was recognised, or the error.
        duration_s: How long the recording is, in seconds; 0 if that was not found out.
    """

    job: Job
    result: TranscriptionResult | LongformTranscriptionResult | Exception
    duration_s: float


@dataclass(frozen=True)
class Transcription:
    """How recordings are recognised.

    Attributes:
        model: What recognises them.
        word_timestamps: Whether results hold their words.
        batch_size: Short recordings, or as much of a long one, per pass of the encoder.
        longform: What finds speech in long ones, and what becomes of channels, if not the default.
    """

    model: SpeechRecognition
    word_timestamps: bool = False
    batch_size: int = 8
    longform: ListeningArguments = field(default_factory=ListeningArguments)

    def run(
        self,
        jobs: Iterable[Job],
        *,
        on_progress: Progress = lambda done_s, total_s: None,
        on_segment: Callable[[Segment], Any] = lambda segment: None,
    ) -> Iterator[Outcome]:
        """The outcomes, in order; short recordings that follow each other share batches.

        Args:
            jobs: What is to be done.
            on_progress: Told how far the long recording at work is.
            on_segment: Given the segments of long recordings as soon as they are there.
        """
        listen = partial(self._long, on_progress=on_progress, on_segment=on_segment)
        track = self.longform.get("track")
        measured = ((job, _stated_s(job, track)) for job in jobs)
        for is_short, group in groupby(measured, self._seems_short):
            if is_short:
                for window in _growing(group, self.batch_size):
                    yield from self._short(window, listen)
            else:
                for job, _ in group:
                    yield listen(job)

    def _seems_short(self, measured: _Measured) -> bool:
        """Whether a recording may be recognised in one pass, as one channel and one segment."""
        _, stated_s = measured
        fits = stated_s is not None and stated_s <= LONGEST_PASS_S
        wanted = self.longform
        is_whole = wanted.get("channels", "mix") == "mix" and wanted.get("segments") != "phrases"
        return fits and is_whole and wanted.get("chunking") is None

    def _short(
        self, window: Sequence[_Measured], listen: Callable[[Job], Outcome]
    ) -> Iterator[Outcome]:
        """What comes of recordings whose headers say that they are short."""
        results = self.model.transcribe(
            [job.path for job, _ in window],
            word_timestamps=self.word_timestamps,
            batch_size=self.batch_size,
            on_error="return",
            track=self.longform.get("track"),
        )
        for (job, stated_s), result in zip(window, results, strict=True):
            if isinstance(result, AudioTooLongError):  # the header was wrong
                yield listen(job)
            else:
                yield Outcome(job, result, stated_s or 0.0)

    def _long(
        self, job: Job, on_progress: Progress, on_segment: Callable[[Segment], Any]
    ) -> Outcome:
        source: AudioSource = sys.stdin.buffer if job.path == STDIN else job.path
        length_s = 0.0

        def progress(done_s: float, total_s: float | None) -> None:
            nonlocal length_s
            length_s = done_s
            on_progress(done_s, total_s)

        segments = []
        try:
            found = self.model.iter_longform(
                source,
                word_timestamps=self.word_timestamps,
                batch_size=self.batch_size,
                progress=progress,
                **self.longform,
            )
            with closing(found):  # an interruption is told when all work has ended
                for segment in found:
                    on_segment(segment)
                    segments.append(segment)
        except BrokenPipeError:  # nobody reads what is printed any more
            raise
        except Exception as error:
            return Outcome(job, error, length_s)
        result = LongformTranscriptionResult(
            segments, duration=length_s, has_word_timestamps=self.word_timestamps
        )
        return Outcome(job, result, length_s)


def _stated_s(job: Job, track: int | None) -> float | None:
    """Seconds as the header states them; what is wrong with a file will show when it is read."""
    if job.path == STDIN:
        return None
    try:
        return duration_s(job.path, track=track)
    except (GigaAMError, OSError):
        return None


def _growing(items: Iterable[_Measured], first: int) -> Iterator[list[_Measured]]:
    """First a batch, so that results appear early, then ever longer windows."""
    remaining, size = iter(items), first
    while window := list(islice(remaining, size)):
        yield window
        size = min(2 * size, _WINDOW_BATCHES * first)
