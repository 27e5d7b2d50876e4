"""Results as tables for people: in a notebook, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gigaam.errors import MissingDependencyError
from gigaam.time_formats import format_clock

if TYPE_CHECKING:
    import pandas

    from gigaam.types import Segment, Word

__all__ = [
    "data_frame",
    "frame_of_segments",
    "frame_of_their_words",
    "frame_of_words",
    "segments_html",
]

_COLUMNS = ("text", "start", "end", "confidence")
_MOST_ROWS = 200  # a notebook keeps its output in its file, and a browser has to lay it out


def segments_html(segments: Sequence[Segment]) -> str:
    """An HTML table with times, channels where they were split, any speakers, and texts.

    Of many segments the first 200 are shown, and how many follow.
    """
    # Cells between the times and the text, by the head of their column.
    labels = {
        "channel": [_cell(segment.channel) for segment in segments],
        "speaker": [_cell(segment.speaker) for segment in segments],
    }
    labels = {name: cells for name, cells in labels.items() if any(cells)}
    rows = [_row("th", "start", "end", *labels, "text")]
    for index, segment in enumerate(segments[:_MOST_ROWS]):
        times = format_clock(segment.start), format_clock(segment.end)
        rows.append(_row("td", *times, *(cells[index] for cells in labels.values()), segment.text))
    if (more := len(segments) - _MOST_ROWS) > 0:
        rows.append(_row("td", "…", "", *("" for _ in labels), f"{more} more"))
    return f"<table>{''.join(rows)}</table>"


def _cell(value: object) -> str:
    return "" if value is None else str(value)


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


def frame_of_words(words: Sequence[Word]) -> pandas.DataFrame:
    """A row per word."""
    columns = [*_COLUMNS, *_speaker_column(words)]
    return data_frame(({**word.to_dict(), "speaker": word.speaker} for word in words), columns)


def frame_of_segments(segments: Sequence[Segment]) -> pandas.DataFrame:
    """A row per segment."""
    columns = [*_COLUMNS, "channel", *_speaker_column(segments)]
    return data_frame(({**each.to_dict(), "speaker": each.speaker} for each in segments), columns)


def frame_of_their_words(segments: Sequence[Segment], words: Sequence[Word]) -> pandas.DataFrame:
    """A row per word of these segments, with the index of its segment."""
    columns = [*_COLUMNS, "channel", *_speaker_column([*segments, *words]), "segment"]
    rows = (
        {**word.to_dict(), "channel": each.channel, "segment": index}
        | {"speaker": each.speaker if word.speaker is None else word.speaker}
        for index, each in enumerate(segments)
        for word in each.words or ()
    )
    return data_frame(rows, columns)


def _speaker_column(spoken: Iterable[Word | Segment]) -> tuple[str, ...]:
    return ("speaker",) if any(each.speaker is not None for each in spoken) else ()
