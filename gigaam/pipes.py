"""Sources that give their bytes only once: named pipes, ``<(…)``, sockets, streams."""

from __future__ import annotations

import os
import stat
from typing import Any

from gigaam.errors import AudioError, AudioFileNotFoundError

__all__ = ["is_pipe", "repeatable"]


def is_pipe(source: object) -> bool:
    """Whether this is a path at which no file lies, but what can be opened and read only once."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    try:
        mode = os.stat(source).st_mode
    except (OSError, ValueError):  # whoever opens it will tell
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def repeatable(source: Any) -> Any:
    """The source itself, or all of its bytes if they can be read only once.

    Raises:
        AudioError: It is a device, which may never end, or cannot be read.
    """
    if hasattr(source, "read"):
        return _checked(source.read())
    if not is_pipe(source):
        return source
    try:
        with open(source, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
                raise AudioError(
                    f"{os.fspath(source)!r} is a device: recordings are files or pipes"
                )
            return _checked(file.read())
    except FileNotFoundError as error:
        raise AudioFileNotFoundError(f"no such file: {os.fspath(source)!r}") from error
    except OSError as error:
        raise AudioError(f"{os.fspath(source)!r} cannot be read: {error.strerror}") from error


def _checked(data: object) -> object:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return data
    if isinstance(data, str):
        raise AudioError("the file object gives text: open it in binary mode ('rb')")
    raise AudioError(f"the file object gave {type(data).__name__} in place of bytes")
