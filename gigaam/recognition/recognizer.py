"""From recordings to results, for every backend: load, bucket by length, encode, search, spell.

A backend runs the nets, a search finds tokens in what they give; all else is here.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource, is_rated, iter_audio
from gigaam.decoding import Hypothesis
from gigaam.decoding.searches import Search
from gigaam.decoding.timestamps import words_from_hypothesis
from gigaam.decoding.tokenizer import Tokenizer
from gigaam.errors import ArgumentError, AudioTooLongError
from gigaam.recognition.batcher import Batcher, Recognize
from gigaam.recognition.longform import Progress
from gigaam.recognition.scheduler import WINDOW_BATCHES, Limits, Priority
from gigaam.types import TranscriptionResult

OnError = Literal["raise", "return"]
Waveform = NDArray[np.float32]
Outcome = TranscriptionResult | Exception
T = TypeVar("T")

# A resampler may round a recording of exactly the limit up by some samples.
_ROUNDING_S = 0.001


class Backend(Protocol):
    """What runs the nets, and no more. It may be called from several threads at once.

    Besides, it is what its search asks for: `gigaam.decoding.nets.Emitting` or
    `gigaam.decoding.nets.Transducing`.
    """

    def encode(self, waveforms: Sequence[Waveform]) -> Any:
        """A batch of recordings, each float32 [n], as a `gigaam.decoding.nets.Encoded`."""


class Recognizer:
    """Speech recognition over a backend; holds no state of a call, so threads may share it."""

    def __init__(
        self,
        backend: Backend,
        tokenizer: Tokenizer,
        search: Search,
        max_duration_s: float = 30.0,
        *,
        batcher: Batcher | None = None,
        caller: Hashable = None,
        priority: Priority | None = None,
    ) -> None:
        """A recogniser.

        Args:
            backend: Runs the nets.
            tokenizer: Spells tokens.
            search: Finds tokens in what the nets give.
            max_duration_s: Longest recording taken in one pass, in seconds.
            batcher: Takes turns and shares batches with others; by default calls are on their own.
            caller: Who is to get a fair share there; by default each batch by itself.
            priority: Whether those go first; by default INTERACTIVE.
        """
        self._backend = backend
        self._tokenizer = tokenizer
        self._search = search
        self._max_duration_s = max_duration_s
        self._batcher = batcher
        self._caller = caller
        self._priority = Priority.INTERACTIVE if priority is None else priority

    def transcribe(
        self,
        sources: AudioSource | Iterable[AudioSource],
        *,
        batch_size: int = 8,
        word_timestamps: bool = False,
        on_error: OnError = "raise",
        input_rate: int | None = None,
        track: int | None = None,
        progress: Progress | None = None,
    ) -> Outcome | list[Outcome]:
        """The text of a recording, or the texts of many in their order.

        Args:
            sources: A path, the bytes of a file, an open binary file or an array of samples is one
                recording; any other iterable (a list, a generator, a column of paths) is many.
            batch_size: Recordings encoded together.
            word_timestamps: Whether to give the results their words.
            on_error: "raise" stops at the first recording that fails; "return" puts its exception
                in the place of its result and goes on.
            input_rate: Sample rate of recordings given as arrays, in Hz.
            track: Which audio track of files, from 0; by default the one that ``ffmpeg`` takes.
            progress: Called after each batch with the recordings done and those in all, or None.

        Returns:
            A result for one recording, a list of results for many.
        """
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
        if on_error not in ("raise", "return"):
            raise ArgumentError(f'on_error must be "raise" or "return", not {on_error!r}')

        single = is_one_recording(sources)
        many = [cast(AudioSource, sources)] if single else cast("Iterable[AudioSource]", sources)

        def load(source: AudioSource) -> Waveform | Exception:
            if on_error == "raise":
                return self._load(source, input_rate, track)
            return _caught(lambda: self._load(source, input_rate, track))

        total = len(many) if isinstance(many, Sized) else None
        results: list[Outcome] = []

        def tell(n_done: int) -> None:
            if progress is not None:
                progress(len(results) + n_done, total)

        with closing(_loaded_ahead(many, batch_size * WINDOW_BATCHES, load)) as windows:
            for window in windows:
                results += self._window(window, batch_size, word_timestamps, on_error, tell)
        if progress is not None and total is None:
            progress(len(results), len(results))
        return results[0] if single else results

    def transcribe_batch(
        self, waveforms: Sequence[Waveform], word_timestamps: bool = False
    ) -> list[TranscriptionResult]:
        """The results of one batch of recordings that are already loaded.

        Args:
            waveforms: Recordings, each float32 [n], mono, 16 kHz.
            word_timestamps: Whether to give the results their words.
        """
        found = self._recognized(waveforms, None, word_timestamps, "raise")
        return cast("list[TranscriptionResult]", found)

    def pass_of(self, word_timestamps: bool) -> Recognize:
        """What recognises a batch; equal ones, of this and other recognisers, may share it."""
        return _Pass(self._backend, self._tokenizer, self._search, word_timestamps)

    def _load(self, source: AudioSource, input_rate: int | None, track: int | None) -> Waveform:
        """One recording's samples; of one over the limit no more is decoded than shows it."""
        blocks = iter_audio(
            source,
            sample_rate=SAMPLE_RATE,
            input_rate=input_rate,
            block_s=self._max_duration_s + _ROUNDING_S,
            track=track,
        )
        waveform = next(blocks)
        if next(blocks, None) is not None:
            name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "this one"
            raise AudioTooLongError(
                f"Too long wav file: a recording of up to {self._max_duration_s:g} s is recognised "
                f"in one pass, and {name} is longer: use `transcribe_longform`"
            )
        return waveform

    def _window(
        self,
        loaded: Sequence[Waveform | Exception],
        batch_size: int,
        word_timestamps: bool,
        on_error: OnError,
        tell: Callable[[int], None],
    ) -> list[Outcome]:
        """The results of some recordings in their order; those that were not loaded keep errors."""
        outcomes: dict[int, Outcome] = {}
        waveforms: dict[int, Waveform] = {}
        for index, item in enumerate(loaded):
            if isinstance(item, Exception):
                outcomes[index] = item
            else:
                waveforms[index] = item
        n_failed = len(outcomes)
        found = self._recognized(
            list(waveforms.values()),
            Limits(max_count=batch_size),
            word_timestamps,
            on_error,
            lambda n_done: tell(n_failed + n_done),
        )
        outcomes.update(zip(waveforms, found, strict=True))
        if not waveforms:
            tell(len(outcomes))
        return [outcomes[index] for index in range(len(loaded))]

    def _recognized(
        self,
        waveforms: Sequence[Waveform],
        limits: Limits | None,
        word_timestamps: bool,
        on_error: OnError,
        tell: Callable[[int], Any] = lambda n_done: None,
    ) -> list[Outcome]:
        """The results of recordings, in batches within the limits or else in one."""
        raises = on_error == "raise"
        batcher = self._batcher or Batcher()
        futures = batcher.submit(
            waveforms,
            self.pass_of(word_timestamps),
            caller=self._caller,
            priority=self._priority,
            limits=limits,
            fails_together=raises,
        )
        try:
            batcher.wait(futures, tell, to_first_error=raises)
            if raises:
                _raise_first_error(futures)
            return [_outcome(future) for future in futures]
        finally:
            _cancel(futures)


