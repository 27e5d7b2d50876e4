"""Lines of Lhotse's manifests: cuts, and recordings.

Checked against what Lhotse 1.33 writes. As in all manifests, relative paths begin at the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gigaam.bulk.entries import Entry, stretch_id
from gigaam.bulk.manifests.cells import NAMES, Cells
from gigaam.bulk.places import is_address, joined

__all__ = ["is_lhotse", "lhotse_entry"]

_MARKS = ("sources", "tracks", "recording", "recording_id", "features", "storage_path")
_CUTS = ("MonoCut", "MultiCut", "MixedCut", "PaddingCut")
_TOLERANCE_S = 1e-3  # by which Lhotse itself takes durations for equal
_HARMLESS = ("Resample",)  # every recording is brought to 16 kHz anyway


def is_lhotse(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one of Lhotse's."""
    if any(values.get(name) is not None for name in NAMES):
        return False
    return values.get("type") in _CUTS or any(name in values for name in _MARKS)


def lhotse_entry(cells: Cells, base: str) -> Entry:
    """What a cut means, or a recording.

    Args:
        cells: The line.
        base: The folder from which relative paths begin.

    Raises:
        DatasetError: It is not a recording, or a stretch of one, as it is stored.
    """
    if "sources" in cells.values:
        return _entry(cells, cells, base, (None, None))
    if "tracks" in cells.values or cells.values.get("type") in ("MixedCut", "PaddingCut"):
        kind = cells.values.get("type") or "MixedCut"
        raise cells.error(f"a {kind} is not a stretch of one recording: save it as audio first")
    if "storage_path" in cells.values:
        raise cells.error("these are features: give the manifest of cuts or recordings")
    recording = cells.values.get("recording")
    if recording is None and "recording_id" in cells.values:
        raise cells.error(
            "these are supervisions, which do not say where their recordings are: "
            "give the manifest of cuts or recordings"
        )
    if not isinstance(recording, dict) or not recording.get("sources"):
        raise cells.error("the cut has no recording")
    channel = cells.values.get("channel")
    return _entry(cells, Cells(recording, cells.place), base, (cells.seconds("start"), channel))


def _entry(cells: Cells, recording: Cells, base: str, cut: tuple[float | None, Any]) -> Entry:
    """The entry for a recording, and where a cut of it begins and of which channels it is."""
    start_s, wanted = cut
    _refuse_transforms(recording)
    source, channel = _source(recording, wanted)
    path = source.text("source")
    if not path:
        raise cells.error("the recording's source is empty")
    if source.text("type") == "url" and not is_address(path):
        raise cells.error(f"the source {path} is not a URL")
    whole_s, duration_s = recording.duration_s(), cells.duration_s()
    is_stretch = not _spans(start_s or 0.0, duration_s, whole_s)
    offset_s = (start_s or 0.0) if is_stretch else 0.0
    end = duration_s if is_stretch else None
    return Entry(
        id=cells.own_id() or stretch_id(path, offset_s, end, channel),
        path=path,
        location=joined(base, path),
        offset_s=offset_s,
        duration_s=duration_s,
        is_stretch=is_stretch,
        channel=channel,
    )


def _spans(start_s: float, duration_s: float | None, whole_s: float | None) -> bool:
    """Whether a cut is the whole of its recording."""
    if start_s > _TOLERANCE_S:
        return False
    if duration_s is None:
        return True
    return whole_s is not None and duration_s >= whole_s - _TOLERANCE_S


def _refuse_transforms(recording: Cells) -> None:
    for transform in recording.values.get("transforms") or ():
        name = transform.get("name") if isinstance(transform, dict) else transform
        if name not in _HARMLESS:
            raise recording.error(
                f"the recording is to be changed by {name}, which is not done here: "
                "give the manifest as it was before, or save the audio"
            )


def _source(recording: Cells, wanted: Any) -> tuple[Cells, int | None]:
    """The file that is meant, and the only channel in it to be heard."""
    sources = [_checked(source, recording) for source in _list(recording, "sources")]
    if not sources:
        raise recording.error("the recording has no sources")
    all_channels = [channel for source in sources for channel in _list(source, "channels")]
    meant = all_channels if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    if missing := [channel for channel in meant if channel not in all_channels]:
        raise recording.error(f"the recording has no channel {missing[0]}")
    if len(meant) == 1:
        (channel,) = meant
        source = next(each for each in sources if channel in _list(each, "channels"))
        index = _list(source, "channels").index(channel)
        return source, index if len(all_channels) > 1 else None
    if len(sources) > 1:
        raise recording.error(
            "the channels of the recording lie in several files: give cuts of one channel each"
        )
    if set(meant) != set(all_channels):
        raise recording.error(
            f"the cut is of channels {meant} of {all_channels}: give cuts of one channel, or all"
        )
    return sources[0], None


def _checked(source: object, recording: Cells) -> Cells:
    if not isinstance(source, dict):
        raise recording.error(f"a source is {source}, not an object")
    kind = source.get("type")
    if kind not in ("file", "url"):
        raise recording.error(f"a source of type {kind} is not read, only file and url")
    return Cells(source, recording.place)


def _list(cells: Cells, name: str) -> list[Any]:
    value = cells.values.get(name)
    if not isinstance(value, list):
        raise cells.error(f"{name} is {value}, not a list")
    return value
