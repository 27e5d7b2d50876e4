"""Tables, JSON lines and lists: what each line means, and everything that can be wrong with one."""

import gzip
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests import open_manifest
from gigaam.errors import ArgumentError, DatasetError


def written(folder: Path, name: str, content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return str(path)


def listed(location: str) -> list[Entry]:
    manifest = open_manifest(location)
    entries = list(manifest.entries())
    assert list(manifest.entries()) == entries
    return entries


TABLE = (
    "path\tduration\ttranscription\toffset\tid\tchannel\n"
    'a.wav\t1.5\tОн сказал: "Да".\t\t\t\n'
    "\n"
    "б/в.mp3\t2.25\t\t3.25\tвторая\t1\n"
    "/c.wav\t\t\t\t\t0\n"
)
OBJECTS = (
    '{"path": "a.wav", "duration": 1.5, "transcription": "Да", "id": ""}\n'
    "  \n"
    '{"path": "б/в.mp3", "duration": 2.25, "offset": 3.25, "id": "вторая", "channel": 1}\n'
    '{"path": "/c.wav", "duration": null, "channel": 0, "offset": 0}'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tsv", TABLE),
        ("m.TSV", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("m.tsv.gz", TABLE),
        ("m.jsonl", OBJECTS),
        ("m.json", "\ufeff" + OBJECTS.replace("\n", "\r\n") + "\r\n"),
        ("m.jsonl.gz", OBJECTS),
    ],
)
def test_all_formats_say_the_same(name: str, content: str, tmp_path: Path) -> None:
    assert listed(written(tmp_path, name, content)) == [
        Entry(
            "a.wav#t=0.000,1.500",
            "a.wav",
            str(tmp_path / "a.wav"),
            duration_s=1.5,
            is_stretch=True,
        ),
        Entry("вторая", "б/в.mp3", str(tmp_path / "б/в.mp3"), 3.25, 2.25, True, 1),
        Entry("/c.wav#channel=0", "/c.wav", "/c.wav", channel=0),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"duration": 4}, Entry("x.wav", "x.wav", "x.wav", duration_s=4)),
        ({"duration": 4, "offset": None}, Entry("x.wav", "x.wav", "x.wav", duration_s=4)),
        (
            {"duration": 4, "offset": 0, "text": "да", "lang": "ru"},
            Entry("x.wav#t=0.000,4.000", "x.wav", "x.wav", 0.0, 4, True),
        ),
        ({"offset": 2.5}, Entry("x.wav#t=2.500", "x.wav", "x.wav", 2.5, None, True)),
        ({"duration": None, "offset": 0}, Entry("x.wav", "x.wav", "x.wav")),
        ({"id": 17, "speaker": {"a": 1}}, Entry("17", "x.wav", "x.wav")),
    ],
)
def test_in_nemos_lines_only_an_offset_makes_a_stretch(
    line: dict[str, object], expected: Entry, tmp_path: Path
) -> None:
    content = json.dumps({"audio_filepath": "x.wav", **line})
    (entry,) = listed(written(tmp_path, "m.json", content))
    assert entry == Entry(**{**vars(expected), "location": str(tmp_path / "x.wav")})


@pytest.mark.parametrize("kind", ["table", "list"])
def test_addresses_and_absolute_paths_stay(kind: str, tmp_path: Path) -> None:
    names = ["s3://bucket/a b.wav", "https://host/x.wav?sig=1", "/data/x.wav", "../y.wav"]
    head, name = ("path\n", "m.tsv") if kind == "table" else ("", "m.lst")
    entries = listed(written(tmp_path, name, head + "\n".join(names)))
    assert [entry.id for entry in entries] == [entry.path for entry in entries] == names
    assert [entry.location for entry in entries] == [*names[:3], str(tmp_path / "../y.wav")]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("m.tsv", "", "line 1: the manifest has no column path"),
        ("m.tsv", "file\tid\na\tb", "line 1: the manifest has no column path"),
        ("m.tsv", "path\tid\tid\na\tb\tc", "line 1: duplicate columns: id"),
        ("m.tsv", "path\tid\n\na.wav\n", "line 3: 1 cells under a header of 2"),
        ("m.tsv", "path\tid\n\t7\n", "line 2: the path is empty"),
        ("m.tsv", "path\toffset\na\t-1\n", "line 2: offset is -1, not a number of seconds"),
        ("m.tsv", "path\tduration\na\t0.00001\n", "line 2: the duration is 0"),
        ("m.tsv", "path\tchannel\na\tleft\n", "line 2: channel is left, not a channel's number"),
        ("m.tsv", b"path\n\xff.wav\n", "line 2: not UTF-8: invalid start byte"),
        ("m.jsonl", "\n{'path': 1}", "line 2: not a JSON object a line: Expecting property name"),
        ("m.json", '[\n{"path": "a"}]', "line 1: not a JSON object a line: Expecting value"),
        ("m.jsonl", "[" * 100_000, "line 1: not a JSON object a line: "),
        ("m.jsonl", "[1]", r"line 1: not an object but \[1\]"),
        ("m.jsonl", '{"text": "да"}', "line 1: the line has no path or audio_filepath"),
        ("m.jsonl", '{"path": ["a"]}', r'line 1: path is \["a"\], not a text'),
        ("m.jsonl", '{"path": "\\ud800.wav"}', "line 1: path is .*not a text: surrogates not"),
        ("m.jsonl", '{"path": "a", "id": 1.5}', "line 1: id is 1.5, not a text"),
        ("m.jsonl", '{"path": "a", "id": true}', "line 1: id is true, not a text"),
        ("m.jsonl", '{"path": "a", "offset": true}', "line 1: offset is true, not a number"),
        ("m.jsonl", '{"path": "a", "duration": 1e999}', "line 1: duration is Infinity, not a"),
        ("m.jsonl", '{"path": "a", "channel": -1}', "line 1: channel is -1, not a channel's"),
        ("m.jsonl", '{"path": "a", "channel": true}', "line 1: channel is true, not a channel's"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    name: str, content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=f"{name}, {complaint}"):
        listed(written(tmp_path, name, content))


