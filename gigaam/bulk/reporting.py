"""What came of a run, read from its rows: how much, how fast, what failed, what to look at.

report("out").to_text()         lines for a terminal
report("out").to_html()         a page that needs nothing else
report("out").to_dict()         all of it, ready for ``json.dumps``
"""

from __future__ import annotations

import heapq
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gigaam.bulk.ledger import Ledger, RunFile, Summary
from gigaam.bulk.reading_ahead import read_ahead
from gigaam.bulk.report_tables import page, text
from gigaam.bulk.results import done_shards, read_run
from gigaam.bulk.row_files import Row, unpack_rows
from gigaam.errors import ArgumentError, BulkError

__all__ = ["BulkReport", "Doubtful", "Example", "Length", "Machine", "Tally", "report"]

_MOST_EXAMPLES = 10
_MOST_KINDS = 200  # of what is told apart: texts of warnings could all differ
_BEGINNING = 120  # characters of a text
_LENGTHS_S = (1.0, 10.0, 60.0, 300.0, 1200.0, 3600.0, math.inf)
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Example:
    """A recording.

    Attributes:
        id: Its name in the manifest.
        told: What there is to say of it.
    """

    id: str
    told: str


@dataclass
class Tally:
    """How often something was.

    Attributes:
        called: What it is; of warnings, the first of those that differ in numbers alone.
        n: In how many recordings.
        examples: The first of these.
    """

    called: str
    n: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, id: str, told: str) -> None:
        """Count a recording."""
        self.n += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(Example(id, told))


@dataclass
class Machine:
    """What some shards were done by.

    Attributes:
        host: The machine.
        processor: Its processor.
        device: Where the model was.
        threads: Of the processor, for each worker.
        n_shards: The shards.
        n_recordings: Recordings in them.
        heard_s: Seconds of sound in them.
        took_s: Seconds that its workers were at work.
    """

    host: str
    processor: str
    device: str
    threads: int | None
    n_shards: int = 0
    n_recordings: int = 0
    heard_s: float = 0.0
    took_s: float = 0.0

    @property
    def speed(self) -> float | None:
        """Seconds of sound that a worker does in one; None if that is not known."""
        return _speed(self.heard_s, self.took_s)


@dataclass(frozen=True)
class Doubtful:
    """A recording of low confidence.

    Attributes:
        id: Its name in the manifest.
        confidence: Geometric mean over its words.
        duration_s: How long it is.
        beginning: Of its text.
    """

    id: str
    confidence: float
    duration_s: float
    beginning: str


@dataclass
class Length:
    """Recordings of about one length.

    Attributes:
        under_s: They are shorter than so many seconds, and not shorter than those before; None for
            the longest.
        n: How many there are.
        heard_s: Their seconds.
    """

    under_s: float | None
    n: int = 0
    heard_s: float = 0.0


