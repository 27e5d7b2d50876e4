"""Evaluation reports as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TypeAlias

from gigaam.dataset.manifests import Utterance
from gigaam.evaluation.bootstrap import Interval
from gigaam.evaluation.emotion_report import FIGURES, Classified, EmotionReport, EmotionScores
from gigaam.evaluation.outcomes import EvaluationRun
from gigaam.evaluation.recognition_report import (
    Rate,
    RecognitionReport,
    RecognitionScores,
    Recognized,
)
from gigaam.evaluation.scoring import AlignedPart, EditKind
from gigaam.evaluation.speaker_report import DiarizationRate, Diarized, SpeakerReport, SpeakerScores
from gigaam.quoting import counted

__all__ = [
    "FIGURE_NAMES",
    "NOT_DEFINED",
    "RATE_HEADER",
    "TIME_HEADER",
    "Report",
    "aligned_words",
    "mistaken_speakers",
    "named_rates",
    "named_speaker_rates",
    "percent",
    "percent_interval",
    "place",
    "report_lines",
    "seconds_of",
    "speaker_notes",
    "summary",
]

Report: TypeAlias = RecognitionReport | SpeakerReport | EmotionReport

NOT_DEFINED = "–"
WIDTH = 100
"""Width of a line of aligned text, in characters."""

FIGURE_NAMES = dict(
    zip(FIGURES, ("unweighted accuracy", "weighted accuracy", "macro F1"), strict=True)
)


RATE_HEADER = ("in reference", "substituted", "deleted", "inserted")
TIME_HEADER = ("in reference", "missed", "false alarm", "confused")


def report_lines(report: Report, n_worst: int) -> Iterator[str]:
    """The report for people, line by line; failures are counted, not listed.

    Args:
        report: A report by `gigaam.training.evaluate`.
        n_worst: How many of the worst results to show at most.
    """
    yield f"{report.manifest}: {summary(report)}"
    if isinstance(report, RecognitionReport):
        yield from _recognition(report, n_worst)
    elif isinstance(report, SpeakerReport):
        yield from _speakers(report, n_worst)
    else:
        yield from _emotions(report, n_worst)


def summary(report: Report) -> str:
    """How much was processed, how fast, and how much failed."""
    run: EvaluationRun[object] = report.run
    noun = "recording" if isinstance(report, SpeakerReport) else "utterance"
    parts = [counted(len(run.results), noun), f"{clock(run.duration_s)} of sound"]
    if run.results:
        parts.append(f"{run.rtfx:.1f}× real time")
    if run.failures:
        parts.append(f"{len(run.failures)} failed")
    return ", ".join(parts)


def place(utterance: Utterance) -> str:
    """Where an utterance is: its file, and its offset unless it begins with the file."""
    offset = f" at {clock(utterance.offset_s)}" if utterance.first_sample else ""
    return f"{utterance.path}{offset}"


def percent(part: float) -> str:
    """A fraction in percent, or a dash for NaN."""
    return NOT_DEFINED if part != part else f"{100 * part:.2f} %"


def percent_interval(interval: Interval) -> str:
    """An interval in percent, or a dash for NaN."""
    low, high = interval
    return NOT_DEFINED if low != low else f"{100 * low:.2f} – {100 * high:.2f}"


def named_rates(scores: RecognitionScores) -> list[tuple[str, Rate]]:
    """The error rates with their names; with case and punctuation only where they matter."""
    rates = [("WER", scores.raw_wer), ("CER", scores.raw_cer)]
    if scores.is_punctuated:
        rates.append(("WER, case and punctuation kept", scores.end_to_end_wer))
        rates.append(("CER, case and punctuation kept", scores.end_to_end_cer))
    return rates


def aligned_words(alignment: Sequence[AlignedPart]) -> Iterator[tuple[EditKind, str, str]]:
    """Kind of edit, word said, word heard; empty where there is no such word."""
    for part in alignment:
        for said, heard in zip_longest(part.reference, part.hypothesis, fillvalue=""):
            yield part.kind, said, heard


def clock(seconds: float) -> str:
    """A duration as ``M:SS.s`` or ``H:MM:SS.s``."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as indented lines; the first column is left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "   ".join(["  " + first.ljust(widths[0]), *cells]).rstrip()


def _recognition(report: RecognitionReport, n_worst: int) -> Iterator[str]:
    header = ("", "rate", "95 %", *RATE_HEADER)
    rows = [(name, *_rate_cells(rate)) for name, rate in named_rates(report.scores)]
    yield ""
    yield from _table([header, *rows])
    if report.by is not None:
        groups = [_group_cells(value, scores) for value, scores in report.groups.items()]
        yield ""
        yield from _table([(report.by, "utterances", "WER", "95 %", "CER", "95 %"), *groups])
    yield ""
    for result in report.worst(n_worst):
        yield from _aligned(result)
        yield ""


def named_speaker_rates(report: SpeakerReport) -> list[tuple[str, Rate]]:
    """The error rates of words with their names, as far as there are references."""
    rates = [] if report.scores.cpwer is None else [("cpWER", report.scores.cpwer)]
    recognised = report.recognition
    return rates if recognised is None else rates + named_rates(recognised.scores)


def seconds_of(rate: DiarizationRate) -> tuple[str, ...]:
    """The times that a rate is made of, as `TIME_HEADER` names them."""
    errors = rate.errors
    times = (errors.whole, errors.missed, errors.false_alarm, errors.confused)
    return tuple(clock(time) for time in times)


