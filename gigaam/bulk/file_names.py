"""Names of files for the recordings of a run: distinct, possible everywhere, always the same.

A recording has the name of its path with the extension left out. Where two would have one name, all
that would have it take their next: with the extension, by their ids, and in the end with a digest
of the id. Names depend on the plan alone, not on what is done of it, so that they stay what they
are while a run goes on. Letters' case makes no difference, as on many file systems.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Ledger, Part, RunFile
from gigaam.bulk.short_digests import repeated, short_digest
from gigaam.errors import BulkError
from gigaam.output.formats import FORMATS

__all__ = ["FileNames"]

_STEM, _WHOLE, _ID, _DIGEST = range(4)
"""What an entry is called by: each is taken where the one before it is not its alone."""

_ROUNDS = 4  # after which what is still called alike takes the last: chains of names may be long

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^?]*)")
_ROOT = re.compile(r"[A-Za-z]:(?=[/\\])")
_IMPOSSIBLE = re.compile('[<>:"|?*#\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_FOLDER_LIKE_FILE = tuple(f".{name}" for name in (*FORMATS, "part"))
_PART_BYTES = 180  # file systems take 255, and there are endings to come
_NAME_BYTES = 700  # stores take 1024


class FileNames:
    """The names of all entries of a run, without their extensions."""

    def __init__(self, ledger: Ledger, run: RunFile, kept_out: Sequence[str] = ()) -> None:
        """Find out which they are.

        Args:
            ledger: Of the run.
            run: The run.
            kept_out: The parts of a folder that no name leads into.

        Raises:
            BulkError: The plan is damaged, or two entries cannot have different names.
        """
        self._ledger, self._run = ledger, run
        self._kept_out = tuple(map(_key, kept_out))
        self._levels = np.zeros(run.n_entries, np.uint8)
        self._firsts: dict[int, int] = {}
        self._offsets: tuple[int, list[int]] = (-1, [])  # of the shards of a part
        first = 0
        for part in run.parts:
            self._firsts[part.first] = first
            first += part.n_entries
        self._settle()

    def of_shard(self, shard: int) -> dict[str, str]:
        """The names of a shard's entries by their ids; parts of a name are between slashes."""
        part = self._run.part_of(shard)
        if self._offsets[0] != part.first:
            sizes = [0, *map(len, self._ledger.read_part(part))]
            self._offsets = part.first, np.cumsum(sizes).tolist()
        entries = self._ledger.entries(self._run, shard)
        first = self._firsts[part.first] + self._offsets[1][shard - part.first]
        levels = self._levels[first : first + len(entries)].tolist()
        return {e.id: self._name(e, level) for e, level in zip(entries, levels, strict=True)}

    def _settle(self) -> None:
        """Have entries take their next names until each has one of its own."""
        digests = np.zeros(len(self._levels), np.uint64)
        changed = np.ones(len(self._levels), np.bool_)
        n_rounds = 0
        while changed.any():
            for part in self._run.parts:
                here = self._slice(part)
                if changed[here].any():
                    digests[here] = self._digests(part)
            clashing = _clashing(digests)
            changed = clashing & (self._levels < _DIGEST)
            if clashing.any() and not changed.any():
                raise BulkError(f"{self._some(clashing)} cannot have names of their own as files")
            n_rounds += 1
            self._levels[changed] = _DIGEST if n_rounds >= _ROUNDS else self._levels[changed] + 1

    def _digests(self, part: Part) -> NDArray[np.uint64]:
        entries = [entry for shard in self._ledger.read_part(part) for entry in shard]
        levels = self._levels[self._slice(part)].tolist()
        names = map(self._name, entries, levels)
        return np.array([short_digest(_key(name)) for name in names], np.uint64)

    def _slice(self, part: Part) -> slice:
        first = self._firsts[part.first]
        return slice(first, first + part.n_entries)

    def _some(self, clashing: NDArray[np.bool_]) -> str:
        """The first two recordings of these."""
        ids: list[str] = []
        for part in self._run.parts:
            here = np.flatnonzero(clashing[self._slice(part)])
            if len(here):
                entries = [entry for shard in self._ledger.read_part(part) for entry in shard]
                ids += [entries[index].id for index in here]
            if len(ids) >= 2:
                break
        return " and ".join(ids[:2])

    def _name(self, entry: Entry, level: int) -> str:
        *folders, name = _candidate(entry, level)
        parts = [*map(_folder, folders), name]
        while len(parts) > 1 and len("/".join(parts).encode()) > _NAME_BYTES:
            del parts[0]
        if self._kept_out and tuple(map(_key, parts[: len(self._kept_out)])) == self._kept_out:
            parts[0] += "_"
        return "/".join(parts)


def _candidate(entry: Entry, level: int) -> list[str]:
    if level == _ID:
        return _safe_parts(entry.id)
    *folders, name = _safe_parts(entry.path)
    if level == _STEM and PurePosixPath(name).suffix:
        name = PurePosixPath(name).stem
    if entry.id.startswith(f"{entry.path}#"):  # a stretch
        name = _safe(f"{name}_{entry.id[len(entry.path) + 1 :]}")
    if level == _DIGEST:
        name += f"~{short_digest(entry.id):016x}"
    return [*folders, name]


def _safe_parts(path: str) -> list[str]:
    """The parts of a path or an address, less what it begins at; at least one."""
    if found := _ADDRESS.match(path):
        path = found[1]  # what an address asks for, and who asks, is no name
    parts = re.split(r"[/\\]", _ROOT.sub("", path, count=1))
    return [_safe(part) for part in parts if part not in ("", ".")] or ["_"]


def _safe(part: str) -> str:
    """A part of a name as every file system takes it; it leads nowhere else."""
    part = _cut(re.sub(r"[/\\]", "_", _IMPOSSIBLE.sub("_", part))).rstrip(". ")
    return f"_{part}" if not part or _RESERVED.match(part) else part


def _cut(part: str) -> str:
    return part.encode()[:_PART_BYTES].decode(errors="ignore")


def _folder(part: str) -> str:
    """The name of a folder that is not one of a file, too."""
    return f"{part}_" if part.casefold().endswith(_FOLDER_LIKE_FILE) else part


def _key(name: str) -> str:
    """What is the same for names that are one on some file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _clashing(digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which are there more than once."""
    shared = repeated(digests)
    if not len(shared):
        return np.zeros(len(digests), np.bool_)
    nearest = np.minimum(np.searchsorted(shared, digests), len(shared) - 1)
    clashing: NDArray[np.bool_] = shared[nearest] == digests
    return clashing
