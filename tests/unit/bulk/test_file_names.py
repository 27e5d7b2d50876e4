"""Names of files: one for each recording, in the folder and nowhere else, always the same."""

import os
import random
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.bulk.file_names import FileNames
from gigaam.bulk.ledger import Ledger
from gigaam.bulk.row_files import Row
from gigaam.bulk.short_digests import repeated, short_digest
from gigaam.output.formats import FORMATS
from tests.bulk_runs import make_run
from tests.examples import examples

PIECES = st.sampled_from(
    [
        *("a", "A", "b", ".wav", ".mp3", ".txt", ".TXT", "/", "//", "\\", "..", ".", "#", "_", "~"),
        *(":", "con", "?", "*", "\x00", "\n", "\udcff", "й", "и\u0306", "ß", "ss", " ", "s3://"),
        *("https://u:p@h/x?t=1", "C:\\", "x" * 200, "я" * 120, "d/" * 300, "#t=1.000,2.000"),
    ]
)
PATHS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


def rows_of(paths: dict[str, str]) -> list[Row]:
    return [Row(id, path, 0.0, 1.0) for id, path in paths.items()]


def names_of(rows: list[Row], kept_out: tuple[str, ...] = (), a_shard: int = 2) -> dict[str, str]:
    """The names of recordings by their ids, of a run with so many in a shard."""
    with TemporaryDirectory() as folder:
        shards = [rows[first:][:a_shard] for first in range(0, len(rows), a_shard)]
        run = make_run(folder, shards, left=range(len(shards)))
        found = FileNames(Ledger(folder), run, kept_out)
        return {id: name for n in range(len(shards)) for id, name in found.of_shard(n).items()}


def paths_to_names(*paths: str) -> list[str]:
    return list(names_of(rows_of({path: path for path in paths})).values())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("calls/a.wav", "calls/a"),
        ("calls/2024.01.02/a.b.wav", "calls/2024.01.02/a.b"),
        ("a", "a"),
        (".wav", ".wav"),
        ("/data/a.wav", "data/a"),
        ("C:\\data\\a.wav", "data/a"),
        ("s3://bucket/x/a.wav", "bucket/x/a"),
        ("https://me:secret@host/a.wav?token=1#x", "host/a"),
        ("../../a.wav", "_/_/a"),
        ("./a//b.wav", "a/b"),
        ("..", "_"),
        ("/", "_"),
        ("", "_"),
        ("con/NUL.wav", "_con/_NUL"),
        ("a?b\n\udcff.wav", "a_b__"),
        ("x.txt/a.wav", "x.txt_/a"),
        ("x.JSON./a.wav", "x.JSON_/a"),
    ],
)
def test_name_of_one(path: str, name: str) -> None:
    assert paths_to_names(path) == [name]


def test_those_that_differ_in_their_extension_keep_it() -> None:
    assert paths_to_names("a.wav", "a.mp3", "b.wav") == ["a.wav", "a.mp3", "b"]
    assert paths_to_names("a.wav", "A.mp3") == ["a.wav", "A.mp3"]
    assert paths_to_names("й.wav", "и\u0306.mp3") == ["й.wav", "и\u0306.mp3"]


def test_what_has_no_name_of_its_own_gets_a_digest() -> None:
    first, second = paths_to_names("a.wav", "A.wav")
    assert first == f"a.wav~{short_digest('a.wav'):016x}"
    assert second == f"A.wav~{short_digest('A.wav'):016x}"


def test_stretches_are_called_by_their_ids() -> None:
    ids = ["a.wav", "a.wav#t=1.000,2.000", "a.wav#t=1.000,2.000&channel=0"]
    names = names_of(rows_of(dict.fromkeys(ids, "a.wav")))
    assert list(names.values()) == ["a", "a_t=1.000,2.000", "a_t=1.000,2.000&channel=0"]


def test_ids_of_a_manifest_tell_its_stretches_apart() -> None:
    names = names_of(rows_of({"one": "a.wav", "two": "a.wav", "three": "b.wav"}))
    assert names == {"one": "one", "two": "two", "three": "b"}


def test_no_name_leads_into_a_folder_that_is_kept_out() -> None:
    rows = rows_of({each: each for each in ("Runs/out/run.wav", "runs/run.wav")})
    assert list(names_of(rows, ("runs", "out")).values()) == ["Runs_/out/run", "runs/run"]


@settings(max_examples=examples(60))
@given(data=st.data())
def test_every_recording_has_a_file_of_its_own(data: st.DataObject) -> None:
    ids = data.draw(st.lists(PATHS, min_size=1, max_size=8, unique=True))
    own = data.draw(st.booleans())
    paths = {id: id.partition("#")[0] if own else data.draw(PATHS) for id in ids}
    names = names_of(rows_of(paths))
    assert list(names) == ids
    files = [f"{name}.{format}" for name in names.values() for format in FORMATS]
    assert len({file.casefold() for file in files}) == len(files)
    folders = {str(each).casefold() for file in files for each in PurePosixPath(file).parents}
    assert folders.isdisjoint(file.casefold() for file in files)
    for file in files:
        inside = os.path.normpath(os.path.join("/out", file))
        assert inside == f"/out/{file}"
        assert len(file.encode()) < 1024
        assert all(len(part.encode()) < 240 for part in file.split("/"))
    shuffled = list(paths.items())
    random.Random(1).shuffle(shuffled)
    assert names_of(rows_of(dict(shuffled)), a_shard=3) == names


@pytest.mark.parametrize("paths", [["a.wav"] * 3, ["d/" * 200 + "a", "e/" * 200 + "a"]])
def test_files_of_such_names_can_be_made(paths: list[str], tmp_path: Path) -> None:
    names = names_of(rows_of({str(n): path for n, path in enumerate(paths)}))
    for name in names.values():
        file = tmp_path / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == len(paths)


def test_repeated_digests() -> None:
    digests = np.array([5, 2**64 - 1, 5, 7, 2**64 - 1, 5], np.uint64)
    assert repeated(digests).tolist() == [5, 2**64 - 1]
    assert not len(repeated(digests[:0]))
    assert not len(repeated(digests[:2]))
