"""Lists of hotwords: names and terms that a search should rather hear, each with its weight."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from numbers import Real

from gigaam.errors import ArgumentError, CheckpointError
from gigaam.quoting import brief
from gigaam.regular_files import read_regular

__all__ = ["HotwordSource", "Phrase", "merge_phrases", "read_hotwords"]

MOST_PHRASES = 100_000
"""The most phrases of a list; case forms apart."""

LONGEST_PHRASE = 200
"""The most characters of a phrase."""

_LONGEST_LINE = 1_000  # characters
_MOST_BYTES = 16 << 20
_MOST_WEIGHT = 100.0

_COMMENT = re.compile(r"(^|\s)#.*", re.DOTALL)  # "C#" is no comment
_NUMBER_BEGINS = re.compile(r"[-+.,]?\d")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Phrase:
    """A word or a few words to listen for.

    Attributes:
        text: The words, separated by single spaces; any other whitespace becomes that.
        weight: How much it is preferred, in comparison with the other phrases: above 0, at most
            100.

    Raises:
        ArgumentError: There is no text, it is over 200 characters, or the weight is out of range.
    """

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ArgumentError(f"a hotword must be a string, not {brief(self.text)}")
        text = " ".join(self.text.split())
        if not text:
            raise ArgumentError("a hotword must have a letter at least")
        if len(text) > LONGEST_PHRASE:
            raise ArgumentError(
                f"a hotword has at most {LONGEST_PHRASE} characters, "
                f"not {len(text):,}: {brief(text)}"
            )
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "weight", _checked(self.weight, text))


HotwordSource = str | os.PathLike[str] | Mapping[str, float] | Iterable[str | Phrase]
"""What `read_hotwords` takes."""


def read_hotwords(source: HotwordSource) -> tuple[Phrase, ...]:
    """The phrases of a list or of a file.

    A file is UTF-8 text with a phrase per line, and after it, if other than 1, ``:`` and its weight
    (``каско :2.5``). What follows a ``#`` at the beginning of a line or after a space is a comment.
    Where a phrase itself ends in ``:`` and a number, the weight has to be there (``10:30 :1``).

    Args:
        source: Phrases; phrases and their weights; or the path of a file. Blank ones are skipped.

    Returns:
        Distinct phrases as first met; of one that is there repeatedly, the greatest weight.

    Raises:
        ArgumentError: It is none of these, a file cannot be read, or has a line that is none (the
            message names both), or there are more than 100,000 phrases.
    """
    if isinstance(source, str | os.PathLike):
        return merge_phrases(_phrases_of_file(source))
    if isinstance(source, bytes | bytearray) or not isinstance(source, Iterable):
        raise ArgumentError(
            "hotwords must be a list of phrases, a mapping from phrases to weights, or the path "
            f"of a file, not {brief(source)}"
        )
    items: Iterable[object] = source.items() if isinstance(source, Mapping) else source
    phrases = (_phrase(item, isinstance(source, Mapping)) for item in items)
    return merge_phrases(_bounded((phrase for phrase in phrases if phrase), "the hotwords"))


def merge_phrases(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """Distinct phrases, as first met; of one that is there repeatedly, the greatest weight."""
    merged: dict[str, Phrase] = {}
    for phrase in phrases:
        if phrase.weight > merged.setdefault(phrase.text, phrase).weight:
            merged[phrase.text] = phrase
    return tuple(merged.values())


def _phrase(item: object, has_weight: bool) -> Phrase | None:
    """A phrase of a list, or of a mapping's items; None if it is blank."""
    if isinstance(item, Phrase):
        return item
    text, weight = item if has_weight and isinstance(item, tuple) else (item, 1.0)
    if isinstance(text, str) and not text.strip():
        return None
    return Phrase(text, weight)


def _phrases_of_file(path: str | os.PathLike[str]) -> Iterator[Phrase]:
    if isinstance(path, str) and not os.path.exists(path):
        raise ArgumentError(
            f"there is no file {brief(path)} to read hotwords from; "
            f"a phrase itself is given in a list: hotwords=[{brief(path)}]"
        )
    try:
        content = read_regular(path, _MOST_BYTES)
    except FileNotFoundError as error:
        raise ArgumentError(f"there is no file of hotwords at {os.fspath(path)}") from error
    except CheckpointError as error:
        raise ArgumentError(f"hotwords cannot be read: {error}") from error
    yield from _bounded(_phrases_of_lines(content, os.fspath(path)), os.fspath(path))


def _phrases_of_lines(content: bytes, name: str) -> Iterator[Phrase]:
    for number, raw in enumerate(content.splitlines(), start=1):
        place = f"{name}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(
                f"{place}: not UTF-8 ({error.reason}): hotwords are a text file in UTF-8"
            ) from error
        if _CONTROLS.search(line):
            raise ArgumentError(f"{place}: binary data: hotwords are a text file in UTF-8")
        if len(line) > _LONGEST_LINE:
            raise ArgumentError(
                f"{place}: {len(line):,} characters, and {_LONGEST_LINE:,} is the most: "
                "each phrase has a line of its own"
            )
        text = _COMMENT.sub("", line).strip()
        if text:
            try:
                yield _phrase_of_line(text)
            except ArgumentError as error:
                raise ArgumentError(f"{place}: {error}") from error


def _phrase_of_line(line: str) -> Phrase:
    """The phrase of ``каско``, ``каско:2.5`` or ``1С:Бухгалтерия``."""
    text, colon, weight = line.rpartition(":")
    if not colon:
        return Phrase(line)
    weight = weight.strip()
    try:
        return Phrase(text, float(weight))
    except ValueError as error:
        if isinstance(error, ArgumentError):
            raise
        if weight and not _NUMBER_BEGINS.match(weight):
            return Phrase(line)
        raise ArgumentError(
            f"after the colon stands a weight such as 2.5, not {weight!r}"
        ) from None


def _bounded(phrases: Iterable[Phrase], name: str) -> Iterator[Phrase]:
    """The phrases, unless there are too many."""
    remaining = iter(phrases)
    yield from islice(remaining, MOST_PHRASES)
    if next(remaining, None) is not None:
        raise ArgumentError(f"{name}: more than {MOST_PHRASES:,} phrases")


def _checked(weight: float, text: str) -> float:
    """A weight that is a number in its range."""
    is_number = isinstance(weight, Real) and not isinstance(weight, bool)
    if is_number and 0 < weight <= _MOST_WEIGHT:  # which NaN is not
        return float(weight)
    raise ArgumentError(
        f"the weight of a hotword is a number above 0, at most {_MOST_WEIGHT:g}, "
        f"not {brief(weight)} ({brief(text)})"
    )
