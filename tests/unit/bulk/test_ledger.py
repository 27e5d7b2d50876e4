"""The ledger: what is written is read, damage is told, and interruptions lose nothing."""

import gzip
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.bulk.entries import Entry, Held
from gigaam.bulk.ledger import Attempt, Failure, Ledger, Part, RunFile, Summary
from gigaam.bulk.row_files import Row, unpack_rows
from gigaam.errors import BulkError
from tests.bulk_runs import failed_row, finish_shard, make_run, spoken_row
from tests.examples import examples

NAMES = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
        st.sampled_from("\r\n\x85\u2028/#"),
    ),
    max_size=12,
)
SECONDS = st.floats(0, 1e6)
HELD = st.one_of(
    st.none(),
    st.builds(Held, st.integers(0), st.integers(0), st.none(), NAMES),
    st.builds(Held, st.integers(0), st.none(), NAMES),
)
ENTRIES = st.builds(
    Entry,
    *(NAMES, NAMES, NAMES, SECONDS, st.none() | SECONDS, st.booleans(), st.none() | st.integers(0)),
    held=HELD,
    n_bytes=st.none() | st.integers(0),
)


@settings(max_examples=examples(30))
@given(shards=st.lists(st.lists(ENTRIES, max_size=3), max_size=4), first=st.integers(0, 10**6))
def test_entries_of_a_part(shards: list[list[Entry]], first: int) -> None:
    part = Part(first, len(shards), sum(map(len, shards)), 0.0)
    with TemporaryDirectory() as folder:
        ledger = Ledger(folder)
        ledger.write_part(part, shards)
        assert ledger.read_part(part) == shards


@settings(max_examples=examples(15))
@given(ids=st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_failures_and_attempts_keep_names(ids: list[str]) -> None:
    with TemporaryDirectory() as folder:
        run = make_run(folder, [[failed_row(id, message=id) for id in ids]])
        ledger = Ledger(folder)
        assert ledger.failures(0) == [Failure(id, "AudioDecodingError", id) for id in ids]
        attempt = Attempt("one", 4.0, ids[0], dict.fromkeys(ids, 1.5))
        ledger.note(0, attempt)
        assert ledger.begin(0, "two") == attempt.again("two")
        assert ledger.read_run() == run


def test_a_run_is_done_shard_by_shard(tmp_path: Path) -> None:
    shards = [[spoken_row("a"), failed_row("b")], [], [spoken_row("c")]]
    run = make_run(tmp_path, shards, left=[2])
    ledger = Ledger(str(tmp_path))
    assert ledger.read_run() == run
    assert (run.n_shards, run.n_entries) == (3, 3)
    assert ledger.done() == {0, 1}
    assert ledger.failed() == {0: False}
    assert [[each.id for each in ledger.entries(run, n)] for n in range(3)] == [
        ["a", "b"],
        [],
        ["c"],
    ]
    assert ledger.read_rows(run, 2) is None
    assert ledger.summary(0).n_failed == 1
    assert ledger.failures(1) == []


def test_what_writers_leave_is_no_shard(tmp_path: Path) -> None:
    make_run(tmp_path, [[spoken_row("a")]])
    folder = tmp_path / "shards/000"
    for name in (
        ".000003.parquet.ab12.tmp",
        "000004.parquet.part",
        "notes.txt",
        "².parquet",
        "٣.x",
    ):
        (folder / name).write_bytes(b"")
    assert Ledger(str(tmp_path)).done() == {0}


class _Stopped(Exception):
    pass


def _stopping(ledger: Ledger, n_writes: int) -> None:
    """Let a ledger's process end after so many changes of files."""
    write, remove = ledger._files.write, ledger._files.remove
    left = [n_writes]

    def before(work: Callable[..., None]) -> Callable[..., None]:
        def working(*arguments: object) -> None:
            if not left[0]:
                raise _Stopped
            left[0] -= 1
            work(*arguments)

        return working

    ledger._files = type(ledger._files)()
    ledger._files.write = before(write)  # type: ignore[method-assign]
    ledger._files.remove = before(remove)  # type: ignore[method-assign]


PASSING = replace(failed_row("b"), error=Failure("b", "UnreachableError", "away", True))
STATES: list[list[Row]] = [
    [spoken_row("a"), spoken_row("b")],
    [spoken_row("a"), failed_row("b")],
    [failed_row("a"), failed_row("b")],
    [failed_row("a"), PASSING],
    [spoken_row("a"), PASSING],
]


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", [None, *STATES])
def test_whenever_it_ends_failures_of_rows_are_listed(
    before: Sequence[Row] | None, after: Sequence[Row], tmp_path: Path
) -> None:
    for n_writes in range(7):
        folder = tmp_path / str(n_writes)
        run = make_run(folder, [before or after], format="jsonl", left=[] if before else [0])
        ledger = Ledger(str(folder))
        _stopping(ledger, n_writes)
        with suppress(_Stopped):
            finish_shard(ledger, run, 0, after)
        left = Ledger(str(folder))
        content = left.read_rows(run, 0)
        rows = [] if content is None else unpack_rows(content, "jsonl")
        failed = {row.id for row in rows if row.error is not None}
        assert failed <= {failure.id for failure in left.failures(0)}
        if failed:
            assert 0 in left.failed()
    assert left.failures(0) == [row.error for row in after if row.error is not None]


def _part_file(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # a name of a test, which must not change


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f\x8b",
        b"no gzip at all",
        _part_file(b'[0, {"id": "a", "path": "a", "location": "a"}]')[:-9],
        _part_file(b""),
        _part_file(b"[0]"),
        _part_file(b'[7, {"id": "a", "path": "a", "location": "a"}]'),
        _part_file(b'[-1, {"id": "a", "path": "a", "location": "a"}]'),
        _part_file(b'[0, {"id": "a"}]'),
        _part_file(b'[0, {"id": "a", "path": "a", "location": "a", "colour": 1}]'),
        _part_file(b"\xff"),
        _part_file(b"null"),
    ],
)
def test_damaged_plan(content: bytes, tmp_path: Path) -> None:
    run = make_run(tmp_path, [[spoken_row("a")]])
    (tmp_path / "plan/000000.jsonl.gz").write_bytes(content)
    with pytest.raises(BulkError, match=r"000000\.jsonl\.gz is damaged"):
        Ledger(str(tmp_path)).entries(run, 0)


