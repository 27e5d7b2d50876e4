"""The work at one shard, the same whoever runs it: entries → rows → one file."""

from __future__ import annotations

import logging
import os
import platform
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from gigaam.audio import AudioSource
from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Attempt, Failure, Ledger, RunFile, Summary
from gigaam.bulk.places import is_passing
from gigaam.bulk.reading import Listening, in_order_of_work, name_of_source, open_entries
from gigaam.bulk.results import shard_rows
from gigaam.bulk.row_files import Row, pack_rows
from gigaam.errors import AudioWarning, BulkError
from gigaam.recognition.runner import BatchRunner
from gigaam.store.digests import model_digest
from gigaam.store.exports import Export
from gigaam.store.resolver import find

if TYPE_CHECKING:
    from gigaam.recognition import LongformArguments, SpeechRecognition

__all__ = ["Retry", "ShardTask", "ShardWorker"]

logger = logging.getLogger(__name__)

OnProgress = Callable[[float], Any]
"""Told how many seconds of a shard are done."""


@dataclass(frozen=True)
class Retry:
    """Which failures are tried again, besides those that may pass.

    Attributes:
        kinds: Classes of errors, by name; "all" among them for every failure.
    """

    kinds: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kinds: Iterable[str]) -> Retry:
        """Failures of these kinds."""
        return cls(frozenset(kinds))

    def wants(self, failure: Failure) -> bool:
        """Whether this one is."""
        return failure.is_passing or not self.kinds.isdisjoint(("all", failure.kind))

    def unknown(self, kinds: Collection[str]) -> str | None:
        """A kind that is named, but is none of these; None if there is none."""
        return next((each for each in sorted(self.kinds) if each not in ("all", *kinds)), None)


@dataclass(frozen=True)
class ShardTask:
    """What a worker has to know; it can be pickled.

    Attributes:
        out: The run's directory or address.
        model: A name or path.
        device: Where to compute; None for the model's own choice.
        threads: Of the processor; None for as many as there are cores.
        batch_size: Short recordings, or as much of a long one, per pass of the encoder.
        listening: Arguments of ``transcribe_longform``.
        made_by: Model and options, which every row repeats.
        retry: Which rows of a shard that is done are made anew.
        base: The folder from which relative paths begin.
        model_sha256: The digest that the model's files must have; empty if any will do.
        session: Names the run of the driver.
    """

    out: str
    model: str
    device: str | None = None
    threads: int | None = None
    batch_size: int = 8
    listening: LongformArguments = field(default_factory=lambda: cast("LongformArguments", {}))
    made_by: Mapping[str, str] = field(default_factory=dict)
    retry: Retry = Retry()
    base: str = ""
    model_sha256: str = ""
    session: str = ""

    def open(self) -> ShardWorker:
        """A worker with its model.

        Raises:
            GigaAMError: The model cannot be loaded, it is another than that of the run, or the
                directory is of no run.
        """
        if self.model_sha256 and model_digest(find(self.model)) != self.model_sha256:
            raise BulkError(f"{self.model} is another model here than the run was begun with")
        return ShardWorker(self, load_recogniser(self.model, self.device, self.threads))


def load_recogniser(model: str, device: str | None, threads: int | None) -> SpeechRecognition:
    """A recogniser on so many threads of the processor.

    Raises:
        BulkError: The model does not recognise speech.
        GigaAMError: It cannot be loaded.
    """
    from gigaam.recognition import SpeechRecognition

    place = find(model)
    loaded: object
    if isinstance(place, Export):
        from gigaam.onnx import load

        loaded = load(place.directory, name=place.name, device=device, threads=threads)
    else:
        from gigaam.loading import load_model, need_torch

        need_torch()
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        loaded = load_model(model, device=device)
    if not isinstance(loaded, SpeechRecognition):
        raise BulkError(f"{model} does not recognise speech")
    return loaded


