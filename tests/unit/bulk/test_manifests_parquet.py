"""Parquet files: paths, recordings held in them, and that these are not read in planning."""

import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gigaam.bulk.entries import Entry, Held
from gigaam.bulk.manifests import HeldReader, open_manifest, read_held
from gigaam.bulk.places import files_at
from gigaam.errors import DatasetError, MissingDependencyError

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def written(path: Path, columns: dict[str, Any], **options: Any) -> str:
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def listed(location: str) -> list[Entry]:
    manifest = open_manifest(location)
    entries = list(manifest.entries())
    assert list(manifest.entries()) == entries
    return entries


@pytest.mark.parametrize("name", ["path", "audio_filepath", "file", "audio"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary("int32", "string")])
def test_rows_that_name_their_recordings(name: str, kind: Any, tmp_path: Path) -> None:
    paths = ["a.wav", "s3://b/c.wav", "/d.wav", "e.wav"]
    columns = {
        name: pa.array(paths).cast(kind),
        "id": ["один", None, "", "4"],
        "duration": [1.5, 2.0, None, float("nan")],
        "offset": pa.array([None, 3.0, 0.0, 0.5]),
        "channel": pa.array([None, 1, None, 0]),
        "text": ["да"] * 4,
    }
    assert listed(written(tmp_path / "x.parquet", columns)) == [
        Entry("один", "a.wav", str(tmp_path / "a.wav"), duration_s=1.5),
        Entry(
            "s3://b/c.wav#t=3.000,5.000&channel=1", paths[1], paths[1], 3.0, 2.0, True, channel=1
        ),
        Entry("/d.wav", "/d.wav", "/d.wav"),
        Entry("4", "e.wav", str(tmp_path / "e.wav"), 0.5, is_stretch=True, channel=0),
    ]


def test_rows_that_hold_their_recordings(tmp_path: Path) -> None:
    audio = [
        {"bytes": os.urandom(20_000), "path": f"{i}.wav" if i % 2 else None} for i in range(10)
    ]
    columns = {
        "id": list(range(10)),
        "file": ["elsewhere.wav" if i < 5 else None for i in range(10)],
        "audio": pa.array(audio, AUDIO),
        "duration": [float(i + 1) for i in range(10)],
    }
    path = written(tmp_path / "x.parquet", columns, row_group_size=4)
    entries = listed(path)
    assert [entry.id for entry in entries] == [str(i) for i in range(10)]
    names = [f"{i}.wav" if i % 2 else "elsewhere.wav" if i < 5 else "" for i in range(10)]
    assert [entry.path for entry in entries] == [
        f"{path}/{name or row}" for row, name in enumerate(names)
    ]
    assert entries[5].held == Held(5, None, "audio.bytes", "5.wav")
    assert (entries[5].duration_s, entries[5].is_stretch, entries[5].location) == (6.0, False, path)
    assert all(20_000 <= (entry.n_bytes or 0) < 20_100 for entry in entries)
    assert [read_held(entry) for entry in entries] == [each["bytes"] for each in audio]


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("has_any", [True, False])
def test_rows_without_bytes_mean_their_paths(
    statistics: bool, has_any: bool, tmp_path: Path
) -> None:
    rows: list[Any] = [{"bytes": None, "path": f"{i}.wav"} for i in range(40)]
    if has_any:
        rows[3]["bytes"], rows[25]["bytes"] = b"three", b""
    columns = {"audio": pa.array(rows, AUDIO)}
    path = written(tmp_path / "x.parquet", columns, write_statistics=statistics)
    entries = listed(path)
    held = [index for index, entry in enumerate(entries) if entry.held]
    assert held == ([3, 25] if has_any else [])
    assert entries[4] == Entry("4.wav", "4.wav", str(tmp_path / "4.wav"))
    if has_any:
        assert [read_held(entries[index]) for index in held] == [b"three", b""]


