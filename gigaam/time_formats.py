"""Moments of a recording as text."""

from __future__ import annotations

import math

__all__ = ["format_clock", "format_time"]

_CENTISECONDS_PER_MINUTE = 60 * 100
_CENTISECONDS_PER_HOUR = 60 * _CENTISECONDS_PER_MINUTE


def format_time(seconds: float) -> str:
    """A moment as ``MM:SS:cc`` (cc: hundredths), from an hour on as ``HH:MM:SS:cc``.

    Rounded once, to the nearest hundredth, before it is split: 59.999 is ``01:00:00``. A negative
    moment has a minus sign in front.

    Args:
        seconds: The moment, in seconds; not finite is a ``ValueError``.
    """
    total, sign = _rounded(seconds, 100)
    hours, rest = divmod(total, _CENTISECONDS_PER_HOUR)
    minutes, rest = divmod(rest, _CENTISECONDS_PER_MINUTE)
    clock = f"{minutes:02d}:{rest // 100:02d}:{rest % 100:02d}"
    return f"{sign}{hours:02d}:{clock}" if hours else f"{sign}{clock}"


def format_clock(seconds: float) -> str:
    """A moment as people write it: ``M:SS.d`` (d: tenths), from an hour on ``H:MM:SS.d``.

    Rounded once, to the nearest tenth, before it is split: 59.96 is ``1:00.0``. A negative moment
    has a minus sign in front.

    Args:
        seconds: The moment, in seconds; not finite is a ``ValueError``.
    """
    total, sign = _rounded(seconds, 10)
    whole, tenths = divmod(total, 10)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{whole:02d}.{tenths}"


def _rounded(seconds: float, per_second: int) -> tuple[int, str]:
    """How many parts of a second a moment is from zero, and its sign."""
    if not math.isfinite(seconds):
        raise ValueError(f"cannot write {seconds} as a time: it is not a finite number of seconds")
    total = round(abs(float(seconds)) * per_second)
    return total, "-" if seconds < 0 and total else ""
