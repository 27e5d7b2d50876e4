"""Evaluation: a model over a manifest of recordings, and what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.decoding import DecodingOptions
from gigaam.errors import ArgumentError, DatasetError
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions
from gigaam.evaluation.conversations import Conversation, hear_conversation
from gigaam.evaluation.emotion_report import (
    EMOTION_COLUMN,
    EmotionReport,
    check_emotions,
    report_emotions,
)
from gigaam.evaluation.outcomes import EvaluationRun, check_column
from gigaam.evaluation.recognition_report import RecognitionReport, report_recognition
from gigaam.evaluation.report_text import Report
from gigaam.evaluation.scoring import require_jiwer
from gigaam.evaluation.speaker_errors import require_simpleder
from gigaam.evaluation.speaker_references import SpeakerReference, read_references
from gigaam.evaluation.speaker_report import SpeakerReport, report_speakers
from gigaam.quoting import counted
from gigaam.recognition import SpeechRecognition
from gigaam.recognition.chunking import LONGEST_PASS_S
from gigaam.recognition.scheduler import WINDOW_BATCHES
from gigaam.speakers import SpeakerCount, SpeakerDiarizer, Speakers, diarizer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmotionModel", "OnDone", "evaluate"]

logger = logging.getLogger(__name__)

OnDone = Callable[[float], Any]
"""Told the seconds of each utterance that is done."""

T = TypeVar("T")

_BEYOND_S = 1.0  # that a reference may go on after the end, as edges are set by hand


class EmotionModel(Protocol):
    """What tells emotions, whatever runs its nets."""

    def get_probs(
        self, wav_file: NDArray[np.float32], input_rate: int | None = None
    ) -> dict[str, float]:
        """Probability of each emotion of a recording."""


@overload
def evaluate(
    model: SpeechRecognition,
    manifest: str | Path,
    *,
    by: str | None = ...,
    batch_size: int = ...,
    intervals: BootstrapOptions = ...,
    on_done: OnDone = ...,
    decoding: DecodingOptions | None = ...,
    speakers: None = ...,
) -> RecognitionReport: ...


@overload
def evaluate(
    model: SpeechRecognition,
    manifest: str | Path,
    *,
    by: str | None = ...,
    batch_size: int = ...,
    intervals: BootstrapOptions = ...,
    on_done: OnDone = ...,
    decoding: DecodingOptions | None = ...,
    speakers: Speakers,
) -> SpeakerReport: ...


@overload
def evaluate(
    model: EmotionModel,
    manifest: str | Path,
    *,
    by: str | None = ...,
    batch_size: int = ...,
    intervals: BootstrapOptions = ...,
    on_done: OnDone = ...,
    decoding: DecodingOptions | None = ...,
    speakers: None = ...,
) -> EmotionReport: ...


@overload
def evaluate(
    model: SpeechRecognition | EmotionModel,
    manifest: str | Path,
    *,
    by: str | None = ...,
    batch_size: int = ...,
    intervals: BootstrapOptions = ...,
    on_done: OnDone = ...,
    decoding: DecodingOptions | None = ...,
    speakers: Speakers | None = ...,
) -> Report: ...


def evaluate(
    model: SpeechRecognition | EmotionModel,
    manifest: str | Path,
    *,
    by: str | None = None,
    batch_size: int = 8,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
    on_done: OnDone = lambda duration_s: None,
    decoding: DecodingOptions | None = None,
    speakers: Speakers | None = None,
) -> Report:
    """How well a model does on the recordings of a manifest.

    Recordings that fail are in the report; the rest go on. Utterances over 30 seconds are
    recognised by ``transcribe_longform``, and all are if speakers are told apart.

    Args:
        model: A recogniser, for a manifest with transcriptions, or an emotion model, for one with
            a column ``emotion``; of torch or exported.
        manifest: A ``.tsv`` or ``.jsonl`` file, see `gigaam.dataset.manifests`.
        by: A further column, by whose values results are also reported.
        batch_size: Recordings per pass of the encoder.
        intervals: How the intervals of 95 % are found.
        on_done: Told the seconds of each utterance that is done.
        decoding: How a recogniser searches for tokens.
        speakers: Tells speakers apart, as in `SpeechRecognition.transcribe_longform`, and reports
            who was taken for whom. Each recording needs a file with its turns (column ``rttm``) or
            with the words of each speaker (``stm``, ``seglst``), and no transcription.

    Raises:
        DatasetError: The manifest, or a file with speakers that it names, is not what it should be.
        ArgumentError: It has no column `by`, an emotion model is to search for tokens or to tell
            speakers apart, or a recogniser for more than one text of an utterance.
        MissingDependencyError: A package that counts errors, or tells speakers apart, is missing.
    """
    required = () if speakers is not None else (_required_column(model),)
    utterances = read_manifest(manifest, required=required)
    if not utterances:
        raise DatasetError(f"{manifest} holds no utterances")
    if by is not None:
        check_column(utterances, by)
    if not isinstance(model, SpeechRecognition):
        _refuse_for_emotions(decoding, speakers)
        told = _classify(model, str(manifest), utterances, on_done)
        return report_emotions(str(manifest), told, by, intervals)
    require_jiwer()  # not after hours
    if decoding is not None and decoding.n_best > 1:
        raise ArgumentError("n_best means nothing here: one text of an utterance is compared")
    if speakers is not None:
        require_simpleder()
        references = read_references(utterances)
        _tell_of_unread_columns(manifest, utterances)
        if any(utterance.text.strip() for utterance in utterances):
            _tell_of_silence(manifest, utterances)
        told_apart = _converse(
            model, utterances, diarizer_of(speakers), batch_size, decoding, on_done
        )
        _tell_of_what_is_beyond(manifest, told_apart, references)
        return report_speakers(str(manifest), told_apart, references, by, intervals)
    _tell_of_silence(manifest, utterances)
    heard = _recognize(model, utterances, batch_size, decoding, on_done)
    return report_recognition(str(manifest), heard, by, intervals)


def _required_column(model: SpeechRecognition | EmotionModel) -> str:
    return "transcription" if isinstance(model, SpeechRecognition) else EMOTION_COLUMN


def _refuse_for_emotions(decoding: DecodingOptions | None, speakers: Speakers | None) -> None:
    if decoding is not None:
        raise ArgumentError(
            "hotwords, a language model and a beam are for recognisers; this is an emotion model"
        )
    if speakers is not None:
        raise ArgumentError("speakers are for recognisers; this is an emotion model")


def _tell_of_unread_columns(manifest: str | Path, utterances: Sequence[Utterance]) -> None:
    """Warns of stretches that are not to be scored."""
    for name in ("uem", "uem_filepath"):
        if any(utterance.columns.get(name, "").strip() for utterance in utterances):
            logger.warning("%s: %s is not read: all of each recording is scored", manifest, name)


def _tell_of_what_is_beyond(
    manifest: str | Path,
    run: EvaluationRun[Conversation],
    references: Mapping[int, SpeakerReference],
) -> None:
    """Warns of references that go on after the end: they may be of another recording."""
    for utterance, _ in run.results:
        end_s = max((turn.end for turn in references[utterance.line].turns), default=0.0)
        if end_s > utterance.duration_s + _BEYOND_S:
            logger.warning(
                "%s, line %d: speakers are said to speak until %.1f s, but there are %.1f s of "
                "sound: is this of another recording?",
                manifest,
                utterance.line,
                end_s,
                utterance.duration_s,
            )


def _tell_of_silence(manifest: str | Path, utterances: Sequence[Utterance]) -> None:
    """Warns of utterances without a transcription: it may only be missing."""
    silent = [utterance for utterance in utterances if not utterance.text.strip()]
    if silent:
        logger.warning(
            "%s: no transcription in %d of %s (line %d%s): anything heard there counts as inserted",
            manifest,
            len(silent),
            counted(len(utterances), "utterance"),
            silent[0].line,
            " first" if len(silent) > 1 else "",
        )


class _Notes(Generic[T]):
    """Takes down what comes of utterances, in any order.

    Args:
        utterances: All of them.
        on_done: Told the seconds of each that is done.
    """

    def __init__(self, utterances: Sequence[Utterance], on_done: OnDone) -> None:
        self._utterances = list(utterances)
        self._on_done = on_done
        self._outcomes: dict[int, T | Exception] = {}
        self._elapsed_s = 0.0

    def measure(self, index: int, n_samples: int) -> None:
        """Takes down how long an utterance is, should only its file have known."""
        if self._utterances[index].to_end:
            self._utterances[index] = replace(self._utterances[index], n_samples=n_samples)

    def take(self, index: int, outcome: T | Exception) -> None:
        """Takes a result or a failure."""
        self._outcomes[index] = outcome
        self._on_done(self._utterances[index].duration_s)

    @contextmanager
    def model_at_work(self) -> Iterator[None]:
        """Books the time in the context as the model's."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._elapsed_s += time.perf_counter() - began

    def run(self) -> EvaluationRun[T]:
        """Everything taken, in the manifest's order."""
        results: list[tuple[Utterance, T]] = []
        failures: list[tuple[Utterance, Exception]] = []
        for index, utterance in enumerate(self._utterances):
            outcome = self._outcomes[index]
            if isinstance(outcome, Exception):
                failures.append((utterance, outcome))
            else:
                results.append((utterance, outcome))
        return EvaluationRun(results, failures, self._elapsed_s)


