"""Bulk runs in a store with S3's interface: manifest, recordings and results, and its faults."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import gigaam
import gigaam.bulk
from gigaam.bulk import places
from gigaam.bulk.ledger import Ledger
from gigaam.errors import BulkError, UnreachableError
from tests.faulty_store import Fault, FaultyStore, faulty_store
from tests.waves import write_wav

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
pytest.importorskip("moto")
s3fs = pytest.importorskip("s3fs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    samples = gigaam.load_audio(example).numpy()
    for number in range(10):
        write_wav(folder / f"{number}.wav", samples[: 16_000 + 9_000 * number])
    (folder / "text.wav").write_text("no recording\n" * 50)
    return folder


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[FaultyStore]:
    """A store that holds the recordings; nothing fails yet."""
    with faulty_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(places, "_LONGEST_WAIT_S", 0.2)
        s3fs.S3FileSystem.clear_instance_cache()
        files = s3fs.S3FileSystem()
        files.mkdir("archive")
        for path in folder.iterdir():
            files.pipe_file(f"archive/calls/{path.name}", path.read_bytes())
        lines = [{"path": f"calls/{path.name}"} for path in sorted(folder.iterdir())]
        manifest = "".join(f"{json.dumps(line)}\n" for line in lines)
        files.pipe_file("archive/manifest.jsonl", manifest.encode())
        yield store
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, int8_model: str
) -> list[gigaam.bulk.Row]:
    out = tmp_path_factory.mktemp("bulk") / "out"
    gigaam.bulk.run(folder, out, model=int8_model, shard_minutes=0.1)
    return list(gigaam.bulk.rows(out))


def plain(rows: list[gigaam.bulk.Row]) -> list[tuple[object, ...]]:
    """What does not depend on where the recordings lie."""
    return [
        (Path(row.path).name, row.text, row.segments, row.error and row.error.kind) for row in rows
    ]


def bulk(int8_model: str, manifest: str = "s3://archive/manifest.jsonl") -> gigaam.bulk.BulkResult:
    return gigaam.bulk.run(manifest, "s3://archive/out", model=int8_model, shard_minutes=0.1)


@pytest.mark.parametrize("manifest", ["manifest.jsonl", "calls", "calls/*.wav"])
def test_all_of_it_in_a_store(
    store: FaultyStore, int8_model: str, expected: list[gigaam.bulk.Row], manifest: str
) -> None:
    result = bulk(int8_model, f"s3://archive/{manifest}")
    assert (result.n_entries, result.n_failed) == (11, 1)
    assert plain(list(gigaam.bulk.rows("s3://archive/out"))) == plain(expected)
    assert bulk(int8_model, f"s3://archive/{manifest}").n_entries == 0


@pytest.mark.parametrize("kind", ["error", "lost", "half"])
def test_faults_are_retried_and_nothing_is_lost(
    store: FaultyStore, int8_model: str, expected: list[gigaam.bulk.Row], kind: Fault
) -> None:
    rng = random.Random(1)
    store.fault = lambda number, method, path: kind if rng.random() < 0.2 else None
    result = bulk(int8_model)
    assert store.n_faults > 10
    assert (result.n_entries, result.n_failed) == (11, 1)
    assert plain(list(gigaam.bulk.rows("s3://archive/out"))) == plain(expected)


def test_a_store_that_is_away_ends_the_run_which_then_goes_on(
    store: FaultyStore,
    int8_model: str,
    expected: list[gigaam.bulk.Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.fault = lambda number, method, path: (
        "lost" if "/shards/" in path and method == "PUT" else None
    )
    with pytest.raises(UnreachableError, match=r"does not answer.*What is done is kept"):
        bulk(int8_model)
    store.fault = lambda number, method, path: None
    assert Ledger("s3://archive/out").done() == set()
    bulk(int8_model)
    assert plain(list(gigaam.bulk.rows("s3://archive/out"))) == plain(expected)


def test_recordings_that_cannot_be_fetched_are_tried_again_later(
    store: FaultyStore, int8_model: str, expected: list[gigaam.bulk.Row]
) -> None:
    away = {"/archive/calls/3.wav"}
    store.fault = lambda number, method, path: "lost" if path.split("?")[0] in away else None
    result = bulk(int8_model)
    assert (result.n_entries, result.n_failed) == (11, 2)
    (row,) = [row for row in gigaam.bulk.rows("s3://archive/out") if row.path == "calls/3.wav"]
    assert row.error is not None
    assert row.error.kind == "UnreachableError"
    away.clear()
    assert bulk(int8_model).n_failed < 2  # nothing was asked for: what may pass is tried again
    assert plain(list(gigaam.bulk.rows("s3://archive/out"))) == plain(expected)


def test_a_store_of_recordings_that_is_away_does_not_make_rows_of_errors_of_all(
    store: FaultyStore, int8_model: str, expected: list[gigaam.bulk.Row]
) -> None:
    store.fault = lambda number, method, path: "lost" if "/calls/" in path else None
    with pytest.raises(UnreachableError, match="no recording of 3 shards could be read"):
        bulk(int8_model)
    store.fault = lambda number, method, path: None
    bulk(int8_model)
    assert plain(list(gigaam.bulk.rows("s3://archive/out"))) == plain(expected)


def test_a_bucket_that_is_not_there(store: FaultyStore, int8_model: str) -> None:
    with pytest.raises((BulkError, OSError), match="bucket does not exist"):
        gigaam.bulk.run("s3://archive/manifest.jsonl", "s3://nowhere/out", model=int8_model)