def speaker_notes(scores: SpeakerScores) -> Iterator[str]:
    """What the figures of speakers do not say themselves: sentences."""
    told = counted(scores.utterances, "recording")
    yield f"The number of speakers is right in {scores.counted_right} of {told}."
    yield "DER is without a collar, overlaps included."
    if scores.cpwer is not None:
        told = counted(scores.utterances_with_words, "recording")
        yield f"cpWER is of {told}, normalised as WER is."


def mistaken_speakers(result: Diarized) -> str:
    """What is wrong in a recording."""
    words = "" if result.words is None else f", cpWER {percent(result.words.rate)}"
    heard = counted(result.heard.n_speakers, "speaker")
    there = "" if result.is_counted_right else f" in place of {result.reference.n_speakers}"
    return f"DER {percent(result.errors.rate)}{words}, {heard}{there}"


def _speakers(report: SpeakerReport, n_worst: int) -> Iterator[str]:
    rate = report.scores.der
    cells = (percent(rate.errors.rate), percent_interval(rate.interval), *seconds_of(rate))
    yield ""
    yield from _table([("", "rate", "95 %", *TIME_HEADER), ("DER", *cells)])
    if rates := named_speaker_rates(report):
        yield ""
        rows = [(name, *_rate_cells(each)) for name, each in rates]
        yield from _table([("", "rate", "95 %", *RATE_HEADER), *rows])
    yield ""
    yield from (f"  {note}" for note in speaker_notes(report.scores))
    if report.by is not None:
        yield ""
        header = (report.by, "recordings", "DER", "95 %", "cpWER", "95 %", "counted right")
        groups = [_speaker_cells(value, scores) for value, scores in report.groups.items()]
        yield from _table([header, *groups])
    yield ""
    worst = report.worst(n_worst)
    for result in worst:
        yield f"  {mistaken_speakers(result)}: {place(result.utterance)}"
    if worst:
        yield ""


def _speaker_cells(value: str, scores: SpeakerScores) -> tuple[str, ...]:
    der, words = scores.der, scores.cpwer
    return (
        value or NOT_DEFINED,
        str(scores.utterances),
        percent(der.errors.rate),
        percent_interval(der.interval),
        NOT_DEFINED if words is None else percent(words.edits.rate),
        NOT_DEFINED if words is None else percent_interval(words.interval),
        str(scores.counted_right),
    )


def _rate_cells(rate: Rate) -> tuple[str, ...]:
    edits = rate.edits
    counts = (edits.length, edits.substitutions, edits.deletions, edits.insertions)
    return (percent(edits.rate), percent_interval(rate.interval), *map(str, counts))


def _group_cells(value: str, scores: RecognitionScores) -> tuple[str, ...]:
    cells = [value or NOT_DEFINED, str(scores.utterances)]
    for rate in (scores.raw_wer, scores.raw_cer):
        cells += [percent(rate.edits.rate), percent_interval(rate.interval)]
    return tuple(cells)


def _aligned(result: Recognized) -> Iterator[str]:
    """The utterance's place and rates, then what was said above what was heard."""
    raw = result.raw
    rates = f"WER {percent(raw.words.rate)}, CER {percent(raw.characters.rate)}"
    yield f"  {rates}: {place(result.utterance)}"
    said, heard = "    said: ", "    heard:"
    empty = len(said)
    for _, one, other in aligned_words(raw.alignment):
        width = max(len(one), len(other))
        if len(said) + 1 + width > WIDTH and len(said) > empty:
            yield from (said.rstrip(), heard.rstrip())
            said = heard = " " * empty
        said += " " + (one or "*" * width).ljust(width)
        heard += " " + (other or "*" * width).ljust(width)
    yield from (said.rstrip(), heard.rstrip())


def _emotions(report: EmotionReport, n_worst: int) -> Iterator[str]:
    measured = zip(FIGURES, report.scores.values, report.scores.intervals, strict=True)
    yield ""
    yield from _table(
        [
            ("", "value", "95 %"),
            *(
                (FIGURE_NAMES[name], percent(value), percent_interval(interval))
                for name, value, interval in measured
            ),
        ]
    )
    if report.emotions:
        yield ""
        yield from _confusion(report)
    if report.by is not None:
        yield ""
        header = (report.by, "utterances", "unweighted", "95 %", "weighted", "95 %", "F1", "95 %")
        groups = [_emotion_cells(value, scores) for value, scores in report.groups.items()]
        yield from _table([header, *groups])
    yield ""
    mistakes = report.worst(n_worst)
    for mistake in mistakes:
        yield "  " + _mistake(mistake)
    if mistakes:
        yield ""


def _confusion(report: EmotionReport) -> Iterator[str]:
    matrix = report.scores.confusion.tolist()
    rows = [
        (name, *(str(count) for count in row))
        for name, row in zip(report.emotions, matrix, strict=True)
    ]
    yield from _table([("true, predicted:", *report.emotions), *rows])


def _emotion_cells(value: str, scores: EmotionScores) -> tuple[str, ...]:
    cells = [value or NOT_DEFINED, str(scores.utterances)]
    for figure, interval in zip(scores.values, scores.intervals, strict=True):
        cells += [percent(figure), percent_interval(interval)]
    return tuple(cells)


def _mistake(result: Classified) -> str:
    probability = result.probabilities[result.told]
    return (
        f"{result.true} taken for {result.told} ({percent(probability)}): {place(result.utterance)}"
    )
