"""Jobs in their database: what is kept comes back as it was, whoever else is there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.errors import ArgumentError
from gigaam.server.jobs.database import Database, is_full
from gigaam.server.jobs.job import Job, error_of, refusal_from
from gigaam.server.jobs.plain import chunk_from, chunk_json, segment_from, segment_json
from gigaam.server.jobs.store import JobStore
from gigaam.server.refusals import Refusal
from gigaam.server.work import Abandoned
from gigaam.types import Segment, TranscriptionResult, Word


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    database = Database(tmp_path / "jobs")
    yield JobStore(database, clock)
    database.close()


def job(id: str, client: str = "me", **further: object) -> Job:
    return replace(Job(id=id, client=client, model="tiny_ctc", filename="речь.wav"), **further)


TIMES = st.floats(0, 1e6)
SPEAKERS = st.none() | st.text()
WORDS = st.builds(Word, st.text(), TIMES, TIMES, st.floats(0, 1), SPEAKERS, st.booleans())
SEGMENTS = st.builds(
    Segment,
    st.text(),
    TIMES,
    TIMES,
    st.none() | st.lists(WORDS),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(0, 7),
    SPEAKERS,
)


@given(SEGMENTS)
def test_segments_come_back_exactly(segment: Segment) -> None:
    assert segment_from(segment_json(segment)) == segment


def test_segments_of_older_servers_are_read() -> None:
    body = """{"text":"да","start":0.5,"end":1.0,"words":[["да",0.5,1.0,0.9]],"confidence":0.9,
    "channel":null}"""
    assert segment_from(body) == Segment("да", 0.5, 1.0, [Word("да", 0.5, 1.0, 0.9)], 0.9)


@given(st.text(), st.none() | st.lists(WORDS), st.floats(0, 1))
def test_chunks_come_back_exactly(text: str, words: list[Word] | None, sure: float) -> None:
    result = TranscriptionResult(text, words=words, confidence=sure)
    found = chunk_from(chunk_json(result))
    assert (found.text, found.words, found.confidence) == (text, words, sure)


def test_a_job_comes_back(store: JobStore, tmp_path: Path, clock: Clock) -> None:
    fields = (("keywords[]", "Ватутин"), ("keywords[]", '"; DROP TABLE jobs; --'))
    given = job("a", fields=fields, path="x/y.wav", stamp=(1, 2**60), ignored=("prompt",))
    store.add(replace(given, duration_s=0.1 + 0.2))
    store.database.close()
    with closing(Database(tmp_path / "jobs")) as database:
        again = JobStore(database, clock)
        assert again.get("a") == replace(given, duration_s=0.1 + 0.2, created_at=1_000.0)
        assert again.counts == {"queued": 1}


def test_the_newest_come_first_and_page_by_page(store: JobStore) -> None:
    for n in range(5):  # all in the same moment
        store.add(job(f"j{n}", client="me" if n % 2 == 0 else "you"))
    assert [each.id for each in store.page(None, 3)] == ["j4", "j3", "j2"]
    assert [each.id for each in store.page(None, 3, "j2")] == ["j1", "j0"]
    assert [each.id for each in store.page("me", 2, "j4")] == ["j2", "j0"]
    assert store.get("j1", "me") is None
    assert store.get("j1", "you") is not None


def test_what_a_job_goes_through(store: JobStore, clock: Clock) -> None:
    store.add(job("a", fields=(("model", "x"),)))
    clock.s += 1
    begun = store.begin("a")
    assert begun is not None
    assert (begun.status, begun.started_at) == ("running", 1_001.0)
    store.remember("a", {b"1": TranscriptionResult("раз", words=[], confidence=0.5)})
    assert list(store.remembered("a", [b"0", b"1"])) == [b"1"]
    first, second = (Segment(text, 0.0, 1.0, [Word("раз", 0.1, 0.2, 0.3)]) for text in "ab")
    store.progress("a", 3.0, 0, [first])
    store.progress("a", 1.0, 0, [first])  # again, after the process has died
    running = store.get("a")
    assert running is not None
    assert (running.done_s, running.n_segments) == (3.0, 1)
    clock.s += 1
    done = store.succeed(
        "a", [first, second], text="ab", duration_s=4.0, language="ru", warnings=["short"]
    )
    assert done is not None
    assert (done.status, done.finished_at, done.fields) == ("succeeded", 1_002.0, ())
    assert store.segments("a") == [first, second]
    assert store.segments("a", 1, 5) == [second]
    assert store.remembered("a", [b"1"]) == {}
    assert store.counts == {"succeeded": 1}
    assert done.told(10.0)["expires_at"] == 1_012


def test_what_nobody_wants_is_not_kept(store: JobStore) -> None:
    store.add(job("a"))
    store.begin("a")
    assert store.cancel("a") is not None
    assert store.cancel("a") is None
    assert store.begin("a") is None
    with pytest.raises(Abandoned):
        store.remember("a", {b"1": TranscriptionResult("раз")})
    with pytest.raises(Abandoned):
        store.progress("a", 1.0, 0, [Segment("a", 0, 1)])
    assert store.fail("a", error_of(Refusal(400, "x")), ()) is None
    assert store.succeed("a", [], text="", duration_s=1, language=None, warnings=()) is None
    store.delete("a")
    with pytest.raises(Abandoned):
        store.remember("a", {b"1": TranscriptionResult("раз")})
    store.delete("a")
    assert store.counts == {}


def test_deleting_takes_all(store: JobStore) -> None:
    store.add(job("a"))
    store.begin("a")
    store.remember("a", {bytes([n]): TranscriptionResult("раз" * 100) for n in range(200)})
    store.progress("a", 1.0, 0, [Segment("два" * 100, 0, 1)] * 200)
    full = store.database.used_bytes
    store.delete("a")
    assert store.database.used_bytes < full / 2
    store.database.shrink()
    with store.database.reading() as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
        for table in ("jobs", "segments", "chunks"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0


def test_finished_jobs_by_age(store: JobStore, clock: Clock) -> None:
    for id in "abcd":
        store.add(job(id))
    for id in "cab":
        clock.s += 1
        store.cancel(id)
    assert store.finished() == ["c", "a", "b"]
    assert store.finished(before=1_002.5) == ["c", "a"]


def test_deaths_count_until_a_job_gets_further(store: JobStore) -> None:
    store.add(job("a"))
    store.add(job("b"))
    for _ in range(5):
        store.begin("a")
        store.pause("a")  # the server ended as it should
        assert store.recover(3) == (["a"], [])
    for n in range(2):
        store.begin("a")
        assert store.recover(3) == (["a"], []), n
    store.begin("a")
    store.remember("a", {b"1": TranscriptionResult("раз")})
    for _ in range(2):
        assert store.recover(3) == (["a"], [])
        store.begin("a")
    assert store.recover(3) == ([], ["a"])


def test_errors_come_back(store: JobStore) -> None:
    store.add(job("a"))
    refusal = Refusal(413, "слишком", code="audio_too_long", param="file")
    failed = store.fail("a", error_of(refusal), ["w"])
    assert failed is not None
    assert failed.error is not None
    assert refusal_from(failed.error).error == refusal.error
    assert failed.told(1.0)["error"] == refusal.error
    assert failed.warnings == ("w",)


def test_a_directory_is_for_one_server(store: JobStore, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"another server keeps its jobs in .*--jobs-dir"):
        Database(tmp_path / "jobs")
    store.database.close()
    Database(tmp_path / "jobs").close()


def test_nobody_else_may_read_it(store: JobStore, tmp_path: Path) -> None:
    store.add(job("a"))
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "jobs").glob("jobs.sqlite3*"):
        assert path.stat().st_mode & 0o077 == 0


def damaged(path: Path) -> None:
    database = Database(path.parent)
    store = JobStore(database)
    for n in range(200):
        store.add(job(f"j{n}", filename="x" * 500))
    database.close()
    content = bytearray(path.read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    path.write_bytes(content)


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (id)")
    connection.close()


def of_a_later_version(path: Path) -> None:
    Database(path.parent).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"no database " * 1_000), "cannot be used.*move it away"),
        (damaged, "cannot be used.*move it away"),
        (of_another_program, "another program"),
        (of_a_later_version, "another version.*99"),
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "jobs.sqlite3"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match=words):
        Database(tmp_path)
    assert path.read_bytes() == before
    with pytest.raises(ArgumentError, match=words):  # the lock is free again
        Database(tmp_path)


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match="cannot be kept in"):
        Database(tmp_path / "file" / "jobs")


def test_a_full_disk_loses_nothing(store: JobStore) -> None:
    store.add(job("a"))
    store.begin("a")
    store.remember("a", {b"\0": TranscriptionResult("раз")})
    with store.database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    many = {bytes([n]): TranscriptionResult("два" * 1_000) for n in range(1, 100)}
    with pytest.raises(sqlite3.OperationalError) as caught:
        store.remember("a", many)
    assert is_full(caught.value)
    assert list(store.remembered("a", [bytes([n]) for n in range(100)])) == [b"\0"]
    with store.database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    store.remember("a", many)
    assert len(store.remembered("a", [bytes([n]) for n in range(100)])) == 100
