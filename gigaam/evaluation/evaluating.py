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
from gigaam.evaluation.emotion_report import (
    EMOTION_COLUMN,
    EmotionReport,
    check_emotions,
    report_emotions,
)
from gigaam.evaluation.outcomes import EvaluationRun, check_column
from gigaam.evaluation.recognition_report import RecognitionReport, report_recognition
from gigaam.evaluation.report_text import counted
from gigaam.evaluation.scoring import require_jiwer
from gigaam.recognition import SpeechRecognition
from gigaam.recognition.chunking import LONGEST_PASS_S
from gigaam.recognition.scheduler import WINDOW_BATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmotionModel", "OnDone", "evaluate"]

logger = logging.getLogger(__name__)

OnDone = Callable[[float], Any]
"""Told the seconds of each utterance that is done."""

T = TypeVar("T")


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
) -> RecognitionReport: ...


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
) -> EmotionReport: ...


def evaluate(
    model: SpeechRecognition | EmotionModel,
    manifest: str | Path,
    *,
    by: str | None = None,
    batch_size: int = 8,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
    on_done: OnDone = lambda duration_s: None,
    decoding: DecodingOptions | None = None,
) -> RecognitionReport | EmotionReport:
    """How well a model does on the recordings of a manifest.

    Recordings that fail are in the report; the rest go on. Utterances over 30 seconds are
    recognised by ``transcribe_longform``.

    Args:
        model: A recogniser, for a manifest with transcriptions, or an emotion model, for one with
            a column ``emotion``; of torch or exported.
        manifest: A ``.tsv`` or ``.jsonl`` file, see `gigaam.dataset.manifests`.
        by: A further column, by whose values results are also reported.
        batch_size: Recordings per pass of the encoder.
        intervals: How the intervals of 95 % are found.
        on_done: Told the seconds of each utterance that is done.
        decoding: How a recogniser searches for tokens.

    Raises:
        DatasetError: The manifest is not what it should be.
        ArgumentError: It has no column `by`, an emotion model is to search for tokens, or a
            recogniser for more than one text of an utterance.
        MissingDependencyError: The jiwer package is not installed (for recognisers).
    """
    column = "transcription" if isinstance(model, SpeechRecognition) else EMOTION_COLUMN
    utterances = read_manifest(manifest, required=(column,))
    if not utterances:
        raise DatasetError(f"{manifest} holds no utterances")
    if by is not None:
        check_column(utterances, by)
    if isinstance(model, SpeechRecognition):
        require_jiwer()  # not after hours
        if decoding is not None and decoding.n_best > 1:
            raise ArgumentError("n_best means nothing here: one text of an utterance is compared")
        _tell_of_silence(manifest, utterances)
        heard = _recognize(model, utterances, batch_size, decoding, on_done)
        return report_recognition(str(manifest), heard, by, intervals)
    if decoding is not None:
        raise ArgumentError(
            "hotwords, a language model and a beam are for recognisers; this is an emotion model"
        )
    told = _classify(model, str(manifest), utterances, on_done)
    return report_emotions(str(manifest), told, by, intervals)


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
                outcome = _longform(model, samples, batch_size, decoding)
            notes.take(index, outcome)
        else:
            window[index] = samples
            if len(window) == batch_size * WINDOW_BATCHES:
                empty_window()
    if window:
        empty_window()
    return notes.run()


def _longform(
    model: SpeechRecognition,
    samples: NDArray[np.float32],
    batch_size: int,
    decoding: DecodingOptions | None,
) -> str | Exception:
    try:
        return model.transcribe_longform(
            samples, batch_size=batch_size, input_rate=SAMPLE_RATE, decoding=decoding
        ).text
    except Exception as error:
        return error


def _classify(
    model: EmotionModel, manifest: str, utterances: Sequence[Utterance], on_done: OnDone
) -> EvaluationRun[Mapping[str, float]]:
    """What the model tells of each utterance."""
    notes: _Notes[Mapping[str, float]] = _Notes(utterances, on_done)
    checked = False
    for index, samples in iter_excerpts(utterances):
        outcome: Mapping[str, float] | Exception
        if isinstance(samples, Exception):
            outcome = samples
        else:
            notes.measure(index, len(samples))
            with notes.model_at_work():
                outcome = _probabilities(model, samples)
        if not checked and not isinstance(outcome, Exception):
            check_emotions(manifest, utterances, list(outcome))  # not after hours
            checked = True
        notes.take(index, outcome)
    return notes.run()


def _probabilities(
    model: EmotionModel, samples: NDArray[np.float32]
) -> Mapping[str, float] | Exception:
    try:
        return model.get_probs(samples, input_rate=SAMPLE_RATE)
    except Exception as error:
        return error
