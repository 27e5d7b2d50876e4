"""Turns as lines of RTTM (Rich Transcription Time Marked), which tools for diarization read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gigaam.speakers.turns import Turn

__all__ = ["rttm_lines"]


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


def _field(text: str) -> str:
    return "_".join(text.split()) or "_"
