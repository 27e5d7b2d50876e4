"""How well a model recognises emotions: accuracies, F1, and which are taken for which.

Legend: n recordings, C emotions. A confusion matrix is int64 [C, C], a row per true emotion, a
column per predicted one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.manifests import Utterance
from gigaam.errors import DatasetError
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, bootstrap
from gigaam.evaluation.outcomes import (
    EvaluationRun,
    by_column,
    failure_to_dict,
    number,
    place_to_dict,
)

__all__ = [
    "EMOTION_COLUMN",
    "FIGURES",
    "Classified",
    "EmotionReport",
    "EmotionScores",
    "figures",
    "report_emotions",
]

EMOTION_COLUMN = "emotion"
"""The manifest's column of true emotions, by the names that the model has for them."""

FIGURES = ("unweighted_accuracy", "weighted_accuracy", "macro_f1")
"""What `figures` returns, in this order."""


def figures(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Unweighted and weighted accuracy and macro F1, float64 [3]; NaN without recordings.

    Unweighted accuracy is the mean over the true emotions of the fraction recognised, weighted
    accuracy the fraction of all recordings recognised. F1 is averaged over the emotions that are
    true or predicted anywhere.

    Args:
        confusion: int64 [C, C].
    """
    right, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    if not true.sum():
        return np.full(len(FIGURES), np.nan)
    recall = right[true > 0] / true[true > 0]
    occurring = true + predicted > 0
    f1 = 2 * right[occurring] / (true + predicted)[occurring]
    return np.array([recall.mean(), right.sum() / true.sum(), f1.mean()])


@dataclass(frozen=True)
class EmotionScores:
    """Figures of a set or a group.

    Attributes:
        utterances: Number of utterances classified.
        values: Values of `FIGURES`.
        intervals: Their 95 % confidence intervals.
        confusion: int64 [C, C].
    """

    utterances: int
    values: tuple[float, ...]
    intervals: tuple[Interval, ...]
    confusion: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; undefined values are None."""
        measured = zip(FIGURES, self.values, self.intervals, strict=True)
        return {
            "utterances": self.utterances,
            **{
                name: {"value": number(value), "interval": [number(bound) for bound in interval]}
                for name, value, interval in measured
            },
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class Classified:
    """A recording and the model's result for it.

    Attributes:
        utterance: The recording, with its true emotion.
        probabilities: Probability of each emotion.
    """

    utterance: Utterance
    probabilities: Mapping[str, float]

    @property
    def true(self) -> str:
        """The true emotion."""
        return self.utterance.columns[EMOTION_COLUMN]

    @property
    def told(self) -> str:
        """The predicted emotion: the most probable one."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        probabilities = {name: number(each) for name, each in self.probabilities.items()}
        return {
            **place_to_dict(self.utterance),
            "emotion": self.true,
            "told": self.told,
            "probabilities": probabilities,
        }


@dataclass(frozen=True)
class EmotionReport:
    """The report on one manifest.

    Attributes:
        manifest: Path of the manifest.
        run: Probabilities, failures and time.
        emotions: Names of the C rows and columns of confusion matrices.
        results: The classified recordings, in the manifest's order.
        scores: Scores of the whole manifest.
        by: Column whose values make the groups, if any.
        groups: Scores by the values of that column, sorted.
    """

    manifest: str
    run: EvaluationRun[Mapping[str, float]]
    emotions: Sequence[str]
    results: Sequence[Classified]
    scores: EmotionScores
    by: str | None
    groups: Mapping[str, EmotionScores]

    @property
    def heard(self) -> EvaluationRun[Mapping[str, float]]:
        """The former name of `run`."""
        return self.run

    def worst(self, n: int) -> list[Classified]:
        """At most `n` mistakes, the most confident first."""
        mistakes = [result for result in self.results if result.told != result.true]
        return sorted(mistakes, key=lambda each: -max(each.probabilities.values()))[:n]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "task": "emotion",
            "manifest": self.manifest,
            "failed": len(self.run.failures),
            "duration_s": number(self.run.duration_s),
            "recognition_s": number(self.run.elapsed_s),
            "rtfx": number(self.run.rtfx),
            "emotions": list(self.emotions),
            **self.scores.to_dict(),
            "by": self.by,
            "groups": {value: scores.to_dict() for value, scores in self.groups.items()},
            "results": [result.to_dict() for result in self.results],
            "failures": [failure_to_dict(*failure) for failure in self.run.failures],
        }


def check_emotions(manifest: str, utterances: Sequence[Utterance], emotions: Sequence[str]) -> None:
    """Checks that the model knows every true emotion.

    Args:
        manifest: Path of the manifest.
        utterances: The manifest's utterances.
        emotions: The model's emotions.

    Raises:
        DatasetError: The model does not know one, or one is missing.
    """
    for utterance in utterances:
        emotion = utterance.columns.get(EMOTION_COLUMN, "")
        if emotion not in emotions:
            raise DatasetError(
                f"{manifest}, line {utterance.line}: {EMOTION_COLUMN} is {emotion!r}, not one of "
                f"the model's: {', '.join(emotions)}"
            )


def report_emotions(
    manifest: str,
    run: EvaluationRun[Mapping[str, float]],
    by: str | None = None,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
) -> EmotionReport:
    """The report on an emotion model's run over a manifest.

    Args:
        manifest: Path of the manifest.
        run: Probabilities of emotions; the true ones have been checked.
        by: Column whose values make groups.
        intervals: How intervals are computed.
    """
    emotions = list(run.results[0][1]) if run.results else []
    results = [Classified(*each) for each in run.results]
    groups = by_column(results, [each.utterance for each in results], by)
    return EmotionReport(
        manifest=manifest,
        run=run,
        emotions=emotions,
        results=results,
        scores=_score(results, emotions, intervals),
        by=by,
        groups={value: _score(group, emotions, intervals) for value, group in groups.items()},
    )


def _score(
    results: Sequence[Classified], emotions: Sequence[str], intervals: BootstrapOptions
) -> EmotionScores:
    n = len(emotions)
    pairs = [emotions.index(each.true) * n + emotions.index(each.told) for each in results]
    cells = np.array(pairs, np.int64)

    def confusion(drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(drawn, minlength=n * n).reshape(n, n).astype(np.int64)

    matrix = confusion(cells)
    bounds = bootstrap(len(cells), lambda drawn: figures(confusion(cells[drawn])), intervals)
    return EmotionScores(
        utterances=len(results),
        values=tuple(figures(matrix).tolist()),
        intervals=tuple(bounds) or (Interval(np.nan, np.nan),) * len(FIGURES),
        confusion=matrix,
    )
