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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from gigaam.bulk.entries import Entry
from gigaam.bulk.places import Found, files_at, joined
from gigaam.errors import BulkError

__all__ = ["Attempt", "Failure", "Ledger", "Part", "RunFile", "Summary"]

_VERSION = 1
_SHARDS_A_FOLDER = 1000


@dataclass(frozen=True)
class Part:
    """Some shards of a plan that follow each other, in one file.

    Attributes:
        first: The first shard.
        n_shards: How many there are.
        n_entries: The entries of all of them.
        planned_s: Their seconds, as far as these were known.
    """

    first: int
    n_shards: int
    n_entries: int
    planned_s: float


@dataclass(frozen=True)
class RunFile:
    """What a run is.

    Attributes:
        identity: What results depend on: the release, the model, the options.
        format: Of the rows: "parquet" or "jsonl".
        manifest: What was planned.
        stamp: Of the manifest, when it was planned; changes when it does.
        digest: Of all entries.
        n_repeated: Entries that the manifest had more than once.
        parts: Of the plan.
    """

    identity: Mapping[str, Any]
    format: str
    manifest: str
    stamp: str
    digest: str
    n_repeated: int
    parts: tuple[Part, ...]

    @property
    def n_shards(self) -> int:
        """All shards."""
        return sum(part.n_shards for part in self.parts)

    @property
    def n_entries(self) -> int:
        """All entries."""
        return sum(part.n_entries for part in self.parts)

    @property
    def planned_s(self) -> float:
        """The seconds of all entries, as far as these were known."""
        return sum(part.planned_s for part in self.parts)


@dataclass(frozen=True)
class Failure:
    """An entry that failed.

    Attributes:
        id: Its name.
        kind: The class of the error.
        message: What it says.
        is_passing: Whether it may succeed later, as when a store does not answer.
    """

    id: str
    kind: str
    message: str
    is_passing: bool = False


@dataclass(frozen=True)
class Summary:
    """What a shard was.

    Attributes:
        n_entries: Its entries.
        n_failed: Those that failed.
        n_passing: Those that failed as something may that passes, such as a store at rest.
        heard_s: Seconds of sound in the others.
        took_s: How long it took.
        by: Where: processor, threads, releases of what computed.
    """

    n_entries: int
    n_failed: int
    n_passing: int
    heard_s: float
    took_s: float
    by: Mapping[str, Any]


