"""Values and texts of others, cut to a length that fits into a message: they may be whole files."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from reprlib import Repr

__all__ = ["brief", "counted", "cut", "said", "some"]

_LONGEST, _LONGEST_QUOTE, _MOST_QUOTED = 120, 500, 5

_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = _LONGEST


def brief(value: object) -> str:
    """The ``repr`` of a value from a file, cut to a length that fits into a message."""
    return _short.repr(value)


def cut(text: object) -> str:
    """What an error says, cut to a length that fits into a message: it may quote a whole file."""
    words = str(text)
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]} …"


def some(names: Collection[str]) -> str:
    """The first few names from a file, each cut, and how many more there are."""
    quoted = [_short.repr(name)[1:-1] for name in islice(names, _MOST_QUOTED)]
    if len(names) > _MOST_QUOTED:
        quoted.append(f"… ({len(names)} in all)")
    return ", ".join(quoted)


def counted(n: int, noun: str) -> str:
    """A number of things, such as "1 utterance" or "2,000 utterances"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def said(error: BaseException) -> str:
    """What an error says to a person: of the system's, the file and what is wrong with it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
