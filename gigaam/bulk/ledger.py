"""What is written of a run besides its results: the plan, what is done, what failed, what killed.

    run.json                    what the run is; written last of the plan, so there is all of it
    plan/000000.jsonl.gz        the entries of some shards, a line each
    shards/000/000123.parquet   the rows of a shard: there, or not there
    summaries/000123.json       how much it was and how long it took; written before its rows
    failures/000123.json        which of its entries failed, and why; likewise (000123.passing.json
                                if some may succeed later)
    begun/000123.json           how often a shard was begun in vain

A run is resumed from these alone: two listings say what is left, whatever was killed.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import PurePath
from typing import Any, TypeVar

from gigaam.bulk.entries import Entry
from gigaam.bulk.places import Found, files_at, is_address, joined
from gigaam.bulk.records import Attempt, Failure, Part, RunFile, Summary
from gigaam.errors import BulkError
from gigaam.quoting import cut

__all__ = ["Attempt", "Failure", "Ledger", "Part", "RunFile", "Summary"]

T = TypeVar("T")

_VERSION = 1
_SHARDS_A_FOLDER = 1000
_OF_DAMAGE = (ValueError, LookupError, TypeError, AttributeError)


class Ledger:
    """The files of a run's directory, local or in a store; processes may share it by its location.

    Attributes:
        location: Where it is.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self._files = files_at(location)
        self._part: tuple[int, list[list[Entry]]] | None = None

    def read_run(self) -> RunFile | None:
        """What run this is the directory of; None if it is of none.

        Raises:
            BulkError: Of a run of another release, or the file is damaged.
        """
        plain = self._json("run.json")
        if plain is None:
            return None
        try:
            version = plain.pop("version")
            if version != _VERSION:
                raise BulkError(
                    f"{self.location} was written by another release of gigaam ({cut(version)})"
                )
            parts = tuple(Part(**part) for part in plain.pop("parts"))
            run = RunFile(**plain, parts=parts)
            run.check()
        except _OF_DAMAGE as error:
            told = f"{self._at('run.json')} is damaged: restore it, or take another directory"
            raise BulkError(told) from error
        return run

    def write_run(self, run: RunFile) -> None:
        """Keep what this run is: from now on it is planned."""
        self._write_json("run.json", {"version": _VERSION, **asdict(run)})

    def write_part(self, part: Part, shards: Iterable[Iterable[Entry]], base: str = "") -> None:
        """Keep the entries of some shards.

        Args:
            part: Which they are.
            shards: Their entries.
            base: Where paths begin: what lies there is known by its path alone.
        """
        lines = [
            json.dumps([shard, _without_base(entry, base)])
            for shard, entries in enumerate(shards, part.first)
            for entry in entries
        ]
        packed = gzip.compress("\n".join(lines).encode(), 5, mtime=0)
        self._files.write(self._at(_part_name(part)), packed)

    def read_part(self, part: Part, base: str = "") -> list[list[Entry]]:
        """The entries of some shards.

        Args:
            part: Which they are.
            base: Where paths begin now.

        Raises:
            BulkError: Their file is missing or damaged.
        """
        by_number: dict[int, list[Entry]] = {part.first + i: [] for i in range(part.n_shards)}
        where = self._at(_part_name(part))
        try:
            for line in gzip.decompress(self._files.read(where)).splitlines():
                shard, plain = json.loads(line)
                if "location" not in plain:
                    plain["location"] = joined(base, plain["path"])
                by_number[shard].append(Entry.from_dict(plain))
        except FileNotFoundError as error:
            raise BulkError(f"{where} is missing: restore it, or take another directory") from error
        except (*_OF_DAMAGE, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BulkError(f"{where} is damaged: {cut(error)}") from error
        shards = list(by_number.values())
        if (n := sum(map(len, shards))) != part.n_entries:
            raise BulkError(f"{where} is damaged: it has {n} entries, not {part.n_entries}")
        return shards

    def entries(self, run: RunFile, shard: int) -> list[Entry]:
        """The entries of a shard; those of its neighbours are remembered.

        Raises:
            BulkError: There is no such shard, or the plan is damaged.
        """
        if not 0 <= shard < run.n_shards:
            raise BulkError(f"{self.location} has {run.n_shards} shards, none of number {shard}")
        part = run.part_of(shard)
        if self._part is None or self._part[0] != part.first:
            self._part = (part.first, self.read_part(part, run.base))
        return self._part[1][shard - part.first]

    def done(self) -> set[int]:
        """The shards that have their rows."""
        return {shard for shard, _ in _numbered(self._files.below(self._at("shards")))}

    def failed(self) -> dict[int, bool]:
        """The shards of which an entry failed, and whether of something that may pass."""
        found = self._files.below(self._at("failures"))
        return {shard: ".passing." in name for shard, name in _numbered(found)}

    def tidy(self, done: Collection[int]) -> None:
        """Remove what an earlier run, when it was killed, was about to remove.

        Args:
            done: The shards that have their rows.
        """
        if not is_address(self.location):
            for found in list(self._files.below(self.location)):
                name = PurePath(found.path).name
                if name.startswith(".") and name.endswith(".tmp"):
                    self._files.remove(found.path)
        for shard, _ in list(_numbered(self._files.below(self._at("begun")))):
            if shard in done and self.summary(shard).n_failed == 0:
                for is_passing in (True, False):
                    self._files.remove(self._at(_failures_name(shard, is_passing)))
                self._files.remove(self._at(_begun_name(shard)))

    def read_rows(self, run: RunFile, shard: int) -> bytes | None:
        """The file of a shard's rows; None if it is not done."""
        try:
            return self._files.read(self.rows_place(run, shard))
        except FileNotFoundError:
            return None

    def rows_place(self, run: RunFile, shard: int) -> str:
        """Where the rows of a shard are, or will be."""
        return self._at(_rows_name(shard, run.format))

    def finish(
        self,
        run: RunFile,
        shard: int,
        rows: bytes,
        summary: Summary,
        failures: Iterable[Failure],
    ) -> None:
        """Keep the rows of a shard: it is done from now on.

        Rows and failures are two files: whenever this is interrupted, what failed in the rows that
        are there is among the failures.
        """
        self._write_json(_summary_name(shard), asdict(summary))
        kept = _failures_name(shard, bool(summary.n_passing)) if summary.n_failed else None
        now = list(failures)
        before: list[Failure] = []
        if kept is not None:
            ids = {failure.id for failure in now}
            before = [each for each in self.failures(shard) if each.id not in ids]
            self._write_json(kept, [asdict(each) for each in (*now, *before)])
        self._files.write(self.rows_place(run, shard), rows)
        if kept is not None and before:
            self._write_json(kept, [asdict(each) for each in now])
        for name in {_failures_name(shard, True), _failures_name(shard, False)} - {kept}:
            self._files.remove(self._at(name))
        self._files.remove(self._at(_begun_name(shard)))

    def summary(self, shard: int) -> Summary:
        """How much a shard was that is done.

        Raises:
            BulkError: Nothing is known of it.
        """
        name = _summary_name(shard)
        plain = self._json(name)
        if plain is None:
            raise BulkError(f"{self._at(name)} is missing")
        return self._made(name, lambda: Summary(**plain))

    def failures(self, shard: int) -> list[Failure]:
        """The entries of a shard that failed.

        While its rows are replaced, also those that failed before.
        """
        found: dict[str, Failure] = {}
        for passes in (True, False):
            name = _failures_name(shard, passes)
            if (listed := self._json(name)) is not None:
                for failure in self._made(name, partial(_failures, listed)):
                    found.setdefault(failure.id, failure)
        return list(found.values())

    def begin(self, shard: int, session: str) -> Attempt:
        """Note that a shard is begun; how often it was before, in vain.

        Args:
            shard: The shard.
            session: Names the run of the driver that has it done.
        """
        name = _begun_name(shard)
        plain = self._json(name)
        attempt = Attempt(session)
        if plain is not None:
            attempt = self._made(name, lambda: Attempt(**plain)).again(session)
        self.note(shard, attempt)
        return attempt

    def note(self, shard: int, attempt: Attempt) -> None:
        """Note how far an attempt is."""
        self._write_json(_begun_name(shard), asdict(attempt))

    def _at(self, name: str) -> str:
        return joined(self.location, name)

    def _json(self, name: str) -> Any:
        try:
            content = self._files.read(self._at(name))
        except FileNotFoundError:
            return None
        try:
            if (plain := json.loads(content)) is None:
                raise ValueError("it holds nothing")
        except ValueError as error:
            raise BulkError(f"{self._at(name)} is damaged: {error}") from error
        return plain

    def _made(self, name: str, make: Callable[[], T]) -> T:
        """What is made of the content of a file."""
        try:
            return make()
        except _OF_DAMAGE as error:
            raise BulkError(f"{self._at(name)} is damaged: {cut(error)}") from error

    def _write_json(self, name: str, plain: object) -> None:
        self._files.write(self._at(name), json.dumps(plain).encode())


def _without_base(entry: Entry, base: str) -> dict[str, Any]:
    plain = entry.to_dict()
    if joined(base, entry.path) == entry.location:
        del plain["location"]
    return plain


def _failures(listed: Iterable[Any]) -> list[Failure]:
    return [Failure(**each) for each in listed]


def _numbered(found: Iterable[Found]) -> Iterator[tuple[int, str]]:
    """Files that are called by a shard's number, not what an interrupted writer left."""
    for each in found:
        name = PurePath(each.path).name
        stem = name.partition(".")[0]
        if stem.isdecimal() and stem.isascii() and not name.endswith(".part"):
            yield int(stem), name


def _summary_name(shard: int) -> str:
    return f"summaries/{shard:06d}.json"


def _failures_name(shard: int, is_passing: bool) -> str:
    return f"failures/{shard:06d}{'.passing' if is_passing else ''}.json"


def _part_name(part: Part) -> str:
    return f"plan/{part.first:06d}.jsonl.gz"


def _rows_name(shard: int, format: str) -> str:
    return f"shards/{shard // _SHARDS_A_FOLDER:03d}/{shard:06d}.{format}"


def _begun_name(shard: int) -> str:
    return f"begun/{shard:06d}.json"
