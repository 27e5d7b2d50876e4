"""Files that are read whole: regular ones alone, and no more of them than expected.

What is judged is the file that was opened, not what a path meant a moment before. A device or a
named pipe would keep its reader waiting, or never end. Links to regular files are fine: caches are
made of them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from gigaam.errors import CheckpointError

__all__ = ["open_regular", "read_regular"]


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open to read.

    Raises:
        FileNotFoundError: There is none.
        CheckpointError: It is something else, or cannot be opened.
    """
    # Without O_NONBLOCK, a named pipe that nobody writes to is waited for while it is opened.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        raise CheckpointError(f"{os.fspath(path)} cannot be read: {error}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise CheckpointError(f"{os.fspath(path)} is a device or a pipe, not a regular file")
    return file


def read_regular(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        FileNotFoundError: There is none.
        CheckpointError: It is something else, larger than ``most_bytes``, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)} cannot be read: {error}") from error
    if len(content) > most_bytes:
        raise CheckpointError(f"{Path(path)} is too large: over {most_bytes:,} bytes")
    return content
