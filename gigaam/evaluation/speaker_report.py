"""How well a recogniser tells who says what: DER, cpWER, counts of speakers, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gigaam.dataset.manifests import Utterance
from gigaam.evaluation.bootstrap import DEFAULT_OPTIONS, BootstrapOptions, Interval, pooled_rate
from gigaam.evaluation.conversations import Conversation
from gigaam.evaluation.outcomes import (
    EvaluationRun,
    by_column,
    failure_to_dict,
    number,
    place_to_dict,
)
from gigaam.evaluation.recognition_report import Rate, RecognitionReport, report_recognition
from gigaam.evaluation.scoring import Edits
from gigaam.evaluation.speaker_errors import DiarizationErrors, cpwer, der, texts_by_speaker
from gigaam.evaluation.speaker_references import SpeakerReference
from gigaam.speakers.turns import Turn

__all__ = [
    "DiarizationRate",
    "Diarized",
    "SpeakerReport",
    "SpeakerScores",
    "report_speakers",
]


class DiarizationRate(NamedTuple):
    """A diarization error rate (DER), without a collar, overlaps included.

    Attributes:
        errors: The seconds it is computed from.
        interval: Its 95 % confidence interval.
    """

    errors: DiarizationErrors
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain data; undefined values are None."""
        return {
            "rate": number(self.errors.rate),
            "interval": [number(bound) for bound in self.interval],
            **_seconds(self.errors),
        }


def _seconds(errors: DiarizationErrors) -> dict[str, Any]:
    return {
        "length_s": number(errors.whole),
        "missed_s": number(errors.missed),
        "false_alarm_s": number(errors.false_alarm),
        "confused_s": number(errors.confused),
    }


@dataclass(frozen=True)
class SpeakerScores:
    """Error rates of a set or a group.

    Attributes:
        utterances: Number of recordings heard.
        duration_s: Their total length, in seconds.
        der: Speaker time that is wrong.
        counted_right: Recordings in which as many people were heard as speak.
        cpwer: Word errors, each speaker's words in one text; None if no words are known.
        utterances_with_words: Number of recordings whose words are known.
    """

    utterances: int
    duration_s: float
    der: DiarizationRate
    counted_right: int
    cpwer: Rate | None
    utterances_with_words: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "utterances": self.utterances,
            "duration_s": number(self.duration_s),
            "der": self.der.to_dict(),
            "counted_right": self.counted_right,
            "cpwer": self.cpwer and self.cpwer.to_dict(),
            "utterances_with_words": self.utterances_with_words,
        }


@dataclass(frozen=True)
class Diarized:
    """A recording, what was heard in it, and what is wrong with that.

    Attributes:
        utterance: The recording.
        reference: What is true of its speakers.
        heard: Words and turns that were heard.
        errors: Speaker time that is wrong.
        words: Edits of each speaker's words; None if they are not known.
    """

    utterance: Utterance
    reference: SpeakerReference
    heard: Conversation
    errors: DiarizationErrors
    words: Edits | None

    @property
    def is_counted_right(self) -> bool:
        """Whether as many people were heard as speak."""
        return self.heard.n_speakers == self.reference.n_speakers

    def to_dict(self) -> dict[str, Any]:
        """Plain data; texts are normalised."""
        words = self.reference.words
        return {
            **place_to_dict(self.utterance),
            "der": number(self.errors.rate),
            **_seconds(self.errors),
            "speakers": self.reference.n_speakers,
            "speakers_heard": self.heard.n_speakers,
            "cpwer": None if self.words is None else number(self.words.rate),
            "turns": [_turn_to_dict(turn) for turn in self.heard.turns],
            "reference": None if words is None else _by_name(texts_by_speaker(words)),
            "hypothesis": _by_name(texts_by_speaker(self.heard.words)),
        }


def _turn_to_dict(turn: Turn) -> dict[str, Any]:
    return {"start": number(turn.start), "end": number(turn.end), "speaker": turn.speaker}


def _by_name(texts: Mapping[str | None, str]) -> dict[str, str]:
    return {speaker or "": text for speaker, text in texts.items()}