def test_missing_plan(tmp_path: Path) -> None:
    run = make_run(tmp_path, [[spoken_row("a")]])
    with pytest.raises(BulkError, match="has 1 shards, none of number 1"):
        Ledger(str(tmp_path)).entries(run, 1)
    (tmp_path / "plan/000000.jsonl.gz").unlink()
    with pytest.raises(BulkError, match=r"000000\.jsonl\.gz is missing"):
        Ledger(str(tmp_path)).entries(run, 0)


def _changed(**changes: object) -> Callable[[dict[str, object]], object]:
    return lambda plain: {**plain, **changes}


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: [],
        lambda plain: 7,
        lambda plain: None,
        lambda plain: {name: plain[name] for name in plain if name != "digest"},
        _changed(parts=[7]),
        _changed(parts=[{"first": 1, "n_shards": 1, "n_entries": 1, "planned_s": 0.0}]),
        _changed(format="csv"),
        _changed(identity={}),
        _changed(identity=[]),
        _changed(colour="red"),
    ],
)
def test_damaged_run(change: Callable[[dict[str, object]], object], tmp_path: Path) -> None:
    make_run(tmp_path, [[spoken_row("a")]])
    file = tmp_path / "run.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(BulkError, match=r"run\.json is damaged"):
        Ledger(str(tmp_path)).read_run()


def test_run_of_another_release(tmp_path: Path) -> None:
    make_run(tmp_path, [[spoken_row("a")]])
    file = tmp_path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": 9}))
    with pytest.raises(BulkError, match=r"another release of gigaam \(9\)"):
        Ledger(str(tmp_path)).read_run()
    assert Ledger(str(tmp_path / "nowhere")).read_run() is None


@pytest.mark.parametrize("content", [b"", b"null", b"[7]", b"7", b'{"n": 1}', b"\xff\xfe"])
@pytest.mark.parametrize("name", ["summaries/000000", "failures/000000", "begun/000000"])
def test_damaged_notes(name: str, content: bytes, tmp_path: Path) -> None:
    make_run(tmp_path, [[failed_row("a")]])
    file = tmp_path / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    ledger = Ledger(str(tmp_path))
    ask: dict[str, Callable[[int], object]] = {
        "summaries": ledger.summary,
        "failures": ledger.failures,
        "begun": lambda shard: ledger.begin(shard, "one"),
    }
    with pytest.raises(BulkError, match=rf"{file.name} is damaged"):
        ask[file.parent.name](0)


def test_summary_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match=r"000003\.json is missing"):
        Ledger(str(tmp_path)).summary(3)


def test_types_of_what_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path, [[spoken_row("a")]])
    assert isinstance(run, RunFile)
    assert isinstance(Ledger(str(tmp_path)).summary(0), Summary)


def test_deaths_of_workers_condemn_and_ends_of_runs_hardly_do() -> None:
    attempt = Attempt("one")
    for _ in range(3):
        attempt = attempt.again("one")
    assert attempt.is_suspicious
    for n in (1, 2):
        attempt = replace(attempt, at_work="x").again("one")
        assert attempt.condemns("x") is (n == 2)
    assert not attempt.condemns("y")
    stopped = Attempt("0")
    for number in range(1, 12):
        stopped = replace(stopped, at_work="x").again(str(number))
        assert not stopped.condemns("x")
    assert not stopped.is_suspicious


def test_what_a_killed_run_was_about_to_remove(tmp_path: Path) -> None:
    make_run(tmp_path, [[spoken_row("a")], [failed_row("b")]])
    ledger = Ledger(str(tmp_path))
    for shard in (0, 1):
        ledger.begin(shard, "one")
    (tmp_path / "failures" / "000000.json").write_text("[]")
    (tmp_path / "begun" / ".000000.json.0123.tmp").write_text("[")
    ledger.tidy(ledger.done())
    names = {path.name for path in (tmp_path / "begun").iterdir()}
    assert names == {"000001.json"}
    assert ledger.failed() == {1: False}
