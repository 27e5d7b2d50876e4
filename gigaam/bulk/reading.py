"""The recordings of a shard, opened: files of this machine, of stores, and stretches of either."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby

import numpy as np

from gigaam.audio import SAMPLE_RATE, AudioSource, channel_count, duration_s
from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests.held import HeldReader
from gigaam.bulk.places import files_at, is_address
from gigaam.bulk.reading_ahead import read_ahead
from gigaam.dataset.excerpts import ExcerptReader
from gigaam.errors import AudioError, AudioFileNotFoundError, GigaAMError

__all__ = ["Listening", "in_order_of_work", "name_of_source", "open_entries"]

_UNKNOWN_BYTES = 16 << 20
_ROUNDING_S = 0.1  # that a manifest may be wrong about the end of a file


class NamedBytes(BytesIO):
    """A recording in memory, with the name that messages call it."""

    def __init__(self, content: bytes | memoryview, name: str) -> None:
        super().__init__(content)
        self.name = name


@dataclass(frozen=True)
class Listening:
    """What is heard of recordings that are not given as their files.

    Attributes:
        track: Which audio track of each file; None for the one that FFmpeg takes.
        splits: Whether channels stay apart.
    """

    track: int | None = None
    splits: bool = False


def in_order_of_work(entries: Sequence[Entry]) -> list[Entry]:
    """Entries as they are best recognised: of one length together, of one file front to back."""

    def place(entry: Entry) -> tuple[object, ...]:
        return *_file_of(entry), entry.offset_s, *_row_of(entry), entry.planned_s

    return sorted(entries, key=place)


def open_entries(
    entries: Iterable[Entry], listening: Listening = Listening()
) -> Iterator[tuple[Entry, AudioSource | Exception]]:
    """Each entry with what is to be recognised, or why it cannot be read.

    Args:
        entries: `in_order_of_work`.
        listening: What is heard of those that are cut, which are given as samples and a rate.
    """
    by_file = (list(group) for _, group in groupby(entries, _group_of))
    held = HeldReader()
    for group, source in read_ahead(lambda group: _fetch(group[0], held), by_file, _size):
        if isinstance(source, Exception):
            yield from ((entry, source) for entry in group)
        elif len(group) == 1 and _is_whole(group[0], source):
            yield group[0], source
        else:
            yield from _cut(group, source, listening)


def name_of_source(entry: Entry) -> str:
    """What messages call the file of an entry."""
    return entry.location if entry.held is None else entry.path


def _file_of(entry: Entry) -> tuple[str, int, int]:
    """What is cut; nothing for a whole recording."""
    if not entry.is_stretch and entry.channel is None:
        return "", -1, -1
    place = -1 if entry.held is None else entry.held.first
    return entry.location, place, -1 if entry.channel is None else entry.channel


def _row_of(entry: Entry) -> tuple[str, int]:
    """Its place in a Parquet file, of which rows that lie together are read together."""
    held = entry.held
    return ("", 0) if held is None or held.column is None else (entry.location, held.first)


def _group_of(entry: Entry) -> tuple[object, ...]:
    return _file_of(entry) if _file_of(entry)[0] else (entry.id,)


def _is_whole(entry: Entry, source: AudioSource) -> bool:
    """Whether an entry means all of its file, as far as the header is right."""
    if entry.channel is not None or entry.offset_s:
        return False
    if not entry.is_stretch or entry.duration_s is None:
        return True
    try:
        stated_s = duration_s(source)
    except (GigaAMError, OSError):
        return False
    return stated_s is not None and stated_s <= entry.duration_s + _ROUNDING_S


def _cut(
    group: Sequence[Entry], source: AudioSource, listening: Listening
) -> Iterator[tuple[Entry, AudioSource | Exception]]:
    """Stretches of one file, in order, as samples [n] or, of channels that stay apart, [c, n]."""
    try:
        channels = _channels(group[0], source, listening)
    except Exception as error:
        yield from ((entry, error) for entry in group)
        return
    readers = [ExcerptReader(_again(source), channel, listening.track) for channel in channels]
    for entry in group:
        length_s = entry.duration_s if entry.is_stretch else None
        length = None if length_s is None else round(length_s * SAMPLE_RATE)
        first = round(entry.offset_s * SAMPLE_RATE)
        heard = [reader.excerpt(first, length) for reader in readers]
        failed = next((each for each in heard if isinstance(each, Exception)), None)
        if failed is not None:
            yield entry, failed
        else:
            samples = np.stack([each for each in heard if not isinstance(each, Exception)])
            yield entry, (samples[0] if len(samples) == 1 else samples, SAMPLE_RATE)


def _channels(entry: Entry, source: AudioSource, listening: Listening) -> list[int | None]:
    """The channels to be heard; None for the mix of all."""
    if entry.channel is not None or not listening.splits:
        return [entry.channel]
    return list(range(channel_count(source, track=listening.track)))


def _again(source: AudioSource) -> AudioSource:
    """The same source, to be read by itself."""
    if isinstance(source, NamedBytes):
        return NamedBytes(source.getbuffer(), source.name)
    return source


def _size(group: Sequence[Entry]) -> int:
    """Bytes of the file of a group."""
    return _UNKNOWN_BYTES if group[0].n_bytes is None else group[0].n_bytes


def _fetch(entry: Entry, held: HeldReader) -> AudioSource | Exception:
    """What an entry lies in: a path of this machine, else all of its bytes."""
    try:
        if entry.held is not None:
            return NamedBytes(held.read(entry), name_of_source(entry))
        if is_address(entry.location):
            return NamedBytes(files_at(entry.location).read(entry.location), name_of_source(entry))
        if os.path.exists(entry.location) and not os.path.isfile(entry.location):
            return AudioError(f"{entry.location}: no regular file")
    except FileNotFoundError:
        return AudioFileNotFoundError(f"{entry.location}: there is no such recording")
    except Exception as error:
        return error
    return entry.location
