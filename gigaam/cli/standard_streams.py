"""The standard streams of a command: in UTF-8, and there even where they were closed before."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["prepare_streams"]


def prepare_streams() -> None:
    """Makes all three fit for use; before anything is printed or opened."""
    _occupy_closed()
    for stream, on_unencodable in ((sys.stdout, "surrogateescape"), (sys.stderr, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            # Results are data: piped into a file they must not depend on the terminal's locale.
            stream.reconfigure(encoding="utf-8", errors=on_unencodable)


def _occupy_closed() -> None:
    """Puts something in the place of each stream that is closed.

    Else the next file that is opened has its number, and gets what libraries print there. What
    stands for stdout cannot be written to, so that results are not lost without a word.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # a free number, and none below it is free
            os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