def _recognize(
    model: SpeechRecognition,
    utterances: Sequence[Utterance],
    batch_size: int,
    decoding: DecodingOptions | None,
    on_done: OnDone,
) -> EvaluationRun[str]:
    """What the model hears in each utterance."""
    notes: _Notes[str] = _Notes(utterances, on_done)
    window: dict[int, NDArray[np.float32]] = {}

    def longform(samples: NDArray[np.float32]) -> str:
        return model.transcribe_longform(
            samples, batch_size=batch_size, input_rate=SAMPLE_RATE, decoding=decoding
        ).text

    def empty_window() -> None:
        with notes.model_at_work():
            texts = model.transcribe(
                list(window.values()),
                batch_size=batch_size,
                on_error="return",
                input_rate=SAMPLE_RATE,
                decoding=decoding,
            )
        for index, text in zip(window, texts, strict=True):
            notes.take(index, text if isinstance(text, Exception) else str(text))
        window.clear()

    for index, samples in iter_excerpts(utterances):
        if isinstance(samples, Exception):
            notes.take(index, samples)
            continue
        notes.measure(index, len(samples))
        if len(samples) > LONGEST_PASS_S * SAMPLE_RATE:
            with notes.model_at_work():
                outcome = _caught(longform, samples)
            notes.take(index, outcome)
        else:
            window[index] = samples
            if len(window) == batch_size * WINDOW_BATCHES:
                empty_window()
    if window:
        empty_window()
    return notes.run()


