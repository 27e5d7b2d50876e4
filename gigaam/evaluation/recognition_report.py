"""How well a recogniser does on a manifest: error rates with intervals, groups, the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.manifests import Utterance
from gigaam.dataset.text import normalize_text
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, bootstrap
from gigaam.evaluation.outcomes import (
    EvaluationRun,
    by_column,
    failure_to_dict,
    number,
    place_to_dict,
)
from gigaam.evaluation.scoring import Comparison, Edits, compare, tidy_text

__all__ = ["Rate", "RecognitionReport", "RecognitionScores", "Recognized", "report_recognition"]


class Rate(NamedTuple):
    """An error rate.

    Attributes:
        edits: The edits it is computed from.
        interval: Its 95 % confidence interval.
    """

    edits: Edits
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain data; undefined values are None."""
        return {
            "rate": number(self.edits.rate),
            "interval": [number(bound) for bound in self.interval],
            "length": self.edits.length,
            "substitutions": self.edits.substitutions,
            "deletions": self.edits.deletions,
            "insertions": self.edits.insertions,
        }


@dataclass(frozen=True)
class RecognitionScores:
    """Error rates of a set or a group.

    Attributes:
        utterances: Number of utterances recognised.
        duration_s: Their total length, in seconds.
        raw_wer: Word error rate, both sides normalised (`gigaam.dataset.text.normalize_text`).
        raw_cer: Character error rate, both sides normalised.
        end_to_end_wer: Word error rate with case and punctuation kept.
        end_to_end_cer: Character error rate with case and punctuation kept.
    """

    utterances: int
    duration_s: float
    raw_wer: Rate
    raw_cer: Rate
    end_to_end_wer: Rate
    end_to_end_cer: Rate

    @property
    def is_punctuated(self) -> bool:
        """Whether case and punctuation make a difference."""
        raw = (self.raw_wer.edits, self.raw_cer.edits)
        return raw != (self.end_to_end_wer.edits, self.end_to_end_cer.edits)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "utterances": self.utterances,
            "duration_s": number(self.duration_s),
            "raw": {"wer": self.raw_wer.to_dict(), "cer": self.raw_cer.to_dict()},
            "end_to_end": {
                "wer": self.end_to_end_wer.to_dict(),
                "cer": self.end_to_end_cer.to_dict(),
            },
        }


@dataclass(frozen=True)
class Recognized:
    """An utterance and the text recognised in it.

    Attributes:
        utterance: The utterance, with its reference.
        text: The recognised text.
        raw: Comparison of reference and text, both normalised.
        end_to_end: Comparison with case and punctuation kept.
    """

    utterance: Utterance
    text: str
    raw: Comparison
    end_to_end: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Plain data; texts are not normalised."""
        return {
            **place_to_dict(self.utterance),
            "reference": self.utterance.text,
            "hypothesis": self.text,
            "wer": number(self.raw.words.rate),
            "cer": number(self.raw.characters.rate),
        }


@dataclass(frozen=True)
class RecognitionReport:
    """The report on one manifest.

    Attributes:
        manifest: Path of the manifest.
        run: Results, failures and time.
        results: The recognised utterances, in the manifest's order.
        scores: Scores of the whole manifest.
        by: Column whose values make the groups, if any.
        groups: Scores by the values of that column, sorted.
    """

    manifest: str
    run: EvaluationRun[str]
    results: Sequence[Recognized]
    scores: RecognitionScores
    by: str | None
    groups: Mapping[str, RecognitionScores]

    @property
    def heard(self) -> EvaluationRun[str]:
        """The former name of `run`."""
        return self.run

    def worst(self, n: int) -> list[Recognized]:
        """At most `n` results with errors, the highest word error rate first."""

        def badness(result: Recognized) -> tuple[float, int, int]:
            words = result.raw.words
            return words.errors / max(words.length, 1), words.errors, result.raw.characters.errors

        faulty = [result for result in self.results if result.raw.words.errors]
        return sorted(faulty, key=badness, reverse=True)[:n]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "task": "recognition",
            "manifest": self.manifest,
            "failed": len(self.run.failures),
            "recognition_s": number(self.run.elapsed_s),
            "rtfx": number(self.run.rtfx),
            **self.scores.to_dict(),
            "by": self.by,
            "groups": {value: scores.to_dict() for value, scores in self.groups.items()},
            "results": [result.to_dict() for result in self.results],
            "failures": [failure_to_dict(*failure) for failure in self.run.failures],
        }


def report_recognition(
    manifest: str,
    run: EvaluationRun[str],
    by: str | None = None,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
) -> RecognitionReport:
    """The report on a recogniser's run over a manifest.

    Args:
        manifest: Path of the manifest.
        run: Recognised texts.
        by: Column whose values make groups.
        intervals: How intervals are computed.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    utterances = [utterance for utterance, _ in run.results]
    texts = [text for _, text in run.results]
    raw = compare(
        [normalize_text(each.text) for each in utterances], [normalize_text(text) for text in texts]
    )
    end_to_end = compare(
        [tidy_text(each.text) for each in utterances], [tidy_text(text) for text in texts]
    )
    results = [Recognized(*each) for each in zip(utterances, texts, raw, end_to_end, strict=True)]
    groups = by_column(results, [each.utterance for each in results], by)
    return RecognitionReport(
        manifest=manifest,
        run=run,
        results=results,
        scores=_score(results, intervals),
        by=by,
        groups={value: _score(group, intervals) for value, group in groups.items()},
    )


def _score(results: Sequence[Recognized], intervals: BootstrapOptions) -> RecognitionScores:
    measured = [
        (each.raw.words, each.raw.characters, each.end_to_end.words, each.end_to_end.characters)
        for each in results
    ]
    counts = [[(edits.errors, edits.length) for edits in row] for row in measured]
    table = np.array(counts, np.float64).reshape(len(results), 4, 2)

    def rates(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        errors, length = table[drawn].sum(0).T
        undefined = np.full(len(length), np.nan)
        divided: NDArray[np.float64] = np.divide(errors, length, out=undefined, where=length > 0)
        return divided

    bounds = bootstrap(len(results), rates, intervals) or [Interval(np.nan, np.nan)] * 4
    edits = [sum(column, Edits()) for column in zip(*measured, strict=True)] or [Edits()] * 4
    return RecognitionScores(
        len(results),
        sum(each.utterance.duration_s for each in results),
        *(Rate(*each) for each in zip(edits, bounds, strict=True)),
    )
