"""Turns as lines of RTTM (Rich Transcription Time Marked), which tools for diarization read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gigaam.dataset.text_lines import as_seconds, line_error, read_lines
from gigaam.speakers.turns import Turn

__all__ = ["read_rttm", "rttm_lines"]

_FEWEST = 8  # fields of a line, as far as the speaker
_SKIPPED = {
    *("SPKR-INFO", "SEGMENT", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER"),
    *("EDIT", "IP", "SU", "CB", "A/P"),
}
"""Kinds of lines that say nothing about who speaks when."""


def rttm_lines(turns: Iterable[Turn], recording: str) -> Iterator[str]:
    """A line for each turn; spaces in names become underscores, as fields end at them.

    Args:
        turns: In any order.
        recording: Its name.
    """
    name = _field(recording)
    for turn in turns:
        times = f"{turn.start:.3f} {turn.end - turn.start:.3f}"
        channel = 1 + (turn.channel or 0)
        yield f"SPEAKER {name} {channel} {times} <NA> <NA> {_field(turn.speaker)} <NA> <NA>"


def read_rttm(path: Path) -> dict[str, list[Turn]]:
    """The turns of each recording that an RTTM file names, in the file's order.

    Comments and RTTM's other kinds of lines are skipped, but for stretches that are not to be
    scored (``NOSCORE``): they are refused. Channels are one.

    Args:
        path: The file, UTF-8.

    Raises:
        DatasetError: It cannot be read, or a line is invalid; the message says which and why.
    """
    found: dict[str, list[Turn]] = {}
    for number, line in read_lines(path, "RTTM file"):
        fields = line.split()
        if fields[0] in _SKIPPED or fields[0].startswith(";;"):
            continue
        if fields[0] != "SPEAKER":
            told = f"{fields[0][:40]!r} is no kind of line that is understood: turns begin with "
            raise line_error(path, number, told + "SPEAKER, and all of a recording is scored")
        if len(fields) < _FEWEST:
            told = f"{len(fields)} fields, but a line of a turn has {_FEWEST} or more"
            raise line_error(path, number, told)
        start, duration = as_seconds(fields[3]), as_seconds(fields[4])
        if start is None or duration is None:
            name, given = ("start", fields[3]) if start is None else ("duration", fields[4])
            raise line_error(path, number, f"the {name} is {given!r}, not a number of seconds")
        end = round(start + duration, 6)  # without the last digits' noise
        found.setdefault(fields[1], []).append(Turn(start, end, fields[7]))
    return found


def _field(text: str) -> str:
    return "_".join(text.split()) or "_"
