"""What a bulk run is to recognise: recordings, or stretches of them, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["Entry", "Held", "stretch_id"]

_UNKNOWN_S = 60.0  # what a recording counts in planning of which nothing is known
_BYTES_PER_S = 32_000.0  # of speech as most archives have it, likewise


@dataclass(frozen=True)
class Held:
    """The place of a recording in a file that holds many.

    Attributes:
        first: Of a tar file, the byte at which the recording begins; of a Parquet file, its row.
        n_bytes: Its length in a tar file; None in a Parquet file.
        column: Its column in a Parquet file, such as ``audio.bytes``; None in a tar file.
        name: What it is called there, by which formats without a header are known.
    """

    first: int
    n_bytes: int | None = None
    column: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Entry:
    """One recording, or a stretch of one.

    Attributes:
        id: Its name, which no other entry of a run has.
        path: The recording as the manifest names it.
        location: The file that is read: an absolute path or an address.
        offset_s: Where the stretch begins, in seconds; 0 unless the manifest says.
        duration_s: How long it is; None to the end. Of a whole recording it may be what a header
            says.
        is_stretch: Whether only that much of the recording is meant.
        channel: The only channel to be heard, from 0; None for all.
        held: Where in the file it lies; None if it is the file.
        n_bytes: The size of the recording as it is stored; None if unknown.
    """

    id: str
    path: str
    location: str
    offset_s: float = 0.0
    duration_s: float | None = None
    is_stretch: bool = False
    channel: int | None = None
    held: Held | None = None
    n_bytes: int | None = None

    @property
    def planned_s(self) -> float:
        """Seconds that it counts in planning."""
        if self.duration_s is not None:
            return self.duration_s
        return _UNKNOWN_S if self.n_bytes is None else self.n_bytes / _BYTES_PER_S

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, as plain data."""
        plain = {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) != each.default
        }
        if self.held is not None:
            plain["held"] = [self.held.first, self.held.n_bytes, self.held.column, self.held.name]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Entry:
        """The entry of which `to_dict` gave this."""
        held = plain.get("held")
        return cls(**{**plain, "held": None if held is None else Held(*held)})


def stretch_id(path: str, offset_s: float, duration_s: float | None, channel: int | None) -> str:
    """What a stretch is called where the manifest gives no name: a media fragment (W3C).

    Args:
        path: The recording as the manifest names it.
        offset_s: Where it begins, in seconds.
        duration_s: How long it is; None to the end.
        channel: Its only channel; None for all.
    """
    end = "" if duration_s is None else f",{offset_s + duration_s:.3f}"
    parts = [f"t={offset_s:.3f}{end}"] if offset_s or end else []
    parts += [] if channel is None else [f"channel={channel}"]
    return f"{path}#{'&'.join(parts)}" if parts else path
