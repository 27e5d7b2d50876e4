"""What a line or a row of a manifest says of one recording, checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gigaam.audio import SAMPLE_RATE
from gigaam.bulk.entries import Entry, stretch_id
from gigaam.bulk.places import joined
from gigaam.dataset.text_lines import as_seconds
from gigaam.errors import DatasetError

__all__ = ["NAMES", "Cells", "named_entry"]

NAMES = ("path", "audio_filepath")
"""The columns that may name a recording: this library's, and NeMo's."""


@dataclass(frozen=True)
class Cells:
    """The values of a line.

    Attributes:
        values: By column; in tables all are strings.
        place: Where they stand, such as ``calls.tsv, line 3``.
    """

    values: Mapping[str, Any]
    place: str

    def error(self, complaint: str) -> DatasetError:
        """An error about this line."""
        return DatasetError(f"{self.place}: {complaint}")

    def value(self, name: str) -> Any:
        """A value; None if there is none: no column, an empty cell, or not a number."""
        value = self.values.get(name)
        if isinstance(value, str) and not value.strip():
            return None
        if isinstance(value, float) and math.isnan(value):
            return None
        return value

    def text(self, name: str) -> str:
        """The value of a text column; empty if there is none."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise self.error(f"{name} is {_shown(value)}, not a text")
        if value and not value.isascii():
            self._check_encodes(name, value)
        return value or ""

    def _check_encodes(self, name: str, value: str) -> None:
        """JSON can escape halves of characters, of which only some stand for bytes of a path."""
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise self.error(
                f"{name} is {json.dumps(value)}, not a text: {error.reason}"
            ) from error

    def seconds(self, name: str) -> float | None:
        """The value of a column of seconds; None if there is none."""
        value = self.value(name)
        if value is None:
            return None
        seconds = as_seconds(value)
        if seconds is None:
            raise self.error(f"{name} is {_shown(value)}, not a number of seconds")
        return seconds

    def duration_s(self) -> float | None:
        """How long the recording or the stretch is; None if it is not said."""
        seconds = self.seconds("duration")
        if seconds is not None and round(seconds * SAMPLE_RATE) == 0:
            raise self.error("the duration is 0")
        return seconds

    def channel(self) -> int | None:
        """The only channel to be heard, from 0; None for all."""
        value = self.value("channel")
        if value is None:
            return None
        if isinstance(value, str) and value.strip().isdecimal():
            return int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"channel is {_shown(value)}, not a channel's number from 0 on")
        return value

    def own_id(self) -> str:
        """The name that the line has; empty if it has none."""
        value = self.value("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text("id")


def named_entry(cells: Cells, base: str) -> Entry:
    """The recording or the stretch that a line means by its path.

    A duration without an offset makes a stretch from 0, except in NeMo's lines, of which it is the
    whole recording's.

    Args:
        cells: The line, with one of `NAMES`.
        base: The folder from which relative paths begin.

    Raises:
        DatasetError: A value is not what it should be.
    """
    path = cells.text("path")
    is_nemo = not path and cells.value("audio_filepath") is not None
    path = path or cells.text("audio_filepath")
    if not path:
        raise cells.error("the path is empty")
    offset_s, duration_s, channel = cells.seconds("offset"), cells.duration_s(), cells.channel()
    begins = offset_s is not None or not is_nemo
    is_stretch = bool(offset_s) or (begins and duration_s is not None)
    end = duration_s if is_stretch else None
    return Entry(
        id=cells.own_id() or stretch_id(path, offset_s or 0.0, end, channel),
        path=path,
        location=joined(base, path),
        offset_s=offset_s or 0.0,
        duration_s=duration_s,
        is_stretch=is_stretch,
        channel=channel,
    )


def _shown(value: Any) -> str:
    """A value as text: strings unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
