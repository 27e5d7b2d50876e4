"""Reports on runs as tables, for a terminal and as one self-contained HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain
from typing import TYPE_CHECKING

from gigaam.quoting import counted, cut

if TYPE_CHECKING:
    from gigaam.bulk.reporting import BulkReport, Tally

__all__ = ["page", "text"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #e3e6eb;
  --paper: #ffffff; --panel: #f6f7f9; --wrong: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2e3540;
  --paper: #14181f; --panel: #1c222b; --wrong: #ff9a90; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .25rem 0 1rem; overflow-wrap: anywhere; } .soft { color: var(--soft); }
.unfinished { color: var(--wrong); font-weight: 600; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.card { background: var(--panel); border-radius: .6rem; padding: .75rem 1.1rem; min-width: 10rem; }
.card b { display: block; font-size: 1.6rem; line-height: 1.2; font-weight: 650; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem 1.2rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
.number { text-align: right; white-space: nowrap; }
"""

_LONGEST_CELL = 60  # of a terminal's; what stands last in its line is not cut to it


@dataclass(frozen=True)
class _Table:
    """A table; columns in `numbers` are aligned at the right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


def text(report: BulkReport) -> str:
    """The report as lines."""
    lines = [*_about(report), _state(report), ""]
    figures = _figures(report)
    width = max(len(name) for name, _ in figures)
    lines += [f"  {name.ljust(width)}   {value}" for name, value in figures]
    for table in _tables(report):
        lines += ["", f"{table.title}:", *_lines(table)]
    return "\n".join([*lines, ""])


def page(report: BulkReport) -> str:
    """The report as a page."""
    title = escape(f"Bulk run {_shown(report.out)}")
    state = "soft" if report.is_finished else "unfinished"
    cards = (
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{escape(value)}</b></div>'
        for name, value in _figures(report)
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style></head>",
        f"<body><main><h1>{title}</h1>",
        *(f'<p class="soft">{escape(line)}</p>' for line in _about(report)[1:]),
        f'<p class="{state}">{escape(_state(report))}</p>',
        f'<div class="cards">{"".join(cards)}</div>',
        *chain.from_iterable(map(_section, _tables(report))),
        "</main></body></html>",
        "",
    ]
    return "\n".join(parts)


def _about(report: BulkReport) -> list[str]:
    options = json.dumps(report.options, ensure_ascii=False, sort_keys=True)
    return [
        f"Bulk run {_shown(report.out)}",
        f"Manifest {_shown(report.manifest)}",
        f"Model {_shown(report.model)}, gigaam {_shown(report.release)}"
        + (f", options {_shown(options)}" if report.options else ""),
    ]


def _state(report: BulkReport) -> str:
    if report.is_finished:
        return f"Finished: {counted(report.n_shards, 'shard')}."
    return (
        f"Not finished: {report.n_shards_missing:,} of {counted(report.n_shards, 'shard')} are "
        f"missing, with {counted(report.n_left, 'recording')}."
    )


def _figures(report: BulkReport) -> list[tuple[str, str]]:
    told = [
        ("recordings planned", f"{report.n_planned:,}"),
        ("with a result", f"{report.n_done:,}"),
        ("failed", f"{report.n_failed:,}"),
        ("left", f"{report.n_left:,}"),
        ("without any words", f"{report.without_text.n:,}"),
        ("sound planned", _long(report.planned_s)),
        ("sound recognised", _long(report.heard_s)),
        ("words", f"{report.n_words:,}"),
        ("time of workers", _long(report.took_s)),
        ("speed of a worker", _times(report.speed)),
    ]
    if report.n_repeated:
        told.insert(1, ("named again", f"{report.n_repeated:,}"))
    return told


def _tables(report: BulkReport) -> Iterator[_Table]:
    """Those that have rows."""
    for table in (
        _tallies("Failures", "kind", report.failures, "message"),
        _tallies("Warnings", "warning", report.warnings, None),
        _tallies("Recordings without any words", "", [report.without_text], "length"),
        _lowest(report),
        _lengths(report),
        _speakers(report),
        _machines(report),
    ):
        if table.rows:
            yield table


def _tallies(title: str, kind: str, tallies: Sequence[Tally], told: str | None) -> _Table:
    """What was counted, with the recordings that are named; without messages, with the first."""
    rows: list[tuple[str, ...]] = []
    for tally in tallies:
        named = tally.examples if told is not None else tally.examples[:1]
        for index, each in enumerate(named):
            told_of = [] if told is None else [_shown(each.told)]
            beginning = ("", "") if index else (_shown(tally.called), f"{tally.n:,}")
            rows.append((*beginning, _shown(each.id), *told_of))
        if told is not None and tally.n > len(named):
            rows.append(("", "", f"… and {tally.n - len(named):,} more", ""))
    header = (kind, "recordings", "in" if told is None else "recording")
    return _Table(title, header if told is None else (*header, told), rows, (1,))


def _lowest(report: BulkReport) -> _Table:
    rows = [
        (f"{each.confidence:.3f}", f"{each.duration_s:.1f} s", _shown(each.id), each.beginning)
        for each in report.lowest
    ]
    header = ("confidence", "length", "recording", "text")
    return _Table(
        "Recordings of lowest confidence", header, [(*r[:3], _shown(r[3])) for r in rows], (0, 1)
    )


def _lengths(report: BulkReport) -> _Table:
    rows = []
    from_s = 0.0
    for each in report.lengths:
        to = "" if each.under_s is None else f" to {_short(each.under_s)}"
        if each.n:
            rows.append((f"{_short(from_s)}{to or ' on'}", f"{each.n:,}", _long(each.heard_s)))
        from_s = each.under_s or 0.0
    return _Table("Lengths of recordings", ("from", "recordings", "sound"), rows, (1, 2))


def _speakers(report: BulkReport) -> _Table:
    rows = [(f"{n}", f"{recordings:,}") for n, recordings in report.speakers.items()]
    return _Table("Speakers", ("speakers", "recordings"), rows, (0, 1))


def _machines(report: BulkReport) -> _Table:
    header = ("host", "processor", "device", "threads", "shards", "recordings", "sound", "time")
    rows = [
        (
            *(_shown(each.host), _shown(each.processor), _shown(each.device)),
            *("" if each.threads is None else f"{each.threads}", f"{each.n_shards:,}"),
            *(f"{each.n_recordings:,}", _long(each.heard_s), _long(each.took_s)),
            _times(each.speed),
        )
        for each in report.machines
    ]
    return _Table("Workers", (*header, "speed of one"), rows, (3, 4, 5, 6, 7, 8))


def _lines(table: _Table) -> Iterator[str]:
    """The table with aligned columns."""
    rows = [
        [_fitting(cell) for cell in row[:-1]] + [row[-1]] for row in (table.header, *table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0 if len(widths) - 1 not in table.numbers else widths[-1]
    for row in rows:
        cells = (
            cell.rjust(width) if index in table.numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'   '.join(cells)}".rstrip()


def _section(table: _Table) -> Iterator[str]:
    yield f"<section><h2>{escape(table.title)}</h2>"
    yield '<div class="scroll"><table>'
    for tag, rows in (("th", [table.header]), ("td", table.rows)):
        for row in rows:
            cells = (
                f"<{tag}{' class=number' if index in table.numbers else ''}>{escape(cell)}</{tag}>"
                for index, cell in enumerate(row)
            )
            yield f"<tr>{''.join(cells)}</tr>"
    yield "</table></div></section>"


def _shown(told: str) -> str:
    """A text in one line, whatever it holds: nothing in it commands a terminal."""
    line = cut(" ".join(told.split()))
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _fitting(cell: str) -> str:
    """A cell's beginning and end, by which paths are known."""
    if len(cell) <= _LONGEST_CELL:
        return cell
    half = _LONGEST_CELL // 2
    return f"{cell[: half - 1]}…{cell[-half:]}"


def _times(speed: float | None) -> str:
    return "unknown" if speed is None else f"{speed:,.1f}× real time"


def _long(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.2f} h"


def _short(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
