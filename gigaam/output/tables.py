"""Results as tables for people: in a notebook, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gigaam.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas

    from gigaam.types import Segment

__all__ = ["data_frame", "segments_html"]

_MOST_ROWS = 200  # a notebook keeps its output in its file, and a browser has to lay it out


def segments_html(segments: Sequence[Segment]) -> str:
    """An HTML table with times, channels where they were split, and texts.

    Of many segments the first 200 are shown, and how many follow.
    """
    from gigaam.types import format_clock

    split = any(segment.channel is not None for segment in segments)
    rows = [_row("th", "start", "end", *(["channel"] if split else []), "text")]
    for segment in segments[:_MOST_ROWS]:
        channel = ["" if segment.channel is None else str(segment.channel)] if split else []
        times = format_clock(segment.start), format_clock(segment.end)
        rows.append(_row("td", *times, *channel, segment.text))
    if (more := len(segments) - _MOST_ROWS) > 0:
        rows.append(_row("td", "…", "", *([""] if split else []), f"{more} more"))
    return f"<table>{''.join(rows)}</table>"


def _row(tag: str, *cells: str) -> str:
    *narrow, text = cells
    left = f'<{tag} style="text-align: left">{escape(text)}</{tag}>'
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in narrow)}{left}</tr>"


def data_frame(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> pandas.DataFrame:
    """A DataFrame with these columns, also where there are no rows.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("a DataFrame needs pandas: pip install pandas") from error
    return pandas.DataFrame(list(rows), columns=list(columns))