def _converse(
    model: SpeechRecognition,
    utterances: Sequence[Utterance],
    speakers: tuple[SpeakerDiarizer, SpeakerCount],
    batch_size: int,
    decoding: DecodingOptions | None,
    on_done: OnDone,
) -> EvaluationRun[Conversation]:
    """What the model hears in each utterance, and who speaks in it."""

    def hear(samples: NDArray[np.float32]) -> Conversation:
        return hear_conversation(model, samples, speakers, batch_size, decoding)

    return _one_by_one(utterances, hear, on_done)


def _classify(
    model: EmotionModel, manifest: str, utterances: Sequence[Utterance], on_done: OnDone
) -> EvaluationRun[Mapping[str, float]]:
    """What the model tells of each utterance."""

    def check(probabilities: Mapping[str, float]) -> None:
        check_emotions(manifest, utterances, list(probabilities))  # not after hours

    def hear(samples: NDArray[np.float32]) -> Mapping[str, float]:
        return model.get_probs(samples, input_rate=SAMPLE_RATE)

    return _one_by_one(utterances, hear, on_done, check)


def _one_by_one(
    utterances: Sequence[Utterance],
    hear: Callable[[NDArray[np.float32]], T],
    on_done: OnDone,
    check_first: Callable[[T], None] = lambda outcome: None,
) -> EvaluationRun[T]:
    """What comes of each utterance by itself; the first result is checked before all others."""
    notes: _Notes[T] = _Notes(utterances, on_done)
    checked = False
    for index, samples in iter_excerpts(utterances):
        outcome: T | Exception
        if isinstance(samples, Exception):
            outcome = samples
        else:
            notes.measure(index, len(samples))
            with notes.model_at_work():
                outcome = _caught(hear, samples)
        if not checked and not isinstance(outcome, Exception):
            check_first(outcome)
            checked = True
        notes.take(index, outcome)
    return notes.run()


def _caught(
    hear: Callable[[NDArray[np.float32]], T], samples: NDArray[np.float32]
) -> T | Exception:
    try:
        return hear(samples)
    except Exception as error:
        return error