@dataclass(frozen=True)
class _Pass:
    """A batch through nets and search; equal ones may share batches."""

    backend: Backend
    tokenizer: Tokenizer
    search: Search
    word_timestamps: bool

    def __call__(self, waveforms: Sequence[Waveform]) -> list[TranscriptionResult]:
        encoded = self.backend.encode(waveforms)
        hypotheses = self.search.find(self.backend, encoded)
        return [
            self._result(hypothesis, len(waveform) / SAMPLE_RATE, int(frames))
            for hypothesis, waveform, frames in zip(
                hypotheses, waveforms, encoded.lengths, strict=True
            )
        ]

    def _result(self, hypothesis: Hypothesis, seconds: float, frames: int) -> TranscriptionResult:
        """The text of a recording's tokens, with words and alternatives if asked for."""
        result = self._text(hypothesis, seconds, frames)
        if hypothesis.alternatives:
            distinct = {_plain(result): result}
            for each in hypothesis.alternatives:
                other = self._text(each, seconds, frames)
                distinct.setdefault(_plain(other), other)
            result.alternatives = tuple(distinct.values())[1:]
        return result

    def _text(self, hypothesis: Hypothesis, seconds: float, frames: int) -> TranscriptionResult:
        words = None
        if self.word_timestamps:
            words = words_from_hypothesis(hypothesis, self.tokenizer, seconds / max(frames, 1))
        return TranscriptionResult(
            self.tokenizer.decode(hypothesis.ids.tolist()),
            words=words,
            confidence=hypothesis.confidence,
            hypothesis=hypothesis,
        )


def _raise_first_error(futures: Sequence[Future[TranscriptionResult]]) -> None:
    errors = [future.exception() for future in futures if future.done()]
    error = next(filter(None, errors), None)
    if error is not None:
        try:
            raise error
        finally:  # the error holds this frame, which is not to hold the error
            del futures, errors, error


def _cancel(futures: list[Future[TranscriptionResult]]) -> None:
    """Lets go of futures, so that an error that they hold does not hold them."""
    for future in futures:
        future.cancel()
    futures.clear()


def _outcome(future: Future[TranscriptionResult]) -> Outcome:
    error = future.exception()
    if error is None:
        return future.result()
    assert isinstance(error, Exception)
    return error


def is_one_recording(sources: object) -> bool:
    """Whether this is one recording (a path, bytes, a binary file, samples), not many.

    Arrays and columns that hold text or objects are many: paths, not samples.
    """
    if isinstance(sources, str | bytes | bytearray | memoryview | os.PathLike):
        return True
    if hasattr(sources, "read") or is_rated(sources):
        return True
    if hasattr(sources, "__array__"):
        return getattr(getattr(sources, "dtype", None), "kind", None) not in ("O", "U", "T")
    return not isinstance(sources, Iterable)


def _caught(call: Callable[[], T]) -> T | Exception:
    """What the call returns, or what it raises."""
    try:
        return call()
    except Exception as error:
        # The error may live as long as the results: let it not hold the tensors it was raised over.
        traceback.clear_frames(error.__traceback__)
        return error


def _loaded_ahead(
    sources: Iterable[AudioSource], count: int, load: Callable[[AudioSource], T]
) -> Generator[list[T], None, None]:
    """Windows of ``count`` loaded recordings; while one is in use, a thread loads the next.

    The sources themselves are drawn in the caller's thread: a generator may be bound to it.
    """
    remaining = iter(sources)
    chunks = iter(lambda: list(islice(remaining, count)), [])
    window = [load(source) for source in next(chunks, [])]
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gigaam-audio")
    try:
        for chunk in chunks:
            upcoming = pool.map(load, chunk)
            yield window
            window = list(upcoming)
        yield window
    finally:
        pool.shutdown(cancel_futures=True)


def _plain(text: str) -> str:
    """The text, however many spaces lie between its words."""
    return " ".join(text.split())
