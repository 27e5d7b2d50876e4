"""Lines of text files, and complaints that say in which of them something is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from gigaam.errors import DatasetError

__all__ = ["as_seconds", "line_error", "read_bytes", "read_lines"]


def line_error(path: Path | str, number: int, complaint: str) -> DatasetError:
    """An error about a line of a file.

    Args:
        path: The file, or what it is called.
        number: Number of the line, from 1.
        complaint: What is wrong with it.
    """
    return DatasetError(f"{path}, line {number}: {complaint}")


def read_bytes(path: Path, what: str = "file") -> bytes:
    """The content of a file.

    Args:
        path: The file.
        what: What it is to the user, such as "manifest".

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        why = getattr(error, "strerror", None) or error
        raise DatasetError(f"the {what} {path} cannot be read: {why}") from error


def read_lines(path: Path, what: str = "file") -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers from 1.

    Args:
        path: The file, UTF-8.
        what: What it is to the user, such as "manifest".

    Raises:
        DatasetError: It cannot be read, or a line is not UTF-8.
    """
    for number, raw in enumerate(read_bytes(path, what).split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise line_error(path, number, f"not UTF-8: {error.reason}") from error
        if line.strip():
            yield number, line


def as_seconds(value: object) -> float | None:
    """A time that a file states, in seconds; None if it is not a number from 0 on.

    Args:
        value: A number, or how it is written.
    """
    # JSON's true is not a number, although Python would convert it.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
