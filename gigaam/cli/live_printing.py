"""Where the events of live speech go: lines on stdout, a line that is rewritten, files."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gigaam.cli.printing import complain, print_lines, to_json, word_lines, write_out
from gigaam.errors import GigaAMError
from gigaam.live.events import Event, Final, Partial
from gigaam.output.formats import render, save
from gigaam.quoting import said
from gigaam.types import LongformTranscriptionResult, Segment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["EventLines", "PartialLine", "Transcript", "partial_line"]


class EventLines:
    """Prints what can be printed at once, each line as soon as it is known."""

    def __init__(self, format: str | None, word_timestamps: bool) -> None:
        """A printer.

        Args:
            format: "jsonl" prints all events, "txt" finals; of others nothing is known yet. None
                is "txt", or a line per word.
            word_timestamps: Whether words are wanted.
        """
        self._format = format
        self._has_words = word_timestamps

    def print(self, event: Event) -> None:
        """Print an event, if it is to be."""
        if self._format == "jsonl":
            print_lines([to_json(self._for_json(event).to_dict())])
        elif isinstance(event, Final) and self._format in (None, "txt"):
            if self._format is None and self._has_words:
                print_lines(word_lines(event.segment))
            else:
                write_out(render([event.segment], "txt"))

    def _for_json(self, event: Event) -> Event:
        if self._has_words or isinstance(event, Partial):
            return event
        return replace(event, segment=replace(event.segment, words=None))  # others wanted them


class Transcript:
    """All that was said, for what is written as a whole at the end."""

    def __init__(self, printed: str | None, files: Sequence[Path], word_timestamps: bool) -> None:
        """A transcript of nothing.

        Args:
            printed: The format in which it is printed, if it is.
            files: Where it is written, in the formats of their extensions.
            word_timestamps: Whether segments hold their words.
        """
        self._printed, self._files, self._has_words = printed, files, word_timestamps
        self._segments: list[Segment] = []

    def add(self, event: Event) -> None:
        """Take note of a final that says something."""
        if isinstance(event, Final) and event.segment.text:
            self._segments.append(event.segment)

    def write(self, duration_s: float) -> bool:
        """Write the files, and print it; whether all went well.

        Args:
            duration_s: The length of the sound, in seconds.
        """
        result = LongformTranscriptionResult(
            sorted(self._segments, key=lambda segment: segment.start),
            duration=duration_s,
            has_word_timestamps=self._has_words,
        )
        is_well = True
        for path in self._files:
            try:
                save(result, path)
            except (GigaAMError, OSError) as error:
                complain(said(error))
                is_well = False
        if self._printed is not None:
            write_out(render(result, self._printed))
        return is_well


class PartialLine:
    """One line of a terminal on which the speech that goes on is rewritten."""

    def __init__(self, console: Console) -> None:
        """A line that is empty.

        Args:
            console: The terminal.
        """
        self._console = console
        self._partials: dict[int | None, Partial] = {}

    def hear(self, event: Event) -> None:
        """Take note of an event; a final takes the place of the partial before."""
        if isinstance(event, Partial):
            self._partials[event.channel] = event
        else:
            self._partials.pop(event.channel, None)

    def show(self) -> None:
        """Rewrite the line."""
        from rich.text import Text

        self.clear()
        speaking = [self._partials[c] for c in sorted(self._partials, key=lambda c: c or 0)]
        speaking = [partial for partial in speaking if partial.text]
        if not speaking:
            return
        width = (self._console.width - 1) // len(speaking) - 1
        line = Text(" ").join(_fitting(partial, width) for partial in speaking)
        self._console.print(line, end="", no_wrap=True, overflow="crop", soft_wrap=False)

    def clear(self) -> None:
        """Leave the line empty, for others to write on."""
        from rich.control import Control
        from rich.segment import ControlType

        erase = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
        self._console.control(erase)


def _fitting(partial: Partial, width: int) -> Text:
    """The end of a partial, as much as fits into so many columns."""
    from rich.text import Text

    label = "" if partial.channel is None else f"[channel {partial.channel}] "
    text = Text(partial.committed)
    if partial.tentative:
        text.append(" " if partial.committed else "").append(partial.tentative, style="dim")
    surplus = text.cell_len - max(width - len(label), 2)
    return Text(label) + (text if surplus <= 0 else Text("…") + text[surplus + 1 :])


@contextmanager
def partial_line(hidden: bool) -> Iterator[PartialLine | None]:
    """The line on stderr, if that is a terminal; what else is said meanwhile does not get onto it.

    Args:
        hidden: Whether it is not to be shown, even on a terminal.
    """
    if hidden or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if console.is_dumb_terminal:
        yield None
        return
    line = PartialLine(console)
    show_warning = warnings.showwarning

    def clear_and_show(*arguments: Any, **named: Any) -> None:
        line.clear()
        show_warning(*arguments, **named)

    warnings.showwarning = clear_and_show
    try:
        yield line
    finally:
        warnings.showwarning = show_warning
        line.clear()
