"""A bulk run: manifest → plan → shards → rows, from the beginning or from where it was."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from gigaam.bulk.executors import Event, Executor, ShardDone, ShardFailed
from gigaam.bulk.fingerprint import differences, identity_of, made_by
from gigaam.bulk.ledger import Ledger, RunFile, Summary
from gigaam.bulk.local import LocalExecutor
from gigaam.bulk.manifests import Manifest, open_manifest
from gigaam.bulk.places import is_address
from gigaam.bulk.planning import digest_of, make_plan
from gigaam.bulk.records import RowFormat
from gigaam.bulk.row_files import check_format
from gigaam.bulk.shard import Retry, ShardTask
from gigaam.errors import ArgumentError, BulkError, UnreachableError
from gigaam.quoting import counted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.recognition import LongformArguments

__all__ = ["BulkResult", "BulkRun", "Planning", "Todo", "run"]

_DEFAULT_FORMAT: RowFormat = "parquet"
_DEFAULT_SHARD_MINUTES = 60.0
_DEAD_SHARDS = 3  # one after the other of which no recording could be had: a store is away


@dataclass(frozen=True)
class Planning:
    """The manifest is read.

    Attributes:
        n_entries: Recordings that were planned so far.
    """

    n_entries: int


@dataclass(frozen=True)
class Todo:
    """What there is to do.

    Attributes:
        run: All of it.
        shards: Those to be done.
        n_done: Those that are done.
    """

    run: RunFile
    shards: Sequence[int]
    n_done: int

    @property
    def planned_s(self) -> float:
        """The seconds of those to be done, about."""
        return self.run.planned_s * len(self.shards) / max(self.run.n_shards, 1)


OnEvent: TypeAlias = "Callable[[Event | Planning | Todo], Any]"


@dataclass
class BulkResult:
    """What a run did, the shards of earlier runs left out.

    Attributes:
        out: Its directory or address.
        n_entries: Recordings that were done.
        n_failed: Those of them that failed; their rows say why.
        heard_s: Seconds of sound in the others.
        took_s: Seconds that it took.
        n_shards_with_failures: Those in which a recording has failed, in this run or before.
    """

    out: str
    n_entries: int = 0
    n_failed: int = 0
    heard_s: float = 0.0
    took_s: float = 0.0
    n_shards_with_failures: int = 0

    def add(self, summary: Summary) -> None:
        """Count what was done of a shard."""
        self.n_entries += summary.n_made
        self.n_failed += summary.n_made_failed
        self.heard_s += summary.made_s

    def add_again(self, summary: Summary) -> None:
        """Count what was done of a shard of recordings that had failed before in this run."""
        self.n_failed -= summary.n_made - summary.n_made_failed
        self.heard_s += summary.made_s


def run(
    manifest: str | Path,
    out: str | Path,
    *,
    model: str = "v3_rnnt",
    device: str | None = None,
    executor: Executor | None = None,
    batch_size: int = 8,
    shard_minutes: float | None = None,
    format: RowFormat | None = None,
    retry: str | Sequence[str] = (),
    on_event: OnEvent = lambda event: None,
    stdin: BinaryIO | None = None,
    **options: Unpack[LongformArguments],
) -> BulkResult:
    """Recognise all recordings of a manifest, and go on where an earlier run was interrupted.

    Each recording has a row in a file of ``out``; one that fails has its error there, and the rest
    go on. `gigaam.bulk.rows` reads them.

    Args:
        manifest: See `gigaam.bulk.manifests`.
        out: A directory, or the address of one in a store such as ``s3://bucket/run``.
        model: A name or path, also of an exported model, that workers find where they are.
        device: Where to compute.
        executor: Who works; by default as many processes as there are cores.
        batch_size: Short recordings, or as much of a long one, per pass of the encoder.
        shard_minutes: About how much sound is in a file of results; by default 60.
        format: Of the files: "parquet", which is the default, or "jsonl".
        retry: Which failures of earlier runs are tried again: classes of errors by name, or "all".
            Those that may pass, as when a store does not answer, always are.
        on_event: Told what happens.
        stdin: What the manifest ``-`` means.
        **options: Arguments of ``transcribe_longform``; those that name files name ones that all
            workers can read.

    Raises:
        BulkError: The directory is of a run with another model, manifest or other options, two
            recordings have one name, or results cannot be written. What is done is kept.
        UnreachableError: A store does not answer.
        DatasetError: The manifest is not what it should be.
        ArgumentError: An argument has no such value.
        MissingDependencyError: A package is missing; ``gigaam[bulk]`` has all.
    """
    settled = BulkRun(
        manifest=str(manifest),
        out=str(out),
        model=model,
        device=device,
        executor=executor or LocalExecutor(),
        batch_size=batch_size,
        shard_minutes=shard_minutes,
        format=format,
        retry=Retry.of([retry] if isinstance(retry, str) else retry),
        listening=options,
        stdin=stdin,
    )
    return settled.work(on_event)


@dataclass(frozen=True, kw_only=True)
class BulkRun:
    """What is to be done; see `run` for the attributes."""

    manifest: str
    out: str
    model: str
    device: str | None
    executor: Executor
    batch_size: int
    shard_minutes: float | None
    format: RowFormat | None
    retry: Retry
    listening: LongformArguments
    stdin: BinaryIO | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.shard_minutes is not None and not self.shard_minutes > 0:
            raise ArgumentError(f"shard_minutes must be above 0, not {self.shard_minutes}")
        if self.batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {self.batch_size}")

    def work(self, on_event: OnEvent) -> BulkResult:
        """Does it; see `run`."""
        began = time.monotonic()
        listening = _settled(self.listening)
        identity = identity_of(self.model, listening)
        if self.listening.get("speakers") is not None or self.listening.get("known_speakers"):
            from gigaam.speakers import diarizer_of

            # Here, once: what workers need may have to be exported first, or is missing.
            diarizer_of(self.listening.get("speakers"), self.listening.get("known_speakers"))
        result = BulkResult(self.out)
        with _alone(self.out):
            ledger = Ledger(self.out)
            manifest = open_manifest(self.manifest, stdin=self.stdin)
            planned = self._planned(ledger, manifest, identity, on_event)
            done = ledger.done()
            ledger.tidy(done)
            task = ShardTask(
                out=self.out,
                model=self.model,
                device=self.device,
                batch_size=self.batch_size,
                listening=listening,
                made_by=made_by(identity),
                retry=self.retry,
                base=manifest.base,
                model_sha256=identity["model"]["sha256"],
                session=secrets.token_hex(8),
            )
            todo = self._todo(ledger, planned, done)
            on_event(todo)
            passing = self._do(ledger, task, todo.shards, on_event, result.add)
            if passing:  # by now they may have
                self._do(ledger, replace(task, retry=Retry()), passing, on_event, result.add_again)
            result.n_shards_with_failures = len(ledger.failed())
        result.took_s = time.monotonic() - began
        return result

    def _do(
        self,
        ledger: Ledger,
        task: ShardTask,
        shards: Sequence[int],
        on_event: OnEvent,
        add: Callable[[Summary], Any],
    ) -> list[int]:
        """Has shards done; those of which something failed that may pass."""
        passing: list[int] = []
        n_dead = 0
        with closing(self.executor.run(task, shards)) as events:
            for event in events:
                on_event(event)
                if isinstance(event, ShardFailed):
                    deque(map(on_event, events), maxlen=0)  # what others have begun
                    raise _end_of(self.out, event)
                if not isinstance(event, ShardDone):
                    continue
                add(event.summary)
                if event.summary.n_passing:
                    passing.append(event.shard)
                n_dead = n_dead + 1 if _is_dead(event.summary) else 0
                if n_dead == _DEAD_SHARDS:
                    raise UnreachableError(
                        f"no recording of {n_dead} shards could be read: the last failed with "
                        f"{ledger.failures(event.shard)[-1].message}"
                    )
        return passing

    def _planned(
        self, ledger: Ledger, manifest: Manifest, identity: dict[str, Any], on_event: OnEvent
    ) -> RunFile:
        """The plan: the one that is there, if it is of this run, or a new one."""
        planned = ledger.read_run()
        if planned is not None:
            self._check_same(planned, manifest, identity)
            return planned
        check_format(self.format or _DEFAULT_FORMAT)
        if ledger.done():
            raise BulkError(f"{self.out} has shards but no run.json: restore it, or take another")
        stamp = manifest.stamp()
        shard_s = 60 * (self.shard_minutes or _DEFAULT_SHARD_MINUTES)
        plan = make_plan(
            manifest.entries(),
            ledger,
            shard_s,
            manifest.base,
            lambda n: on_event(Planning(n)),
        )
        if not plan.parts:
            raise BulkError(f"{manifest.called} names no recordings")
        planned = RunFile(
            identity=identity,
            format=self.format or _DEFAULT_FORMAT,
            shard_s=shard_s,
            manifest=self.manifest,
            base=manifest.base,
            stamp=stamp,
            digest=plan.digest,
            n_repeated=plan.n_repeated,
            parts=plan.parts,
        )
        ledger.write_run(planned)
        return planned

    def _check_same(self, planned: RunFile, manifest: Manifest, identity: dict[str, Any]) -> None:
        """Refuses what does not belong to the rows that are there."""
        told = differences(planned.identity, identity)
        if self.format not in (None, planned.format):
            told.append(f"format {planned.format}, not {self.format}")
        if self.shard_minutes is not None and 60 * self.shard_minutes != planned.shard_s:
            told.append(f"shards of {planned.shard_s / 60:g} minutes, not {self.shard_minutes:g}")
        if told:
            raise BulkError(
                f"{self.out} holds the results of another run ({'; '.join(told)}): name another "
                "directory, or go on with what it was begun with"
            )
        if manifest.base != planned.base and not manifest.knows_files:
            raise BulkError(
                f"the paths of {manifest.called} began in {planned.base} when {self.out} was "
                f"planned, and begin in {manifest.base} now: go on from there, or name another "
                "directory"
            )
        if manifest.stamp() != planned.stamp and digest_of(manifest.entries()) != planned.digest:
            raise BulkError(
                f"{manifest.called} is not what {self.out} was planned for, which is "
                f"{planned.manifest} with {counted(planned.n_entries, 'recording')}: restore it; "
                "what has been added since needs a manifest and a directory of its own"
            )

    def _todo(self, ledger: Ledger, planned: RunFile, done: set[int]) -> Todo:
        shards = [shard for shard in range(planned.n_shards) if shard not in done]
        kinds: set[str] = set()
        for shard, may_pass in sorted(ledger.failed().items()):
            failures = ledger.failures(shard) if self.retry.kinds else []
            kinds |= {failure.kind for failure in failures}
            if shard in done and (may_pass or any(map(self.retry.wants, failures))):
                shards.append(shard)
                done.discard(shard)
        if unknown := self.retry.unknown(kinds):
            there = f"; there are: {', '.join(sorted(kinds))}" if kinds else ""
            raise ArgumentError(f"retry: nothing has failed with {unknown!r}{there}")
        return Todo(planned, shards, len(done))


def _settled(listening: LongformArguments) -> LongformArguments:
    """The arguments, with what workers might decide each by itself decided here."""
    if listening.get("vad", "auto") != "auto":
        return listening
    from gigaam.vad.detectors import build_detector
    from gigaam.vad.silero import SileroDetector

    found = build_detector(
        "auto",
        options=listening.get("vad_options"),
        pyannote_model=listening.get("pyannote_model"),
    )
    is_silero = isinstance(found, SileroDetector)
    return {**listening, "vad": "silero" if is_silero else "pyannote"}


def _is_dead(summary: Summary) -> bool:
    return 0 < summary.n_entries == summary.n_failed == summary.n_passing


def _end_of(out: str, failed: ShardFailed) -> BulkError:
    told = f"{failed.message}. What is done is kept in {out}: the same command goes on from there"
    return (UnreachableError if failed.kind == "UnreachableError" else BulkError)(told)


@contextmanager
def _alone(out: str) -> Iterator[None]:
    """No other run works in this directory of this machine meanwhile."""
    if is_address(out):
        yield
        return
    from filelock import FileLock, Timeout

    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        with FileLock(Path(out, ".lock"), timeout=0):
            yield
    except Timeout as error:
        raise BulkError(f"another run is at work in {out}") from error
