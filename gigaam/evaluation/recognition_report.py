"""How well a recogniser did on a set: error rates with intervals, by groups, the worst of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.manifests import Utterance
from gigaam.dataset.text import normalize_text
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, bootstrap
from gigaam.evaluation.outcomes import Heard, by_column, failure_to_dict, number, place_to_dict
from gigaam.evaluation.scoring import Comparison, Edits, compare, tidy_text

__all__ = ["Rate", "RecognitionReport", "RecognitionScores", "Recognized", "report_recognition"]


class Rate(NamedTuple):
    """An error rate.

    Attributes:
        edits: What it is made of.
        interval: Where it lies with a probability of 95 %.
    """

    edits: Edits
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not defined is None."""
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
        utterances: How many were recognised.
        duration_s: Their length in all, in seconds.
        raw_wer: Of words, both sides normalised (`gigaam.dataset.text.normalize_text`).
        raw_cer: Of characters, both sides normalised.
        end_to_end_wer: Of words with their case and punctuation.
        end_to_end_cer: Of characters with case and punctuation.
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
    """An utterance and what was heard.

    Attributes:
        utterance: What was said, and where.
        text: What was heard.
        raw: Both normalised.
        end_to_end: Both with case and punctuation.
    """

    utterance: Utterance
    text: str
    raw: Comparison
    end_to_end: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Plain data; texts as they are."""
        return {
            **place_to_dict(self.utterance),
            "reference": self.utterance.text,
            "hypothesis": self.text,
            "wer": number(self.raw.words.rate),
            "cer": number(self.raw.characters.rate),
        }


@dataclass(frozen=True)
class RecognitionReport:
    """Everything about one manifest.

    Attributes:
        manifest: Its path.
        heard: Results and failures.
        results: What was heard, in the manifest's order.
        scores: Of the whole set.
        by: Column whose values make the groups, if any.
        groups: Scores by the values of that column, in order.
    """

    manifest: str
    heard: Heard[str]
    results: Sequence[Recognized]
    scores: RecognitionScores
    by: str | None
    groups: Mapping[str, RecognitionScores]

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
            "failed": len(self.heard.failures),
            "recognition_s": number(self.heard.elapsed_s),
            "rtfx": number(self.heard.rtfx),
            **self.scores.to_dict(),
            "by": self.by,
            "groups": {value: scores.to_dict() for value, scores in self.groups.items()},
            "results": [result.to_dict() for result in self.results],
            "failures": [failure_to_dict(*failure) for failure in self.heard.failures],
        }


def report_recognition(
    manifest: str,
    heard: Heard[str],
    by: str | None = None,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
) -> RecognitionReport:
    """The report on what was heard.

    Args:
        manifest: Its path.
        heard: Texts of its utterances.
        by: Column whose values make groups.
        intervals: How they are found.

    Raises:
        MissingDependencyError: The jiwer package is not installed.
    """
    utterances = [utterance for utterance, _ in heard.results]
    texts = [text for _, text in heard.results]
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
        heard=heard,
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