@pytest.mark.parametrize("name", ["audio", "bytes", "content", "anything"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_column_of_bytes_holds_recordings(name: str, kind: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {name: pa.array([b"0", b"1"], kind)}, row_group_size=1)
    entries = listed(path)
    assert [entry.id for entry in entries] == [f"{path}/0", f"{path}/1"]
    assert [entry.held for entry in entries] == [Held(0, None, name), Held(1, None, name)]
    assert [read_held(entry) for entry in entries] == [b"0", b"1"]


def test_bytes_beside_a_path_are_recordings_only_by_their_name(tmp_path: Path) -> None:
    columns = {"path": ["a.wav"], "embedding": [b"123"]}
    (entry,) = listed(written(tmp_path / "x.parquet", columns))
    assert entry.held is None
    (entry,) = listed(written(tmp_path / "x.parquet", {**columns, "content": [b"1"]}))
    assert (entry.held, entry.path) == (
        Held(0, None, "content", "a.wav"),
        f"{tmp_path}/x.parquet/a.wav",
    )


class Counting(io.RawIOBase):
    """A file of which it is counted how many bytes are read."""

    def __init__(self, file: BinaryIO, read: list[int]) -> None:
        self._file, self._read = file, read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._read.append(len(content))
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def test_recordings_are_not_read_in_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = [{"bytes": os.urandom(100_000), "path": f"{i}.wav"} for i in range(30)]
    path = written(tmp_path / "x.parquet", {"audio": pa.array(audio, AUDIO)}, row_group_size=10)
    read: list[int] = []

    local = type(files_at(path))
    opened = local.open
    monkeypatch.setattr(local, "open", lambda self, path: Counting(opened(self, path), read))
    manifest = open_manifest(path)
    entries = list(manifest.entries())
    assert manifest.stamp()
    assert len(entries) == 30
    assert 0 < sum(read) < 200_000
    read.clear()
    reader = HeldReader()
    for entry in entries[:10]:
        reader.read(entry)
    assert sum(read) < 1_300_000  # one group, once
    reader.read(entries[10])
    assert sum(read) > 1_300_000


def test_of_a_large_group_only_a_few_rows_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gigaam.bulk.manifests.held._MOST_KEPT", 1000)
    contents = [os.urandom(50) for _ in range(200)]
    path = written(tmp_path / "x.parquet", {"audio": contents}, row_group_size=100)
    entries, reader = listed(path), HeldReader()
    for order in (range(200), [5, 3, 90, 91, 17, 150, 149, 99, 100, 199, 0]):
        assert [reader.read(entries[row]) for row in order] == [contents[row] for row in order]


@pytest.mark.parametrize("most_kept", [1000, 1 << 20])
def test_threads_share_a_reader(
    most_kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gigaam.bulk.manifests.held._MOST_KEPT", most_kept)
    contents = [os.urandom(500) for _ in range(400)]
    path = written(tmp_path / "x.parquet", {"audio": contents}, row_group_size=50)
    reader = HeldReader()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader.read, listed(path))) == contents


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"text": ["a"]}, "has no column path, audio_filepath, file or audio, but text"),
        ({"path": [5]}, "has no column path, audio_filepath, file or audio, but path"),
        ({"a": [b"1"], "b": [b"2"]}, "does not say which of the columns a, b has the recordings"),
        ({"path": ["a.wav", None]}, ", row 1: there is neither a recording nor a path"),
        ({"path": ["a.wav", " "]}, ", row 1: there is neither a recording nor a path"),
        ({"audio": [None, b"2"]}, ", row 0: there is neither a recording nor a path"),
        ({"path": ["a", "b"], "duration": [1.0, -2.0]}, ", row 1: duration is -2.0, not a number"),
        ({"path": ["a"], "duration": [0.0]}, ", row 0: the duration is 0"),
        ({"path": ["a"], "channel": [-1]}, ", row 0: channel is -1, not a channel's number"),
        ({"path": ["a"], "id": [1.5]}, ", row 0: id is 1.5, not a text"),
        ({"path": ["a"], "id": [b"1"]}, ", row 0: id is .*1.*, not a text"),
    ],
)
def test_what_is_wrong_is_told(columns: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", columns)
    with pytest.raises(DatasetError, match=rf"x\.parquet{'' if complaint[0] == ',' else ' '}"):
        listed(path)
    with pytest.raises(DatasetError, match=complaint):
        listed(path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "x.parquet", {"path": [f"{i}.wav" for i in range(1000)]}))
    raw = path.read_bytes()
    damaged = raw[:10] + bytes([byte ^ 255 for byte in raw[10:200]]) + raw[200:]
    for content in (b"", b"PAR1", raw[:-1], raw[: len(raw) // 2], damaged):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"x\.parquet cannot be read: "):
            listed(str(path))


def test_a_file_that_changed_since_it_was_listed_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", {"audio": [b"0", b"1"]})
    entries, stamp = listed(path), open_manifest(path).stamp()
    written(tmp_path / "x.parquet", {"audio": [b"0"]})
    assert open_manifest(path).stamp() != stamp
    with pytest.raises(DatasetError, match="has no row 1 any more"):
        read_held(entries[1])
    written(tmp_path / "x.parquet", {"audio": pa.array([None, None], pa.binary())})
    with pytest.raises(DatasetError, match="row 1 has no recording any more"):
        read_held(entries[1])
    written(tmp_path / "x.parquet", {"other": [b"0", b"1"]})
    with pytest.raises(DatasetError, match="has no row 1 any more"):
        read_held(entries[1])


def test_a_file_that_is_damaged_or_gone_when_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gigaam.bulk.manifests.held._MOST_KEPT", 1000)
    contents = [os.urandom(3000) for _ in range(100)]
    path = Path(written(tmp_path / "x.parquet", {"audio": contents}, use_dictionary=False))
    entries, reader, raw = listed(str(path)), HeldReader(), path.read_bytes()
    for half in (b"", raw[: len(raw) // 2]):
        path.write_bytes(half)
        with pytest.raises(DatasetError, match=r"x\.parquet cannot be read: "):
            reader.read(entries[50])
    path.unlink()
    with pytest.raises(FileNotFoundError):
        reader.read(entries[50])
    path.write_bytes(raw)
    assert [reader.read(entry) for entry in entries[50:70]] == contents[50:70]


def test_entries_survive_json(tmp_path: Path) -> None:
    for entry in listed(written(tmp_path / "x.parquet", {"audio": [b"0", b"1"], "id": [1, 2]})):
        assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


def test_pyarrow_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.parquet", {"path": ["a.wav"]})
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gigaam\[bulk\]'"):
        listed(path)
