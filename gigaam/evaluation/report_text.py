"""Evaluation reports as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

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

__all__ = [
    "FIGURE_NAMES",
    "NOT_DEFINED",
    "aligned_words",
    "counted",
    "named_rates",
    "percent",
    "percent_interval",
    "place",
    "report_lines",
    "summary",
]

NOT_DEFINED = "–"
WIDTH = 100
"""Width of a line of aligned text, in characters."""

FIGURE_NAMES = dict(
    zip(FIGURES, ("unweighted accuracy", "weighted accuracy", "macro F1"), strict=True)
)


def report_lines(report: RecognitionReport | EmotionReport, n_worst: int) -> Iterator[str]:
    """The report for people, line by line; failures are counted, not listed.

    Args:
        report: A report by `gigaam.training.evaluate`.
        n_worst: How many of the worst results to show at most.
    """
    yield f"{report.manifest}: {summary(report.run)}"
    if isinstance(report, RecognitionReport):
        yield from _recognition(report, n_worst)
    else:
        yield from _emotions(report, n_worst)


def summary(run: EvaluationRun[object]) -> str:
    """How much was processed, how fast, and how much failed."""
    parts = [counted(len(run.results), "utterance"), f"{clock(run.duration_s)} of sound"]
    if run.results:
        parts.append(f"{run.rtfx:.1f}× real time")
    if run.failures:
        parts.append(f"{len(run.failures)} failed")
    return ", ".join(parts)


def counted(n: int, noun: str) -> str:
    """A number of things, such as "1 utterance" or "2 utterances"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


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
    header = ("", "rate", "95 %", "in reference", "substituted", "deleted", "inserted")
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