class ShardWorker:
    """A model at work in a run's directory."""

    def __init__(self, task: ShardTask, model: SpeechRecognition) -> None:
        """A worker.

        Args:
            task: What is to be done.
            model: With what.
        """
        self._task, self._model = task, model
        self._ledger = Ledger(task.out)
        run = self._ledger.read_run()
        if run is None:
            raise BulkError(f"{task.out} holds no run")
        self._run: RunFile = replace(run, base=task.base)
        self._of_files = BatchRunner(model, True, task.batch_size, task.listening)
        # Of samples, the track was chosen when they were cut.
        rest = cast("LongformArguments", {**task.listening, "track": None})
        self._of_samples = BatchRunner(model, True, task.batch_size, rest)
        splits = task.listening.get("channels") == "split"
        self._cutting = Listening(task.listening.get("track"), splits)

    def do(self, shard: int, on_progress: OnProgress = lambda done_s: None) -> Summary:
        """Make the file of a shard; one that is there gets the rows that are tried again.

        Raises:
            OSError: The file, or the plan, cannot be written or read.
            BulkError: The plan is damaged.
        """
        began = time.monotonic()
        entries = self._ledger.entries(self._run, shard)
        rows, failures = self._kept(shard)
        todo = [entry for entry in entries if entry.id not in rows]
        if not todo and rows:  # somebody else has done it
            return self._ledger.summary(shard)
        before_s = self._ledger.summary(shard).took_s if rows else 0.0
        attempt = self._ledger.begin(shard, self._task.session)
        made = list(self._made(shard, todo, attempt, _Progress(on_progress)))
        rows |= {row.id: row for row in made}
        failed = [row.error for row in made if row.error is not None]
        failures += failed
        ordered = [rows[entry.id] for entry in entries]
        summary = Summary(
            n_entries=len(entries),
            n_failed=len(failures),
            n_passing=sum(failure.is_passing for failure in failures),
            heard_s=_heard_s(ordered),
            took_s=before_s + time.monotonic() - began,
            n_made=len(made),
            n_made_failed=len(failed),
            made_s=_heard_s(made),
            by=_where(self._task, self._model),
        )
        packed = pack_rows(ordered, self._task.made_by, self._run.format)
        self._ledger.finish(self._run, shard, packed, summary, failures)
        return summary

    def _kept(self, shard: int) -> tuple[dict[str, Row], list[Failure]]:
        """The rows of a shard that stay as they are, and the failures among them."""
        before = shard_rows(self._ledger, self._run, shard)
        if not before:
            return {}, []
        failures = self._ledger.failures(shard)
        again = {each.id for each in failures if self._task.retry.wants(each)}
        rows = {row.id: row for row in before if row.id not in again}
        failed = {row.id for row in rows.values() if row.error is not None}
        return rows, [each for each in failures if each.id in failed]

    def _made(
        self, shard: int, entries: Sequence[Entry], attempt: Attempt, progress: _Progress
    ) -> Iterator[Row]:
        """The rows of entries; one by one once the shard was begun in vain too often."""
        if not attempt.is_suspicious:
            yield from self._recognised(in_order_of_work(entries), progress)
            return
        for entry in in_order_of_work(entries):
            if attempt.condemns(entry.id):
                yield Row.of(entry, ProcessDiedError(), 0.0)
                continue
            attempt = replace(attempt, at_work=entry.id)
            self._ledger.note(shard, attempt)
            yield from self._recognised([entry], progress)

    def _recognised(self, entries: Iterable[Entry], progress: _Progress) -> Iterator[Row]:
        unread: list[Row] = []

        def sources() -> Iterator[tuple[Entry, AudioSource]]:
            for entry, source in open_entries(entries, self._cutting):
                if isinstance(source, Exception):
                    unread.append(Row.of(entry, source, 0.0, is_passing=is_passing(source)))
                else:
                    yield entry, source

        with _warned() as warned:
            for are_samples, group in groupby(sources(), lambda each: isinstance(each[1], tuple)):
                runner = self._of_samples if are_samples else self._of_files
                for outcome in runner.run(group, on_progress=progress.within):
                    yield from _drained(unread)
                    entry, result = outcome.key, outcome.result
                    passing = isinstance(result, Exception) and _may_pass(result)
                    told = warned.about(entry)
                    progress.add(outcome.duration_s)
                    yield Row.of(entry, result, outcome.duration_s, told, is_passing=passing)
        yield from _drained(unread)


class _Progress:
    """How many seconds of a shard are done."""

    def __init__(self, tell: OnProgress) -> None:
        self._tell, self._done_s = tell, 0.0

    def within(self, heard_s: float, total_s: float | None) -> None:
        """Tell how far the long recording at work is."""
        self._tell(self._done_s + heard_s)

    def add(self, duration_s: float) -> None:
        """Tell of a recording that is done."""
        self._done_s += duration_s
        self._tell(self._done_s)


class ProcessDiedError(BulkError):
    """The process ended each time when this recording was at work."""

    def __init__(self) -> None:
        super().__init__(
            "the process ended twice while this recording was at work (for want of memory, or in "
            "a decoder): it is left out"
        )


class _Warned:
    """What was said about recordings, each after its name."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}
        self._matched: set[str] = set()

    def take(self, message: Warning | str, *_: object, **__: object) -> None:
        """Take a warning, as `warnings.showwarning` does."""
        self._told[str(message)] = None

    def about(self, entry: Entry) -> list[str]:
        """What was said of an entry's file, without its name."""
        title = f"{name_of_source(entry)!r}: "
        told = {each: each.removeprefix(title) for each in self._told if each.startswith(title)}
        self._matched |= told.keys()
        return list(told.values())

    def rest(self) -> list[str]:
        """What was said of nothing in particular."""
        return [each for each in self._told if each not in self._matched]


@contextmanager
def _warned() -> Iterator[_Warned]:
    """Collects the warnings of the process, which is the worker's alone."""
    warned = _Warned()
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning, module=r"gigaam\b")
        warnings.simplefilter("always", AudioWarning)
        warnings.showwarning = warned.take
        yield warned
    for message in warned.rest():
        logger.warning("%s", message)


def _heard_s(rows: Iterable[Row]) -> float:
    """Seconds of sound in rows that have results."""
    return sum(row.duration for row in rows if row.error is None)


def _drained(rows: list[Row]) -> Iterator[Row]:
    while rows:
        yield rows.pop(0)


def _may_pass(error: Exception) -> bool:
    """Whether what recognition failed at may succeed later."""
    return isinstance(error, (OSError, MemoryError)) and is_passing(error)


def _where(task: ShardTask, model: SpeechRecognition) -> dict[str, Any]:
    return {
        "host": platform.node(),
        "processor": _processor(),
        "device": str(model.device),
        "threads": task.threads or os.cpu_count(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = (
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            )
            return next(named, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()
