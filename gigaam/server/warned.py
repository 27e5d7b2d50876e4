"""Warnings about a recording, told to whoever sent it.

Warnings of Python are the process's; here each goes to the piece of work in whose context it was
raised, or else to the log.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gigaam.errors import AudioWarning
from gigaam.server.answering import log

__all__ = ["collected_warnings", "warnings_by_context"]

_MOST = 20  # of one recording

_heard: ContextVar[list[str] | None] = ContextVar("gigaam_server_warnings", default=None)


@contextmanager
def warnings_by_context() -> Iterator[None]:
    """For as long as a server runs, warnings go where `collected_warnings` wants them.

    Those of the library are raised each time: what one client was told is news to the next.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning, module=r"gigaam\b")
        warnings.simplefilter("always", AudioWarning)  # whoever opened the recording
        warnings.showwarning = _take
        yield


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings of the work that is done inside, in this thread and those it starts."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _take(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    heard = _heard.get()
    if heard is None:
        log.warning("warning", extra={"told": {"category": category.__name__, "what": message}})
    elif len(heard) < _MOST and str(message) not in heard:
        heard.append(str(message))
