"""What is true of a conversation: who speaks when, and which words; on disk as RTTM and JSON.

Times are seconds from the start of the recording.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gigaam.speakers.rttm import rttm_lines
from gigaam.speakers.turns import Turn
from recipes.speakers.speech import RATE, Stretch

MADE_UP_WORD_S = 0.4


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


def write_rttm(path: Path, turns: Iterable[Turn]) -> None:
    """Writes the turns in order of their starts as RTTM; the recording's name is the file's."""
    _replace(path, "".join(f"{line}\n" for line in rttm_lines(sorted(turns), path.stem)))


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
