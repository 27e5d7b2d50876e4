"""Many recordings, short and long, recognised one after another; failures do not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gigaam.audio import AudioSource, duration_s
from gigaam.audio.sources import is_seekable
from gigaam.errors import AudioTooLongError, GigaAMError
from gigaam.recognition.chunking import LONGEST_PASS_S
from gigaam.recognition.scheduler import WINDOW_BATCHES
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from gigaam.recognition import LongformArguments, SpeechRecognition
    from gigaam.recognition.longform import Progress

__all__ = ["BatchRunner", "Outcome"]

_LIMITS = (
    "chunking",
    "max_duration",
    "min_duration",
    "strict_limit_duration",
    "new_chunk_threshold",
    "speakers",
    "known_speakers",
)
"""Options that may cut a short recording, too, or tell its speakers apart."""

KeyT = TypeVar("KeyT")


@dataclass(frozen=True)
class Outcome(Generic[KeyT]):
    """What came of a recording.

    Attributes:
        key: Which it is.
        result: What was recognised, or the error.
        duration_s: How long the recording is, in seconds; 0 if that was not found out.
    """

    key: KeyT
    result: TranscriptionResult | LongformTranscriptionResult | Exception
    duration_s: float


@dataclass(frozen=True)
class _Recording(Generic[KeyT]):
    key: KeyT
    source: AudioSource
    stated_s: float | None  # by its header, which may be wrong
    position: int | None  # where a file object stood that can go back

    def rewind(self) -> None:
        """Have it be read again."""
        if self.position is not None:
            self.source.seek(self.position)  # type: ignore[union-attr]


@dataclass(frozen=True)
class BatchRunner:
    """How recordings are recognised.

    Attributes:
        model: What recognises them.
        word_timestamps: Whether results hold their words.
        batch_size: Short recordings, or as much of a long one, per pass of the encoder.
        options: Further arguments of ``transcribe_longform``; ``progress`` is the runner's own.
    """

    model: SpeechRecognition
    word_timestamps: bool = False
    batch_size: int = 8
    options: LongformArguments = field(default_factory=dict)  # type: ignore[assignment]

    @cached_property
    def _listening(self) -> LongformArguments:
        """The options; known speakers are heard once, not for each recording again."""
        known = self.options.get("known_speakers")
        if not known:
            return self.options
        from gigaam.speakers import diarizer_of

        told_apart = diarizer_of(self.options.get("speakers"), known)
        return {**self.options, "speakers": told_apart, "known_speakers": None}

    def run(
        self,
        recordings: Iterable[tuple[KeyT, AudioSource]],
        *,
        on_progress: Progress = lambda done_s, total_s: None,
        on_segment: Callable[[Segment], Any] = lambda segment: None,
    ) -> Iterator[Outcome[KeyT]]:
        """The outcomes, in order; short recordings that follow each other share batches.

        Args:
            recordings: Each with a key, by which its outcome is known.
            on_progress: Told how far the long recording at work is.
            on_segment: Given the segments of long recordings as soon as they are there.
        """
        listen = partial(self._long, on_progress=on_progress, on_segment=on_segment)
        measured = (self._measured(key, source) for key, source in recordings)
        for is_short, group in groupby(measured, self._seems_short):
            if is_short:
                for window in _growing(group, self.batch_size):
                    yield from self._short(window, listen)
            else:
                yield from map(listen, group)

    def run_one(
        self,
        source: AudioSource,
        stated_s: float | None,
        *,
        on_progress: Progress = lambda done_s, total_s: None,
        on_segment: Callable[[Segment], Any] = lambda segment: None,
    ) -> Outcome[None]:
        """The outcome of one recording that was measured already.

        Args:
            source: The recording.
            stated_s: What `gigaam.audio.duration_s` says of it.
            on_progress: As for `run`.
            on_segment: As for `run`.
        """
        listen = partial(self._long, on_progress=on_progress, on_segment=on_segment)
        recording = _Recording(None, source, stated_s, _position(source))
        if self._seems_short(recording):
            return next(self._short([recording], listen))
        return listen(recording)

    def _measured(self, key: KeyT, source: AudioSource) -> _Recording[KeyT]:
        position = _position(source)
        if position is None and hasattr(source, "read"):  # not to be read again
            return _Recording(key, source, None, None)
        return _Recording(key, source, self._stated_s(source), position)

    def _stated_s(self, source: AudioSource) -> float | None:
        """Seconds as far as they are known; what is wrong with a file will show when it is read."""
        rate, track = self.options.get("input_rate"), self.options.get("track")
        try:
            return duration_s(source, input_rate=rate, track=track)
        except (GigaAMError, OSError):
            return None

    def _seems_short(self, recording: _Recording[KeyT]) -> bool:
        """Whether a recording may be recognised in one pass, as one channel and one segment."""
        wanted = self.options
        is_whole = wanted.get("channels", "mix") == "mix" and wanted.get("segments") != "phrases"
        is_cut = any(wanted.get(name) is not None for name in _LIMITS)
        fits = recording.stated_s is not None and recording.stated_s <= LONGEST_PASS_S
        return fits and is_whole and not is_cut

    def _short(
        self,
        window: Sequence[_Recording[KeyT]],
        listen: Callable[[_Recording[KeyT]], Outcome[KeyT]],
    ) -> Iterator[Outcome[KeyT]]:
        """What comes of recordings whose headers say that they are short."""
        results = self.model.transcribe(
            [recording.source for recording in window],
            word_timestamps=self.word_timestamps,
            batch_size=self.options.get("fr_batch_size") or self.batch_size,
            on_error="return",
            input_rate=self.options.get("input_rate"),
            track=self.options.get("track"),
            decoding=self.options.get("decoding"),
            hotwords=self.options.get("hotwords"),
            lm=self.options.get("lm"),
        )
        for recording, result in zip(window, results, strict=True):
            if isinstance(result, AudioTooLongError):  # the header was wrong
                recording.rewind()
                yield listen(recording)
            else:
                yield Outcome(recording.key, result, recording.stated_s or 0.0)

    def _long(
        self,
        recording: _Recording[KeyT],
        on_progress: Progress,
        on_segment: Callable[[Segment], Any],
    ) -> Outcome[KeyT]:
        length_s = 0.0

        def progress(done_s: float, total_s: float | None) -> None:
            nonlocal length_s
            length_s = done_s
            on_progress(done_s, total_s)

        segments = []
        try:
            options: LongformArguments = {**self._listening, "progress": progress}
            found = self.model.iter_longform(
                recording.source, self.word_timestamps, self.batch_size, **options
            )
            with closing(found):  # an interruption is told when all work has ended
                for segment in found:
                    on_segment(segment)
                    segments.append(segment)
        except BrokenPipeError:  # nobody reads what is printed any more
            raise
        except Exception as error:
            return Outcome(recording.key, error, length_s)
        result = LongformTranscriptionResult(
            segments, duration=length_s, has_word_timestamps=self.word_timestamps
        )
        return Outcome(recording.key, result, length_s)


def _position(source: AudioSource) -> int | None:
    """Where a file object stands that can go back; None of anything else."""
    if hasattr(source, "read") and is_seekable(source):
        return int(source.tell())  # type: ignore[union-attr]
    return None


def _growing(items: Iterable[_Recording[KeyT]], first: int) -> Iterator[list[_Recording[KeyT]]]:
    """First a batch, so that results appear early, then ever longer windows."""
    remaining, size = iter(items), first
    while window := list(islice(remaining, size)):
        yield window
        size = min(2 * size, WINDOW_BATCHES * first)