def test_lines_before_an_invalid_one_are_given_first(tmp_path: Path) -> None:
    entries = open_manifest(written(tmp_path, "m.jsonl", '{"path": "a"}\n{}')).entries()
    assert next(entries).path == "a"
    with pytest.raises(DatasetError, match="line 2"):
        next(entries)


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"m.txt, line 1: longer than \d+ bytes"):
        listed(written(tmp_path, "m.txt", b"x" * (17 << 20)))


@pytest.mark.parametrize("n_bytes", [1, 12, 40, -1])
def test_a_damaged_gzip_is_told(n_bytes: int, tmp_path: Path) -> None:
    path = Path(written(tmp_path, "m.jsonl.gz", OBJECTS))
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DatasetError, match=r"m\.jsonl\.gz cannot be read: "):
        listed(str(path))
    flipped = bytearray(gzip.compress(OBJECTS.encode() * 100))
    flipped[20:60] = bytes(40)
    path.write_bytes(flipped)
    with pytest.raises(DatasetError, match=r"m\.jsonl\.gz"):
        listed(str(path))


def test_the_stamp_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, "m.tsv", TABLE)
    before = open_manifest(path).stamp()
    os.utime(path, (1, 1))
    assert open_manifest(path).stamp() == before
    assert len(before) == 16
    written(tmp_path, "m.tsv", TABLE + "d.wav\t\t\t\t\t\n")
    assert open_manifest(path).stamp() != before


def test_standard_input_lists_paths_and_objects_and_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = b'\xef\xbb\xbfa.wav\r\n\n {"path": "b.wav", "offset": 1}\ns3://b/c.wav\n\xff \n'
    manifest = open_manifest("-", stdin=io.BytesIO(lines))
    one, other = manifest.entries(), manifest.entries()
    entries = [entry for pair in zip(one, other, strict=True) for entry in pair]
    assert entries[::2] == entries[1::2]
    assert [entry.location for entry in entries[::2]] == [
        *(str(tmp_path / "a.wav"), str(tmp_path / "b.wav"), "s3://b/c.wav"),
        str(tmp_path / "\udcff "),
    ]
    assert manifest.stamp() == open_manifest("-", stdin=io.BytesIO(lines)).stamp()
    assert manifest.called == "standard input"
    with pytest.raises(DatasetError, match="standard input, line 2: not a JSON object"):
        list(open_manifest("-", stdin=io.BytesIO(b"a.wav\n{\n")).entries())


def test_standard_input_is_deleted_from_disk_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    manifest = open_manifest("-", stdin=io.BytesIO(b"a.wav\n"))
    assert len(list(tmp_path.iterdir())) == 1
    del manifest
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    for name, why in [
        ("m.csv", "is no manifest by its extension"),
        ("m.jsonl.zst", r"\.zst is not read here: decompress it first"),
        ("m.parquet.gz", r"\.gz is not read here: decompress it first"),
    ]:
        with pytest.raises(ArgumentError, match=why):
            open_manifest(written(tmp_path, name, ""))
    with pytest.raises(ArgumentError, match="there is no manifest, file or directory"):
        open_manifest(str(tmp_path / "none.jsonl"))
    manifest = open_manifest(written(tmp_path, "m.jsonl", ""))
    (tmp_path / "m.jsonl").unlink()
    with pytest.raises(DatasetError, match=r"m\.jsonl cannot be read: No such file"):
        list(manifest.entries())


@given(
    st.lists(
        st.fixed_dictionaries(
            {"path": st.text(min_size=1).filter(lambda name: name.strip())},
            optional={
                "id": st.text(min_size=1).filter(lambda name: name.strip()) | st.integers(),
                "offset": st.floats(0, 1e6),
                "duration": st.floats(1, 1e6),
                "channel": st.integers(0, 7),
            },
        )
    )
)
def test_json_lines_come_back_and_entries_survive_json(lines: list[dict[str, object]]) -> None:
    content = "\n".join(json.dumps(line) for line in lines).encode()
    entries = list(open_manifest("-", stdin=io.BytesIO(content)).entries())
    for line, entry in zip(lines, entries, strict=True):
        assert entry.path == line["path"]
        assert str(line.get("id", entry.id)) == entry.id
        assert (entry.offset_s, entry.duration_s) == (line.get("offset", 0.0), line.get("duration"))
        assert entry.channel == line.get("channel")
        assert entry.is_stretch == bool("duration" in line or line.get("offset"))
        assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


@given(st.lists(st.binary(min_size=1).filter(lambda name: not {10, 13} & {*name})))
def test_paths_of_any_bytes_survive(names: list[bytes]) -> None:
    kept = [name for name in names if name.decode(errors="surrogateescape").strip()]
    kept = [name for name in kept if not name.startswith(b"\xef\xbb\xbf") and b"{" not in name]
    content = b"\n".join(kept)
    entries = list(open_manifest("-", stdin=io.BytesIO(content)).entries())
    assert [entry.path.encode(errors="surrogateescape") for entry in entries] == kept
    for entry in entries:
        assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry
