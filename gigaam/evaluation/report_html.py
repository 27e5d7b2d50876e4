"""Evaluation reports as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from gigaam.evaluation.bootstrap import Interval
from gigaam.evaluation.emotion_report import FIGURES, EmotionReport
from gigaam.evaluation.outcomes import EvaluationRun, why
from gigaam.evaluation.recognition_report import Rate, RecognitionReport, Recognized
from gigaam.evaluation.report_text import (
    FIGURE_NAMES,
    NOT_DEFINED,
    RATE_HEADER,
    TIME_HEADER,
    Report,
    aligned_words,
    mistaken_speakers,
    named_rates,
    named_speaker_rates,
    percent,
    percent_interval,
    place,
    seconds_of,
    speaker_notes,
    summary,
)
from gigaam.evaluation.speaker_report import SpeakerReport, SpeakerScores

__all__ = ["confusion_picture", "report_page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #e3e6eb;
  --paper: #ffffff; --panel: #f6f7f9; --accent: #2563a8; --wrong: #b42318; --wrong-paper: #fdecea;
  --added: #9a6700; --added-paper: #fff6db; --missed: #5b21b6; --missed-paper: #f0eafd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2e3540;
  --paper: #14181f; --panel: #1c222b; --accent: #6ea8e6; --wrong: #ff9a90; --wrong-paper: #46211f;
  --added: #f2cc60; --added-paper: #3d3216; --missed: #c4a7ff; --missed-paper: #31264d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: 1rem; margin: 2rem 0 .5rem; }
.soft { color: var(--soft); } p { margin: .25rem 0 1rem; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.card { background: var(--panel); border-radius: .6rem; padding: .75rem 1.1rem; min-width: 12rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.2; font-weight: 650; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
th:first-child, td:first-child, .texts th, .texts td { text-align: left; }
.texts td { white-space: normal; overflow-wrap: anywhere; }
td small { display: block; color: var(--soft); } td svg { margin-left: auto; }
.utterance { border-top: 1px solid var(--line); padding: .75rem 0; }
.words { display: flex; flex-wrap: wrap; gap: .3rem .45rem; margin-top: .35rem; }
.words span { display: inline-flex; flex-direction: column; border-radius: .3rem;
  padding: .05rem .3rem; line-height: 1.35; }
.words i { font-style: normal; } .words .equal i { color: var(--soft); }
.substitute { background: var(--wrong-paper); } .substitute i { color: var(--wrong); }
.delete { background: var(--missed-paper); } .delete b { color: var(--missed); }
.insert { background: var(--added-paper); } .insert i { color: var(--added); }
.words b { font-weight: 500; }
.key span { border-radius: .3rem; padding: .1rem .4rem; margin-right: .3rem; color: var(--ink); }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--ink); }
svg .small { fill: var(--soft); } svg .on-dark { fill: #ffffff; }
"""

_CELL, _LEFT, _TOP = 84, 130, 54  # sizes in the picture of a confusion matrix
_BAR = 160  # length of the picture of an interval


def report_page(
    model: str,
    version: str,
    reports: Sequence[Report],
    n_worst: int,
) -> str:
    """The page with all reports on a model.

    Args:
        model: Name of the model.
        version: Version of this library.
        reports: Reports by `gigaam.training.evaluate`, one per manifest.
        n_worst: How many of the worst results of each report to show at most.
    """
    title = f"Evaluation of {model}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style></head>",
            f"<body><main><h1>{escape(title)}</h1>",
            f'<p class="soft">gigaam {escape(version)}. Below each figure is its 95 % interval '
            "(bootstrap over the manifest's lines).</p>",
            *(_section(report, n_worst) for report in reports),
            "</main></body></html>",
            "",
        ]
    )


def _section(report: Report, n_worst: int) -> str:
    parts = [
        f"<section><h2>{escape(report.manifest)}</h2>",
        f'<p class="soft">{escape(summary(report))}</p>',
    ]
    if isinstance(report, RecognitionReport):
        parts += _recognition(report, n_worst)
    elif isinstance(report, SpeakerReport):
        parts += _speakers(report, n_worst)
    else:
        parts += _emotions(report, n_worst)
    return "\n".join([*parts, *_failures(report.run), "</section>"])


def _recognition(report: RecognitionReport, n_worst: int) -> Iterable[str]:
    rates = named_rates(report.scores)
    yield _cards((name, rate.edits.rate, rate.interval) for name, rate in rates)
    yield _edits(rates)
    if report.by is not None:
        yield f"<h3>By {escape(report.by)}</h3>"
        groups = report.groups
        wer = {value: (s.raw_wer.edits.rate, s.raw_wer.interval) for value, s in groups.items()}
        cer = {value: (s.raw_cer.edits.rate, s.raw_cer.interval) for value, s in groups.items()}
        sizes = {value: scores.utterances for value, scores in groups.items()}
        yield _groups(report.by, sizes, {"WER": wer, "CER": cer})
    worst = report.worst(n_worst)
    if worst:
        yield "<h3>Worst utterances</h3>"
        yield (
            '<p class="soft key">Above: what was said; below: what was heard. '
            '<span class="substitute">substituted</span><span class="delete">deleted</span>'
            '<span class="insert">inserted</span></p>'
        )
        yield from map(_aligned, worst)


def _edits(rates: Iterable[tuple[str, Rate]]) -> str:
    rows = []
    for name, rate in rates:
        edits = rate.edits
        counts = (edits.length, edits.substitutions, edits.deletions, edits.insertions)
        rows.append((escape(name), *map(str, counts)))
    return _table(("", *RATE_HEADER), rows)


def _speakers(report: SpeakerReport, n_worst: int) -> Iterable[str]:
    der, rates = report.scores.der, named_speaker_rates(report)
    words = ((name, rate.edits.rate, rate.interval) for name, rate in rates)
    yield _cards([("DER", der.errors.rate, der.interval), *words])
    yield f"<p>{escape(' '.join(speaker_notes(report.scores)))}</p>"
    yield _table(("", *TIME_HEADER), [("DER", *seconds_of(der))])
    if rates:
        yield _edits(rates)
    if report.by is not None:
        yield f"<h3>By {escape(report.by)}</h3>"
        yield _speaker_groups(report.by, report.groups)
    worst = report.worst(n_worst)
    if worst:
        yield "<h3>Worst recordings</h3>"
        rows = [(escape(place(each.utterance)), mistaken_speakers(each)) for each in worst]
        yield _table(("recording", "errors"), rows, kind="texts")


def _speaker_groups(by: str, groups: Mapping[str, SpeakerScores]) -> str:
    unknown = (math.nan, Interval(math.nan, math.nan))
    der = {value: (s.der.errors.rate, s.der.interval) for value, s in groups.items()}
    cpwer = {
        value: unknown if s.cpwer is None else (s.cpwer.edits.rate, s.cpwer.interval)
        for value, s in groups.items()
    }
    sizes = {value: scores.utterances for value, scores in groups.items()}
    return _groups(by, sizes, {"DER": der, "cpWER": cpwer}, "recordings")


def _aligned(result: Recognized) -> str:
    words = "".join(
        f'<span class="{kind}"><b>{escape(said) or "&nbsp;"}</b>'
        f"<i>{escape(heard) or '&nbsp;'}</i></span>"
        for kind, said, heard in aligned_words(result.raw.alignment)
    )
    rates = f"WER {percent(result.raw.words.rate)}, CER {percent(result.raw.characters.rate)}"
    return (
        f'<div class="utterance"><div class="soft">{rates} · '
        f'{escape(place(result.utterance))}</div><div class="words">{words}</div></div>'
    )


def _emotions(report: EmotionReport, n_worst: int) -> Iterable[str]:
    scores = report.scores
    measured = zip(FIGURES, scores.values, scores.intervals, strict=True)
    yield _cards((FIGURE_NAMES[name], value, interval) for name, value, interval in measured)
    if report.emotions:
        yield "<h3>Confusion matrix</h3>"
        yield confusion_picture(report.emotions, scores.confusion.tolist())
    if report.by is not None:
        yield f"<h3>By {escape(report.by)}</h3>"
        columns = {
            FIGURE_NAMES[name]: {
                value: (group.values[i], group.intervals[i])
                for value, group in report.groups.items()
            }
            for i, name in enumerate(FIGURES)
        }
        sizes = {value: group.utterances for value, group in report.groups.items()}
        yield _groups(report.by, sizes, columns)
    worst = report.worst(n_worst)
    if worst:
        yield "<h3>Most confident mistakes</h3>"
        rows = [
            (
                escape(place(each.utterance)),
                escape(each.true),
                escape(each.told),
                percent(each.probabilities[each.told]),
            )
            for each in worst
        ]
        yield _table(("recording", "true", "predicted", "probability"), rows, kind="texts")


def confusion_picture(emotions: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """A confusion matrix as SVG: counts, the deeper in colour the larger their share of the row.

    Args:
        emotions: Names of rows (true) and columns (predicted).
        confusion: Counts [C, C].
    """
    n = len(emotions)
    width, height = _LEFT + n * _CELL + 10, _TOP + n * _CELL + 10
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" font-size="14" '
        'text-anchor="middle" aria-label="confusion matrix">',
        f'<text class="small" x="{_LEFT + n * _CELL / 2}" y="16">predicted</text>',
        f'<text class="small" x="14" y="{_TOP + n * _CELL / 2}" '
        f'transform="rotate(-90 14 {_TOP + n * _CELL / 2})">true</text>',
    ]
    for i, name in enumerate(emotions):
        middle = (i + 0.5) * _CELL
        parts.append(f'<text x="{_LEFT + middle}" y="{_TOP - 12}">{escape(name)}</text>')
        parts.append(
            f'<text x="{_LEFT - 12}" y="{_TOP + middle + 5}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            part = count / sum(row) if sum(row) else 0.0
            tip = f"{emotions[i]} taken for {emotions[j]}: {count}"
            parts.append(_confusion_cell(_LEFT + j * _CELL, _TOP + i * _CELL, count, part, tip))
    return "\n".join([*parts, "</svg>"])


def _confusion_cell(x: int, y: int, count: int, part: float, tip: str) -> str:
    on_dark = ' class="on-dark"' if part > 0.5 else ""
    middle = x + _CELL / 2
    return (
        f"<g><title>{escape(tip)}</title>"
        f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="6" '
        'fill="var(--panel)"/>'
        f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="6" '
        f'fill="#1f5fa8" fill-opacity="{part:.3f}"/>'
        f'<text{on_dark} x="{middle}" y="{y + _CELL / 2}" font-size="18">{count}</text>'
        f'<text{on_dark} x="{middle}" y="{y + _CELL / 2 + 19}" font-size="12">'
        f"{100 * part:.0f} %</text></g>"
    )


def _cards(figures: Iterable[tuple[str, float, Interval]]) -> str:
    cards = (
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{percent(value)}</b>'
        f'<span class="soft">{percent_interval(interval)}</span></div>'
        for name, value, interval in figures
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _groups(
    by: str,
    sizes: dict[str, int],
    columns: dict[str, dict[str, tuple[float, Interval]]],
    noun: str = "utterances",
) -> str:
    """A row per group: its size, and each figure with a picture of its interval."""
    header = [escape(by), noun, *map(escape, columns)]
    bounds = [i.high for c in columns.values() for _, i in c.values() if i.high == i.high]
    largest = max(bounds, default=0.0)
    rows = []
    for value, size in sizes.items():
        row = [escape(value) or NOT_DEFINED, str(size)]
        for column in columns.values():
            figure, interval = column[value]
            bar = _bar(figure, interval, largest)
            row.append(f"{percent(figure)}<small>{percent_interval(interval)}</small>{bar}")
        rows.append(row)
    return _table(header, rows)


def _bar(figure: float, interval: Interval, largest: float) -> str:
    """A figure as a dot on the bar of its interval, on a scale from 0 to `largest`."""
    if figure != figure or interval.low != interval.low or not largest:
        return ""
    low, dot, high = (5 + _BAR * value / largest for value in (interval.low, figure, interval.high))
    return (
        f'<svg width="{_BAR + 10}" height="14" viewBox="0 0 {_BAR + 10} 14" aria-hidden="true">'
        f'<line x1="5" x2="{_BAR + 5}" y1="7" y2="7" stroke="var(--line)"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7" stroke="var(--accent)" '
        'stroke-width="4" stroke-linecap="round" opacity=".5"/>'
        f'<circle cx="{dot:.1f}" cy="7" r="4.5" fill="var(--accent)"/></svg>'
    )


def _failures(run: EvaluationRun[object]) -> Iterable[str]:
    if not run.failures:
        return
    yield "<h3>Failed</h3>"
    rows = [(escape(place(utterance)), escape(why(error))) for utterance, error in run.failures]
    yield _table(("recording", "reason"), rows, kind="texts")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    """A table of HTML cells; `kind` is "numbers" or "texts"."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><tr>{head}</tr>\n{body}</table></div>'
