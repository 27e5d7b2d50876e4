"""What a ledger keeps of a run: its plan, its shards, what failed, what was begun in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gigaam.quoting import cut

__all__ = ["Attempt", "Failure", "Part", "RunFile", "Summary"]


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

    def check(self) -> None:
        """See whether a run that was read is what it should be.

        Raises:
            ValueError, KeyError, TypeError: It is not.
        """
        if self.format not in ("parquet", "jsonl"):
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
