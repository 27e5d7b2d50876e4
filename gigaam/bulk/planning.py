"""A manifest → shards of so many minutes, written down before any is begun.

Of ten million recordings there are never more in memory than a part of the plan, and eight bytes of
each: by these it is found out which names the manifest has more than once.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from gigaam.audio import duration_s
from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Ledger, Part
from gigaam.bulk.places import is_address
from gigaam.bulk.short_digests import repeated, short_digest
from gigaam.errors import BulkError, GigaAMError

__all__ = ["Plan", "digest_of", "make_plan"]

_PART_ENTRIES = 5000
_MOST_ENTRIES = 2000  # of one shard: recordings of a second make long lists
_MEASURED_AT_ONCE = 512
_MEASURERS = 8


@dataclass(frozen=True)
class Plan:
    """What was planned.

    Attributes:
        parts: Of the plan, as they were written.
        digest: Of all entries.
        n_repeated: Entries that the manifest had more than once: they are done once.
    """

    parts: tuple[Part, ...]
    digest: str
    n_repeated: int


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def make_plan(
    entries: Iterable[Entry],
    ledger: Ledger,
    shard_s: float,
    base: str = "",
    on_entries: Callable[[int], Any] = lambda n: None,
) -> Plan:
    """Put entries into shards and write them down.

    Args:
        entries: In the manifest's order, which shards keep.
        ledger: Where to.
        shard_s: Seconds from which on a shard is full.
        base: The folder from which relative paths begin.
        on_entries: Told how many entries were planned so far.

    Raises:
        BulkError: Two different recordings have one name.
        GigaAMError: Of the manifest.
    """
    names = array("Q")
    hasher = hashlib.sha256()
    parts: list[Part] = []
    first = 0
    for shards in _parts(_shards(_measured(_noted(entries, hasher, names)), shard_s)):
        parts.append(_part(first, shards))
        ledger.write_part(parts[-1], shards, base)
        first += len(shards)
        on_entries(len(names))
    twice = set(repeated(np.frombuffer(names, np.uint64)).tolist()) if names else set()
    n_repeated = 0
    if twice:
        parts, n_repeated = _without_repeated(ledger, parts, twice)
    return Plan(tuple(parts), hasher.hexdigest(), n_repeated)


def digest_of(entries: Iterable[Entry]) -> str:
    """The digest that a plan of these entries has."""
    hasher = hashlib.sha256()
    for _ in _noted(entries, hasher, array("Q")):
        pass
    return hasher.hexdigest()


def _noted(entries: Iterable[Entry], hasher: _Digest, names: array[int]) -> Iterator[Entry]:
    for entry in entries:
        hasher.update(repr(entry.to_dict()).encode("utf-8", "surrogateescape"))
        names.append(short_digest(entry.id))
        yield entry


def _measured(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries; files of this machine with the length that their headers state."""
    with ThreadPoolExecutor(_MEASURERS, "gigaam-measure") as pool:
        while window := list(islice(entries, _MEASURED_AT_ONCE)):
            if any(map(_is_measurable, window)):
                yield from pool.map(_measure, window)
            else:
                yield from window


def _is_measurable(entry: Entry) -> bool:
    if entry.held is not None or entry.duration_s is not None:
        return False
    return not is_address(entry.location) and os.path.isfile(entry.location)


def _measure(entry: Entry) -> Entry:
    if not _is_measurable(entry):
        return entry
    try:
        stated_s = duration_s(entry.location)
    except (GigaAMError, OSError):  # reading it will tell what is wrong
        return entry
    return entry if stated_s is None else replace(entry, duration_s=_rest(stated_s, entry))


def _rest(stated_s: float, entry: Entry) -> float:
    return max(0.0, stated_s - entry.offset_s)


def _shards(entries: Iterator[Entry], shard_s: float) -> Iterator[list[Entry]]:
    shard: list[Entry] = []
    planned_s = 0.0
    for entry in entries:
        shard.append(entry)
        planned_s += entry.planned_s
        if planned_s >= shard_s or len(shard) >= _MOST_ENTRIES:
            yield shard
            shard, planned_s = [], 0.0
    if shard:
        yield shard


def _parts(shards: Iterator[list[Entry]]) -> Iterator[list[list[Entry]]]:
    part: list[list[Entry]] = []
    n_entries = 0
    for shard in shards:
        part.append(shard)
        n_entries += len(shard)
        if n_entries >= _PART_ENTRIES:
            yield part
            part, n_entries = [], 0
    if part:
        yield part


def _part(first: int, shards: list[list[Entry]]) -> Part:
    entries = [entry for shard in shards for entry in shard]
    return Part(first, len(shards), len(entries), sum(entry.planned_s for entry in entries))


def _without_repeated(ledger: Ledger, parts: list[Part], twice: set[int]) -> tuple[list[Part], int]:
    """The plan with each of these entries once, where it comes first; how many were left out."""
    seen: dict[str, Entry] = {}
    left: list[Part] = []
    n_left_out = 0
    for part in parts:
        shards = ledger.read_part(part)
        kept = [[each for each in shard if _is_first(each, twice, seen)] for shard in shards]
        changed = _part(part.first, kept)
        if changed.n_entries < part.n_entries:
            ledger.write_part(changed, kept)
            n_left_out += part.n_entries - changed.n_entries
        left.append(changed)
    return left, n_left_out


def _is_first(entry: Entry, twice: set[int], seen: dict[str, Entry]) -> bool:
    if short_digest(entry.id) not in twice:
        return True
    before = seen.setdefault(entry.id, entry)
    if before is entry:
        return True
    if before != entry:
        raise BulkError(
            f"the manifest calls two recordings {entry.id}: {before.path} and {entry.path}; each "
            "needs an id of its own"
        )
    return False