@dataclass(frozen=True)
class SpeakerReport:
    """The report on one manifest.

    Attributes:
        manifest: Path of the manifest.
        run: What was heard, failures and time.
        results: The recordings heard, in the manifest's order.
        scores: Scores of the whole manifest.
        by: Column whose values make the groups, if any.
        groups: Scores by the values of that column, sorted.
        recognition: The report on the texts, whoever says them; None without transcriptions.
    """

    manifest: str
    run: EvaluationRun[Conversation]
    results: Sequence[Diarized]
    scores: SpeakerScores
    by: str | None
    groups: Mapping[str, SpeakerScores]
    recognition: RecognitionReport | None

    def worst(self, n: int) -> list[Diarized]:
        """At most `n` results with errors, the highest DER first."""

        def badness(result: Diarized) -> tuple[float, float, int]:
            whole = result.errors.whole
            rate = result.errors.part / whole if whole else math.inf
            return rate, result.errors.part, result.words.errors if result.words else 0

        def is_faulty(result: Diarized) -> bool:
            return result.errors.part > 0 or bool(result.words and result.words.errors)

        return sorted(filter(is_faulty, self.results), key=badness, reverse=True)[:n]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "task": "speakers",
            "manifest": self.manifest,
            "failed": len(self.run.failures),
            "recognition_s": number(self.run.elapsed_s),
            "rtfx": number(self.run.rtfx),
            **self.scores.to_dict(),
            "by": self.by,
            "groups": {value: scores.to_dict() for value, scores in self.groups.items()},
            "results": [result.to_dict() for result in self.results],
            "failures": [failure_to_dict(*failure) for failure in self.run.failures],
            "recognition": self.recognition and self.recognition.to_dict(),
        }


def report_speakers(
    manifest: str,
    run: EvaluationRun[Conversation],
    references: Mapping[int, SpeakerReference],
    by: str | None = None,
    intervals: BootstrapOptions = DEFAULT_OPTIONS,
) -> SpeakerReport:
    """The report on a recogniser that told speakers apart.

    Args:
        manifest: Path of the manifest.
        run: What was heard.
        references: Line of the manifest → what is true of that recording.
        by: Column whose values make groups.
        intervals: How intervals are computed.

    Raises:
        MissingDependencyError: A package that counts errors is not installed.
    """
    results = [
        _diarized(utterance, references[utterance.line], it) for utterance, it in run.results
    ]
    groups = by_column(results, [each.utterance for each in results], by)
    return SpeakerReport(
        manifest=manifest,
        run=run,
        results=results,
        scores=_score(results, intervals),
        by=by,
        groups={value: _score(group, intervals) for value, group in groups.items()},
        recognition=_recognition(manifest, run, by, intervals),
    )


def _diarized(utterance: Utterance, reference: SpeakerReference, heard: Conversation) -> Diarized:
    words = None if reference.words is None else cpwer(reference.words, heard.words)
    return Diarized(utterance, reference, heard, der(reference.turns, heard.turns), words)


def _recognition(
    manifest: str, run: EvaluationRun[Conversation], by: str | None, intervals: BootstrapOptions
) -> RecognitionReport | None:
    """The report on the texts of all utterances, if any has a transcription."""
    if not any(utterance.text.strip() for utterance, _ in run.results):
        return None
    texts = [(utterance, heard.text) for utterance, heard in run.results]
    told = EvaluationRun(texts, run.failures, run.elapsed_s)
    return report_recognition(manifest, told, by, intervals)


def _score(results: Sequence[Diarized], intervals: BootstrapOptions) -> SpeakerScores:
    errors = [each.errors for each in results]
    _, interval = pooled_rate(
        [each.part for each in errors], [each.whole for each in errors], intervals
    )
    words = [each.words for each in results if each.words is not None]
    _, word_interval = pooled_rate(
        [each.errors for each in words], [each.length for each in words], intervals
    )
    return SpeakerScores(
        utterances=len(results),
        duration_s=sum(each.utterance.duration_s for each in results),
        der=DiarizationRate(sum(errors, DiarizationErrors()), interval),
        counted_right=sum(each.is_counted_right for each in results),
        cpwer=Rate(sum(words, Edits()), word_interval) if words else None,
        utterances_with_words=len(words),
    )
