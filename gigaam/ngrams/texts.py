"""Texts to count, plain or compressed, read a line at a time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO, cast

from gigaam.errors import CheckpointError, DatasetError
from gigaam.regular_files import open_regular

__all__ = ["COMPRESSED", "STDIN", "open_text", "read_lines"]

STDIN = "-"
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
COMPRESSED = tuple(_OPENERS)
"""The endings of compressed texts."""

_LONGEST_LINE = 1 << 20  # characters; a file without ends of lines must not fill the memory


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, compressed if its name ends so (.gz, .xz, .bz2)."""
    with open_regular(path) as file:
        opener = _OPENERS.get(path.suffix.lower())
        raw = cast("IO[bytes]", file if opener is None else opener(file, "rb"))
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")


def read_lines(path: str | Path) -> Iterator[str]:
    """The lines of a text, of the standard input for ``-``.

    Raises:
        DatasetError: It cannot be read, or is no UTF-8, or a line has no end; the message says
            where.
    """
    name, number = ("the standard input" if str(path) == STDIN else str(path)), 1
    try:
        with _opened(path) as file:
            while line := file.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE and not line.endswith("\n"):
                    raise DatasetError(
                        f"{name}, line {number}: over {_LONGEST_LINE:,} characters; "
                        "texts have a sentence a line"
                    )
                yield line.rstrip("\r\n")
                number += 1
    except FileNotFoundError as error:
        raise DatasetError(f"there is no text {name}") from error
    except UnicodeDecodeError as error:  # a buffer's worth is decoded at once: the line is near
        raise DatasetError(
            f"{name}, line {number} or soon after: not UTF-8: {error.reason}"
        ) from error
    except CheckpointError as error:
        raise DatasetError(str(error)) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DatasetError(
            f"{name}, line {number} or soon after: cannot be read: {error}"
        ) from error


@contextmanager
def _opened(path: str | Path) -> Iterator[TextIO]:
    if str(path) != STDIN:
        with open_text(Path(path)) as file:
            yield file
        return
    stream = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="\n")
    try:
        yield stream
    finally:
        stream.detach()  # it would close the standard input