@dataclass
class BulkReport:
    """What came of a run.

    Attributes:
        out: Its directory or address.
        manifest: What was planned.
        release: Of gigaam.
        model: Its name.
        options: Of recognition, where they differ from the defaults.
        n_planned: Recordings of the manifest.
        n_repeated: Recordings that it names again; they are done once.
        n_done: Recordings with a result.
        n_failed: Recordings that failed.
        n_left: Recordings of shards that are not done yet.
        n_shards: All shards.
        n_shards_missing: Those that are not done yet.
        planned_s: Seconds of sound that were planned, as far as they were known.
        heard_s: Seconds of sound in the recordings with a result.
        took_s: Seconds that workers were at work, all together.
        machines: What they were.
        failures: By the class of the error.
        warnings: By their texts.
        lowest: The recordings of lowest confidence.
        without_text: Recordings with a result in which no word was recognised.
        n_words: Of all recordings.
        speakers: How many recordings have so many speakers, where these were told apart.
        lengths: How long the recordings with a result are.
    """

    out: str
    manifest: str
    release: str
    model: str
    options: Mapping[str, Any]
    n_planned: int
    n_repeated: int
    n_shards: int
    planned_s: float
    n_done: int = 0
    n_failed: int = 0
    n_left: int = 0
    n_shards_missing: int = 0
    heard_s: float = 0.0
    took_s: float = 0.0
    machines: list[Machine] = field(default_factory=list)
    failures: list[Tally] = field(default_factory=list)
    warnings: list[Tally] = field(default_factory=list)
    lowest: list[Doubtful] = field(default_factory=list)
    without_text: Tally = field(default_factory=lambda: Tally("no words"))
    n_words: int = 0
    speakers: dict[int, int] = field(default_factory=dict)
    lengths: list[Length] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """Whether all shards are done."""
        return not self.n_shards_missing

    @property
    def speed(self) -> float | None:
        """Seconds of sound that a worker does in one; None if that is not known."""
        return _speed(self.heard_s, self.took_s)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for ``json.dumps``."""
        plain = asdict(self)
        for machine, each in zip(plain["machines"], self.machines, strict=True):
            machine["speed"] = each.speed
        return {**plain, "is_finished": self.is_finished, "speed": self.speed}

    def to_text(self) -> str:
        """Lines for a terminal."""
        return text(self)

    def to_html(self) -> str:
        """A page of its own: it runs nothing and asks no other host for anything."""
        return page(self)


def report(out: str | os.PathLike[str], *, lowest: int = 20) -> BulkReport:
    """What came of a run, as far as it is done.

    A few shards are in memory at a time.

    Args:
        out: The run's directory or address.
        lowest: How many of the recordings of lowest confidence are listed.

    Raises:
        ArgumentError: The number is below 0.
        BulkError: It is of no run, or a file of it is damaged.
        UnreachableError: The store does not answer.
    """
    if lowest < 0:
        raise ArgumentError(f"lowest must be a number from 0 on, not {lowest}")
    ledger, run = read_run(out)
    counts = _Counts(_begun(ledger, run), lowest)

    def read(shard: int) -> tuple[bytes, Summary] | None:
        content = ledger.read_rows(run, shard)
        return None if content is None else (content, ledger.summary(shard))

    for shard, found in read_ahead(read, done_shards(ledger, run)):
        if found is None:  # it was taken away since
            continue
        rows = unpack_rows(found[0], run.format)
        if len(rows) != found[1].n_entries:
            raise BulkError(
                f"shard {shard} of {out} has {len(rows)} rows, not {found[1].n_entries}: delete "
                "its file, and `gigaam bulk run` makes it again"
            )
        counts.add_shard(rows, found[1])
    return counts.report()


def _begun(ledger: Ledger, run: RunFile) -> BulkReport:
    identity = run.identity
    return BulkReport(
        out=ledger.location,
        manifest=run.manifest,
        release=str(identity.get("gigaam", "")),
        model=identity["model"]["name"],
        options=identity["options"],
        n_planned=run.n_entries,
        n_repeated=run.n_repeated,
        n_shards=run.n_shards,
        planned_s=run.planned_s,
        n_left=run.n_entries,
        n_shards_missing=run.n_shards,
        lengths=[Length(s if math.isfinite(s) else None) for s in _LENGTHS_S],
    )


class _Counts:
    """Counts the rows of a run."""

    def __init__(self, begun: BulkReport, n_lowest: int) -> None:
        self._report, self._n_lowest = begun, n_lowest
        self._machines: dict[tuple[Any, ...], Machine] = {}
        self._failures, self._warnings = _Tallies(), _Tallies()
        self._lowest: list[tuple[float, int, Doubtful]] = []
        self._speakers: Counter[int] = Counter()

    def add_shard(self, rows: list[Row], summary: Summary) -> None:
        """Count a shard."""
        told = self._report
        told.n_shards_missing -= 1
        told.n_left -= len(rows)
        told.took_s += summary.took_s
        heard_s = sum(self._add(row) for row in rows)
        told.heard_s += heard_s
        who = tuple(map(summary.by.get, ("host", "processor", "device", "threads")))
        if who not in self._machines:
            host, processor, device, threads = who
            self._machines[who] = Machine(
                str(host or ""), str(processor or ""), str(device or ""), threads
            )
        machine = self._machines[who]
        machine.n_shards += 1
        machine.n_recordings += len(rows)
        machine.heard_s += heard_s
        machine.took_s += summary.took_s

    def report(self) -> BulkReport:
        """What was counted."""
        told = self._report
        told.machines = sorted(self._machines.values(), key=lambda each: -each.heard_s)
        told.failures, told.warnings = self._failures.listed(), self._warnings.listed()
        told.lowest = [doubtful for *_, doubtful in sorted(self._lowest, reverse=True)]
        told.speakers = dict(sorted(self._speakers.items()))
        return told

    def _add(self, row: Row) -> float:
        """Count a row; the seconds of sound in it that were heard."""
        for warning in row.warnings:
            self._warnings.add(_NUMBER.sub("…", warning), warning, row.id, warning)
        told = self._report
        if row.error is not None:
            told.n_failed += 1
            kind = row.error.kind
            self._failures.add(kind, kind, row.id, row.error.message)
            return 0.0
        heard_s = row.duration if math.isfinite(row.duration) else 0.0
        told.n_done += 1
        words = row.words
        told.n_words += len(words)
        if not row.text.strip():
            told.without_text.add(row.id, f"{heard_s:.1f} s")
        if speakers := row.speakers:
            self._speakers[len(speakers)] += 1
        length = next(each for each, s in zip(told.lengths, _LENGTHS_S, strict=True) if heard_s < s)
        length.n += 1
        length.heard_s += heard_s
        if row.confidence is not None and math.isfinite(row.confidence):
            self._doubt(row, row.confidence, heard_s)
        return heard_s

    def _doubt(self, row: Row, confidence: float, heard_s: float) -> None:
        """Keep a row if it is one of the lowest; of equal ones, the first."""
        if len(self._lowest) == self._n_lowest and (
            not self._lowest or -confidence <= self._lowest[0][0]
        ):
            return
        beginning = " ".join(row.text[: 2 * _BEGINNING].split())
        if len(beginning) > _BEGINNING:
            beginning = f"{beginning[:_BEGINNING]}…"
        doubtful = Doubtful(row.id, confidence, heard_s, beginning)
        heapq.heappush(self._lowest, (-confidence, -self._report.n_done, doubtful))
        if len(self._lowest) > self._n_lowest:
            heapq.heappop(self._lowest)


class _Tallies:
    """What was counted by kind; what comes after very many kinds is counted as one."""

    def __init__(self) -> None:
        self._by_kind: dict[str, Tally] = {}
        self._others = Tally("others")

    def add(self, kind: str, called: str, id: str, told: str) -> None:
        """Count a recording."""
        if kind not in self._by_kind and len(self._by_kind) < _MOST_KINDS:
            self._by_kind[kind] = Tally(called)
        self._by_kind.get(kind, self._others).add(id, told)

    def listed(self) -> list[Tally]:
        """All, the most frequent first."""
        kinds = sorted(self._by_kind.values(), key=lambda each: -each.n)
        return [*kinds, *([self._others] if self._others.n else [])]


def _speed(heard_s: float, took_s: float) -> float | None:
    return heard_s / took_s if took_s > 0 else None
