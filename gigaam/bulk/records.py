"""What a ledger keeps of a run: its plan, its shards, what failed, what was begun in vain."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from gigaam.quoting import cut

__all__ = ["FORMATS", "Attempt", "Failure", "Part", "RowFormat", "RunFile", "Summary"]

RowFormat: TypeAlias = Literal["parquet", "jsonl"]
FORMATS: tuple[RowFormat, ...] = get_args(RowFormat)

_OF_AN_END = 0.125
_SUSPICIOUS_DEATHS = 3.0
_DEADLY = 2.0


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
        shard_s: Seconds from which on a shard was full.
        manifest: What was planned.
        base: The folder from which its paths begin; empty if none of them needs one.
        stamp: Of the manifest, when it was planned; changes when it does.
        digest: Of all entries.
        n_repeated: Entries that the manifest had more than once.
        parts: Of the plan.
    """

    identity: Mapping[str, Any]
    format: RowFormat
    shard_s: float
    manifest: str
    base: str
    stamp: str
    digest: str
    n_repeated: int
    parts: tuple[Part, ...]

    @cached_property
    def _firsts(self) -> list[int]:
        return [part.first for part in self.parts]

    def part_of(self, shard: int) -> Part:
        """The part of the plan that a shard is in."""
        return self.parts[bisect_right(self._firsts, shard) - 1]

    @cached_property
    def n_shards(self) -> int:
        """All shards."""
        return sum(part.n_shards for part in self.parts)

    @cached_property
    def n_entries(self) -> int:
        """All entries."""
        return sum(part.n_entries for part in self.parts)

    @cached_property
    def planned_s(self) -> float:
        """The seconds of all entries, as far as these were known."""
        return sum(part.planned_s for part in self.parts)

    def check(self) -> None:
        """See whether a run that was read is what it should be.

        Raises:
            ValueError, KeyError, TypeError: It is not.
        """
        if self.format not in FORMATS:
            raise ValueError(f"format {cut(self.format)}")
        name, options = self.identity["model"]["name"], self.identity["options"]
        if not isinstance(name, str) or not isinstance(options, dict):
            raise TypeError("identity")
        first = 0
        for part in self.parts:
            if part.first != first:
                raise ValueError(f"there is no part from shard {first} on")
            first += part.n_shards


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
        took_s: How long it took, all times that it was done together.
        n_made: Its entries that were done the last time.
        n_made_failed: Those of them that failed.
        made_s: Seconds of sound in the others of them.
        by: Where: processor, threads, releases of what computed.
    """

    n_entries: int
    n_failed: int
    n_passing: int
    heard_s: float
    took_s: float
    n_made: int
    n_made_failed: int
    made_s: float
    by: Mapping[str, Any]


@dataclass(frozen=True)
class Attempt:
    """How a shard was begun in vain.

    A worker's death counts as one. That the whole run ended may have been anybody's doing, even a
    recording's: it counts as a fraction.

    Attributes:
        session: The run of the driver in which it was begun last.
        deaths: How often it was begun in vain.
        at_work: The entry at work, if entries are done one by one; None if that is not known.
        suspected: Entries, and how often work ended while they were at work.
    """

    session: str = ""
    deaths: float = 0.0
    at_work: str | None = None
    suspected: Mapping[str, float] = field(default_factory=dict)

    def again(self, session: str) -> Attempt:
        """The attempt after this one.

        Args:
            session: The run of the driver in which it is begun.
        """
        death = 1.0 if session == self.session else _OF_AN_END
        suspected = dict(self.suspected)
        if self.at_work is not None:
            suspected[self.at_work] = suspected.get(self.at_work, 0.0) + death
        return Attempt(session, self.deaths + death, None, suspected)

    @property
    def is_suspicious(self) -> bool:
        """Whether entries are better done one by one, to find the one that kills."""
        return self.deaths >= _SUSPICIOUS_DEATHS

    def condemns(self, entry: str) -> bool:
        """Whether an entry is not tried any more."""
        return self.suspected.get(entry, 0.0) >= _DEADLY
