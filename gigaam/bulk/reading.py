"""The recordings of a shard, opened: files of this machine, of stores, and stretches of either."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import groupby

from gigaam.audio import SAMPLE_RATE, AudioSource, duration_s
from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests.held import HeldReader
from gigaam.bulk.places import files_at, is_address
from gigaam.dataset.excerpts import ExcerptReader
from gigaam.errors import AudioFileNotFoundError, GigaAMError

__all__ = ["in_order_of_work", "name_of_source", "open_entries"]

_READERS = 4
_AHEAD = 8  # recordings that are fetched while others are recognised
_AHEAD_BYTES = 256 << 20
_UNKNOWN_BYTES = 16 << 20
_ROUNDING_S = 0.1  # that a manifest may be wrong about the end of a file


class NamedBytes(BytesIO):
    """A recording in memory, with the name that messages call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def in_order_of_work(entries: Sequence[Entry]) -> list[Entry]:
    """Entries as they are best recognised: of one length together, of one file front to back."""

    def place(entry: Entry) -> tuple[object, ...]:
        return *_file_of(entry), entry.offset_s, *_row_of(entry), entry.planned_s

    return sorted(entries, key=place)


def open_entries(entries: Iterable[Entry]) -> Iterator[tuple[Entry, AudioSource | Exception]]:
    """Each entry with what is to be recognised, or why it cannot be read.

    Args:
        entries: `in_order_of_work`.
    """
    by_file = (list(group) for _, group in groupby(entries, _group_of))
    for group, source in _fetched_ahead(by_file):
        if isinstance(source, Exception):
            yield from ((entry, source) for entry in group)
        else:
            yield from _opened(group, source)


def name_of_source(entry: Entry) -> str:
    """What messages call the file of an entry."""
    return entry.location if entry.held is None else entry.held.name or entry.path


def _file_of(entry: Entry) -> tuple[str, int]:
    """What a stretch is cut from; nothing for a whole recording."""
    if not entry.is_stretch:
        return "", -1
    return entry.location, -1 if entry.channel is None else entry.channel


def _row_of(entry: Entry) -> tuple[str, int]:
    """Its place in a Parquet file, of which rows that lie together are read together."""
    held = entry.held
    return ("", 0) if held is None or held.column is None else (entry.location, held.first)


def _group_of(entry: Entry) -> tuple[object, ...]:
    return _file_of(entry) if entry.is_stretch else (entry.id,)


def _opened(
    group: Sequence[Entry], source: AudioSource
) -> Iterator[tuple[Entry, AudioSource | Exception]]:
    """A whole recording, or stretches of one file in order."""
    if len(group) == 1 and group[0].channel is None and _is_whole(group[0], source):
        yield group[0], source
        return
    reader = ExcerptReader(source, group[0].channel)
    for entry in group:
        length_s = entry.duration_s if entry.is_stretch else None
        length = None if length_s is None else round(length_s * SAMPLE_RATE)
        samples = reader.excerpt(round(entry.offset_s * SAMPLE_RATE), length)
        yield entry, samples if isinstance(samples, Exception) else (samples, SAMPLE_RATE)


def _is_whole(entry: Entry, source: AudioSource) -> bool:
    """Whether an entry means all of its file, as far as the header is right."""
    if not entry.is_stretch:
        return True
    if entry.offset_s:
        return False
    if entry.duration_s is None:
        return True
    try:
        stated_s = duration_s(source)
    except (GigaAMError, OSError):
        return False
    return stated_s is not None and stated_s <= entry.duration_s + _ROUNDING_S


def _fetched_ahead(
    groups: Iterable[list[Entry]],
) -> Iterator[tuple[list[Entry], AudioSource | Exception]]:
    """Each group with its file; the files of those that follow are fetched meanwhile."""
    held = HeldReader()
    waiting: deque[tuple[list[Entry], int, Future[AudioSource | Exception]]] = deque()
    with ThreadPoolExecutor(_READERS, "gigaam-fetch") as pool:
        for group in groups:
            size = _UNKNOWN_BYTES if group[0].n_bytes is None else group[0].n_bytes
            while waiting and (len(waiting) >= _AHEAD or _held(waiting) + size > _AHEAD_BYTES):
                first, _, fetched = waiting.popleft()
                yield first, fetched.result()
            waiting.append((group, size, pool.submit(_fetch, group[0], held)))
        for first, _, fetched in waiting:
            yield first, fetched.result()


def _held(waiting: Iterable[tuple[object, int, object]]) -> int:
    return sum(size for _, size, _ in waiting)


def _fetch(entry: Entry, held: HeldReader) -> AudioSource | Exception:
    """What an entry lies in: a path of this machine, else all of its bytes."""
    try:
        if entry.held is not None:
            return NamedBytes(held.read(entry), name_of_source(entry))
        if is_address(entry.location):
            return NamedBytes(files_at(entry.location).read(entry.location), name_of_source(entry))
    except FileNotFoundError:
        return AudioFileNotFoundError(f"{entry.location}: there is no such recording")
    except Exception as error:
        return error
    return entry.location
