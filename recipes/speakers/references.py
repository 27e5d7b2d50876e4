"""What is true of a conversation: who speaks when, and which words; on disk as RTTM and JSON.

Times are seconds from the start of the recording.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from recipes.speakers.speech import RATE, Stretch

MADE_UP_WORD_S = 0.4


@dataclass(frozen=True)
class Turn:
    """Somebody speaks from `start` to `end`; `channel` counts from 1, as in RTTM."""

    start: float
    end: float
    speaker: str
    channel: int = 1


@dataclass(frozen=True)
class Word:
    """A word and who says it."""

    text: str
    start: float
    end: float
    speaker: str


def spread(words: Sequence[str], spoken: Sequence[Stretch]) -> list[tuple[str, int, int]]:
    """Words with their first sample and the one after the last, in proportion to their letters.

    A word lies in the stretch that holds its middle.
    """
    letters = sum(len(word) for word in words)
    total = sum(b - a for a, b in spoken)
    placed, before = [], 0
    for word in words:
        span = (before * total / letters, (before + len(word)) * total / letters)
        before += len(word)
        placed.append((word, *_in_stretch(span, spoken)))
    return placed


def _in_stretch(span: tuple[float, float], spoken: Sequence[Stretch]) -> Stretch:
    """A span of speech time, pauses not counted, as samples of the stretch with its middle."""
    passed, middle = 0, sum(span) / 2
    for start, end in spoken:
        if middle < passed + end - start:
            first, last = (start + min(max(t - passed, 0), end - start) for t in span)
            return round(first), round(last)
        passed += end - start
    raise AssertionError("the middle of a word lies within the speech")


def made_up_words(seconds: float, first: int) -> list[str]:
    """Names for words nobody wrote down, of about 0.4 s each: w12, w13 …; at least one."""
    return [f"w{first + i}" for i in range(max(1, round(seconds / MADE_UP_WORD_S)))]


def rttm_lines(name: str, turns: Iterable[Turn]) -> list[str]:
    """The turns of a recording in order of their starts, as lines of RTTM."""
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker))
    return [
        f"SPEAKER {name} {t.channel} {t.start:.4f} {t.end - t.start:.4f} "
        f"<NA> <NA> {t.speaker} <NA> <NA>\n"
        for t in ordered
    ]


def parse_rttm(text: str) -> list[Turn]:
    """The turns of an RTTM text, in its order; other lines than SPEAKER are skipped."""
    turns = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise ValueError(f"line {number}: a SPEAKER line of RTTM has 8 fields or more: {line}")
        start, duration = float(fields[3]), float(fields[4])
        turns.append(Turn(start, round(start + duration, 4), fields[7], int(fields[2])))
    return turns


def write_rttm(path: Path, turns: Iterable[Turn]) -> None:
    """Writes the turns as RTTM; the recording's name is the file's."""
    _replace(path, "".join(rttm_lines(path.stem, turns)))


def read_rttm(path: Path) -> list[Turn]:
    """The turns of an RTTM file, in its order."""
    return parse_rttm(path.read_text(encoding="utf-8"))


def write_words(path: Path, words: Iterable[Word]) -> None:
    """Writes the words as a JSON list, a word a line."""
    lines = (json.dumps(asdict(word), ensure_ascii=False) for word in words)
    _replace(path, "[" + ",\n".join(lines) + "]\n")


def read_words(path: Path) -> list[Word]:
    """The words of a conversation, in order of their starts."""
    return [Word(**word) for word in json.loads(path.read_text(encoding="utf-8"))]


def seconds(sample: int) -> float:
    """The time of a sample, with the four digits that are written."""
    return round(sample / RATE, 4)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
