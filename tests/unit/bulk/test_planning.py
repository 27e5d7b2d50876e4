"""Plans: every recording in one shard, in the manifest's order, repeated ones once."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.bulk.entries import Entry, Held, stretch_id
from gigaam.bulk.ledger import Ledger
from gigaam.bulk.planning import Plan, digest_of, make_plan
from gigaam.errors import BulkError
from tests.waves import write_wav


def entry(id: str, seconds: float = 10.0, path: str = "a.wav") -> Entry:
    return Entry(id, path, f"s3://b/{path}", duration_s=seconds)


def shards_of(ledger: Ledger, plan: Plan) -> list[list[Entry]]:
    return [shard for part in plan.parts for shard in ledger.read_part(part)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


lengths = st.lists(st.floats(0, 5000), min_size=1, max_size=60)


@given(lengths, st.floats(1, 4000))
def test_all_are_planned_once_and_in_order(
    folder: Path, seconds: list[float], shard_s: float
) -> None:
    ledger = Ledger(str(folder))
    entries = [entry(str(number), length) for number, length in enumerate(seconds)]
    plan = make_plan(entries, ledger, shard_s)
    shards = shards_of(ledger, plan)
    assert [each for shard in shards for each in shard] == entries
    for shard in shards[:-1]:
        assert sum(each.planned_s for each in shard) >= shard_s
    for shard in shards:
        assert sum(each.planned_s for each in shard[:-1]) < shard_s
    assert plan.digest == digest_of(entries)
    assert (plan.n_repeated, sum(part.n_entries for part in plan.parts)) == (0, len(entries))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40))
def test_what_is_listed_twice_is_done_once(folder: Path, names: list[str]) -> None:
    ledger = Ledger(str(folder))
    plan = make_plan(map(entry, names), ledger, 25.0)
    planned = [each.id for shard in shards_of(ledger, plan) for each in shard]
    assert planned == list(dict.fromkeys(names))
    assert plan.n_repeated == len(names) - len(planned)


def test_a_name_is_of_one_recording(tmp_path: Path) -> None:
    entries = [entry("x", path="a.wav"), entry("y"), entry("x", path="b.wav")]
    with pytest.raises(BulkError, match=r"calls two recordings x: a\.wav and b\.wav"):
        make_plan(entries, Ledger(str(tmp_path)), 60.0)


def test_many_short_recordings_are_not_one_shard(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    plan = make_plan((entry(str(number), 0.01) for number in range(12_000)), ledger, 3600.0)
    assert max(map(len, shards_of(ledger, plan))) == 2000
    assert len(plan.parts) > 1
    assert [part.first for part in plan.parts] == [0, 3]
    assert ledger.read_run() is None


def test_headers_of_files_are_asked(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(32_000, np.float32))
    ledger = Ledger(str(tmp_path / "out"))
    entries = [
        Entry("whole", "a.wav", str(path)),
        Entry("rest", "a.wav", str(path), offset_s=0.5, is_stretch=True),
        Entry("missing", "b.wav", str(tmp_path / "b.wav"), n_bytes=64_000),
        Entry("unknown", "c.wav", str(tmp_path / "c.wav")),
    ]
    plan = make_plan(entries, ledger, 3600.0)
    assert [each.planned_s for each in shards_of(ledger, plan)[0]] == [2.0, 1.5, 2.0, 60.0]
    assert plan.digest == digest_of(entries)


def test_memory_does_not_grow_with_the_manifest(tmp_path: Path) -> None:
    def entries(count: int) -> Iterator[Entry]:
        return (entry(f"calls/{number}") for number in range(count))

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            make_plan(entries(count), Ledger(str(tmp_path / str(count))), 600.0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(6000)
    assert peak(24_000) - peak(12_000) < 12_000 * 60  # names and their order: 16 bytes each


entries_of_all_kinds = st.builds(
    Entry,
    id=st.text(min_size=1),
    path=st.text(),
    location=st.text(),
    offset_s=st.floats(0, 1e6),
    duration_s=st.none() | st.floats(0, 1e6),
    is_stretch=st.booleans(),
    channel=st.none() | st.integers(0, 8),
    held=st.none()
    | st.builds(
        Held,
        st.integers(0, 2**50),
        st.none() | st.integers(0, 2**40),
        st.none() | st.text(),
        st.text(),
    ),
    n_bytes=st.none() | st.integers(0, 2**50),
)


@given(entries_of_all_kinds)
def test_entries_are_kept_as_they_are(folder: Path, wanted: Entry) -> None:
    ledger = Ledger(str(folder))
    plan = make_plan([wanted], ledger, 1e9)
    (kept,) = shards_of(ledger, plan)[0]
    assert kept == wanted or wanted.duration_s is None


def test_stretches_are_called_as_media_fragments() -> None:
    assert stretch_id("a.wav", 0.0, None, None) == "a.wav"
    assert stretch_id("a.wav", 1.5, 2.0, None) == "a.wav#t=1.500,3.500"
    assert stretch_id("a.wav", 1.5, None, 1) == "a.wav#t=1.500&channel=1"
    assert stretch_id("a.wav", 0.0, 2.0, None) == "a.wav#t=0.000,2.000"