@dataclass(frozen=True)
class Attempt:
    """How a shard was begun in vain.

    Attributes:
        n: How often.
        at_work: The entry at work when it ended, if entries are done one by one; None if not known.
        suspected: Entries during which work ended once.
        condemned: Entries that are not tried any more: during each of them work has ended twice.
    """

    n: int = 0
    at_work: str | None = None
    suspected: tuple[str, ...] = ()
    condemned: tuple[str, ...] = ()

    def again(self) -> Attempt:
        """The attempt after this one."""
        suspect = self.at_work
        if suspect is None:
            return replace(self, n=self.n + 1)
        if suspect in self.suspected:
            rest = tuple(each for each in self.suspected if each != suspect)
            return Attempt(self.n + 1, None, rest, (*self.condemned, suspect))
        return Attempt(self.n + 1, None, (*self.suspected, suspect), self.condemned)


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
                    f"{self.location} was written by another release of gigaam ({version})"
                )
            parts = tuple(Part(**part) for part in plain.pop("parts"))
            return RunFile(**plain, parts=parts)
        except (TypeError, KeyError, AttributeError) as error:
            told = f"{self._at('run.json')} is damaged: restore it, or take another directory"
            raise BulkError(told) from error

    def write_run(self, run: RunFile) -> None:
        """Keep what this run is: from now on it is planned."""
        self._write_json("run.json", {"version": _VERSION, **asdict(run)})

    def write_part(self, part: Part, shards: Iterable[Iterable[Entry]]) -> None:
        """Keep the entries of some shards."""
        lines = [
            json.dumps([shard, entry.to_dict()])
            for shard, entries in enumerate(shards, part.first)
            for entry in entries
        ]
        packed = gzip.compress("\n".join(lines).encode(), 5, mtime=0)
        self._files.write(self._at(_part_name(part)), packed)

    def read_part(self, part: Part) -> list[list[Entry]]:
        """The entries of some shards."""
        shards: list[list[Entry]] = [[] for _ in range(part.n_shards)]
        content = gzip.decompress(self._files.read(self._at(_part_name(part))))
        for line in content.splitlines():
            shard, plain = json.loads(line)
            shards[shard - part.first].append(Entry.from_dict(plain))
        return shards

    def entries(self, run: RunFile, shard: int) -> list[Entry]:
        """The entries of a shard; those of its neighbours are remembered."""
        part = next(each for each in run.parts if each.first <= shard < each.first + each.n_shards)
        if self._part is None or self._part[0] != part.first:
            self._part = (part.first, self.read_part(part))
        return self._part[1][shard - part.first]

    def done(self) -> set[int]:
        """The shards that have their rows."""
        return {shard for shard, _ in _numbered(self._files.below(self._at("shards")))}

    def failed(self) -> dict[int, bool]:
        """The shards of which an entry failed, and whether of something that may pass."""
        found = self._files.below(self._at("failures"))
        return {shard: ".passing." in name for shard, name in _numbered(found)}

    def read_rows(self, run: RunFile, shard: int) -> bytes | None:
        """The file of a shard's rows; None if it is not done."""
        try:
            return self._files.read(self._at(_rows_name(shard, run.format)))
        except FileNotFoundError:
            return None

    def finish(
        self,
        run: RunFile,
        shard: int,
        rows: bytes,
        summary: Summary,
        failures: Iterable[Failure],
    ) -> None:
        """Keep the rows of a shard: it is done from now on."""
        self._write_json(f"summaries/{shard:06d}.json", asdict(summary))
        kept = _failures_name(shard, bool(summary.n_passing)) if summary.n_failed else None
        if kept is not None:
            self._write_json(kept, [asdict(failure) for failure in failures])
        self._files.write(self._at(_rows_name(shard, run.format)), rows)
        for name in {_failures_name(shard, True), _failures_name(shard, False)} - {kept}:
            self._files.remove(self._at(name))
        self._files.remove(self._at(_begun_name(shard)))

    def summary(self, shard: int) -> Summary:
        """How much a shard was that is done."""
        return Summary(**self._json(f"summaries/{shard:06d}.json"))

    def failures(self, shard: int) -> list[Failure]:
        """The entries of a shard that failed."""
        for passes in (True, False):
            listed = self._json(_failures_name(shard, passes))
            if listed is not None:
                return [Failure(**each) for each in listed]
        return []

    def begin(self, shard: int) -> Attempt:
        """Note that a shard is begun; how often it was before, in vain."""
        plain = self._json(_begun_name(shard))
        attempt = Attempt() if plain is None else _attempt(plain).again()
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
            return json.loads(content)
        except ValueError as error:
            raise BulkError(f"{self._at(name)} is damaged: {error}") from error

    def _write_json(self, name: str, plain: object) -> None:
        self._files.write(self._at(name), json.dumps(plain).encode())


def _attempt(plain: Mapping[str, Any]) -> Attempt:
    lists = {name: tuple(plain[name]) for name in ("suspected", "condemned")}
    return Attempt(plain["n"], plain["at_work"], **lists)


def _numbered(found: Iterable[Found]) -> Iterator[tuple[int, str]]:
    """Files that are called by a shard's number, not what an interrupted writer left."""
    for each in found:
        name = PurePath(each.path).name
        stem = name.partition(".")[0]
        if stem.isdigit() and not name.endswith(".part"):
            yield int(stem), name


def _failures_name(shard: int, is_passing: bool) -> str:
    return f"failures/{shard:06d}{'.passing' if is_passing else ''}.json"


def _part_name(part: Part) -> str:
    return f"plan/{part.first:06d}.jsonl.gz"


def _rows_name(shard: int, format: str) -> str:
    return f"shards/{shard // _SHARDS_A_FOLDER:03d}/{shard:06d}.{format}"


def _begun_name(shard: int) -> str:
    return f"begun/{shard:06d}.json"
