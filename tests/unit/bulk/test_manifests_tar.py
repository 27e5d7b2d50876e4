"""Tar files: what members mean, where their bytes are, and files that were made to do harm."""

import gzip
import io
import json
import tarfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.bulk.entries import Entry, Held
from gigaam.bulk.manifests import HeldReader, open_manifest, read_held
from gigaam.errors import ArgumentError, AudioWarning, DatasetError

FORMATS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}


def packed(
    path: Path, members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT
) -> list[tarfile.TarInfo]:
    """Writes a tar file; gives its headers."""
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    with tarfile.open(path) as archive:
        return archive.getmembers()


def listed(path: Path) -> list[Entry]:
    manifest = open_manifest(str(path))
    entries = list(manifest.entries())
    assert list(manifest.entries()) == entries
    return entries


@pytest.mark.parametrize("form", FORMATS)
def test_members_are_recordings_whose_bytes_are_read_alone(form: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tar"
    long = "x" * 60 + "/" + "y" * 60 + ".ogg"
    contents = {"./1.wav": b"one", "дом/2.FLAC": bytes(600), long: b"three"}
    packed(path, [*contents.items(), ("1.txt", b"text"), ("._1.wav", b"mac")], FORMATS[form])
    entries = listed(path)
    names = ["1.wav", "дом/2.FLAC", long]
    assert [entry.id for entry in entries] == [f"{path}/{name}" for name in names]
    assert [entry.path for entry in entries] == [entry.id for entry in entries]
    assert {entry.location for entry in entries} == {str(path)}
    reader = HeldReader()
    assert [reader.read(entry) for entry in entries] == list(contents.values())
    assert [entry.n_bytes for entry in entries] == [3, 600, 5]
    assert entries[0].held == Held(first=path.read_bytes().index(b"one"), n_bytes=3, name="1.wav")


def test_a_description_beside_a_recording_says_how_long_it_is(tmp_path: Path) -> None:
    told = json.dumps({"duration": 7.5, "id": "no", "text": "да"}).encode()
    members = [
        *(("a.json", told), ("a.wav", b"1"), ("a.b.mp3", b"2")),
        *(("b.wav", b"3"), ("b.txt", b""), ("b.json", told)),
        *(("c.wav", b"4"), ("d/c.json", told), ("e.wav", b"5"), ("e.json", b"{")),
        *(("f.wav", b"6"), ("f.json", b'{"duration": "long"}'), ("g.wav", b""), ("g.json", b"[1]")),
    ]
    packed(tmp_path / "x.tar", members)
    lengths = {entry.path[-7:]: entry.duration_s for entry in listed(tmp_path / "x.tar")}
    assert lengths == {
        **{"r/a.wav": 7.5, "a.b.mp3": 7.5, "r/b.wav": 7.5, "r/c.wav": None},
        **{"r/e.wav": None, "r/f.wav": None, "r/g.wav": None},
    }
    assert not any(entry.is_stretch for entry in listed(tmp_path / "x.tar"))


def test_many_members_of_one_name_are_not_gathered(tmp_path: Path) -> None:
    packed(tmp_path / "x.tar", [("a.wav", b"")] * 1_500)
    assert len(listed(tmp_path / "x.tar")) == 1_500


def test_links_and_the_like_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in [
            *(("a.wav", tarfile.SYMTYPE), ("b.wav", tarfile.LNKTYPE), ("c.wav", tarfile.CHRTYPE)),
            *(("d.wav", tarfile.DIRTYPE), ("e.txt", tarfile.SYMTYPE), ("f.json", tarfile.LNKTYPE)),
        ]:
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "/etc/passwd"
            archive.addfile(header)
    with pytest.warns(AudioWarning) as caught:
        assert list(open_manifest(str(path)).entries()) == []
    told = [str(warning.message).removeprefix(f"{path}/") for warning in caught]
    assert told == [
        "a.wav is a link in the tar file: it is left out",
        "b.wav is a link in the tar file: it is left out",
        "c.wav is no plain file in the tar file: it is left out",
    ]


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar.zst"])
def test_compressed_ones_are_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ArgumentError, match=r"is compressed.*: decompress it to a \.tar"):
        open_manifest(str(tmp_path / name))


def test_compressed_ones_are_known_by_their_bytes(tmp_path: Path) -> None:
    packed(tmp_path / "x.tar", [("a.wav", b"1")])
    raw = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(gzip.compress(raw))
    with pytest.raises(
        DatasetError, match=r"x\.tar cannot be read: it is compressed.*: decompress"
    ):
        listed(tmp_path / "x.tar")


def test_each_place_where_a_file_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    second = packed(path, [("a.wav", bytes(700)), ("b.wav", bytes(700))])[1]
    raw = path.read_bytes()
    for n_bytes in [100, 512, 900, second.offset + 100, second.offset_data, len(raw) - 10240 + 100]:
        path.write_bytes(raw[:n_bytes])
        if n_bytes > second.offset_data + 1024:  # only zeros are missing
            assert len(listed(path)) == 2
            continue
        with pytest.raises(DatasetError, match=r"x\.tar cannot be read: "):
            listed(path)
    for content in (b"", b"RIFF" * 1000):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"x\.tar cannot be read: "):
            listed(path)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header that claims any size, with the right sum."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (256**12 + size if size < 0 else 0x80 << 88 | size).to_bytes(12, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block[:512])


@pytest.mark.parametrize("size", [-512, -(1 << 40), 1 << 40, (1 << 70)])
@pytest.mark.parametrize(
    "kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_sizes_that_lie_are_told(size: int, kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    packed(path, [("a.wav", b"1")])
    before = path.read_bytes()[:1024]
    path.write_bytes(before + header("b.wav", size, kind) + bytes(4096))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        entries = open_manifest(str(path)).entries()
        with pytest.raises(DatasetError, match=r"x\.tar cannot be read: "):
            list(entries)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    second = packed(path, [("a.wav", b"1"), ("b.wav", b"2"), ("c.wav", b"3")])[1]
    raw = bytearray(path.read_bytes())
    raw[second.offset + 5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DatasetError, match=f"the tar file is damaged at byte {second.offset}"):
        listed(path)


@given(noise=st.binary(max_size=3000), at=st.integers(0, 2000))
def test_no_bytes_make_it_crash(
    noise: bytes, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.tar"
    packed(path, [("a.wav", b"1" * 100), ("b.wav", b"2" * 600)])
    raw = path.read_bytes()[:4096]
    path.write_bytes(raw[:at] + noise + raw[at + len(noise) :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        try:
            for entry in open_manifest(str(path)).entries():
                assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry
        except DatasetError:
            return


def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    packed(tmp_path / "x.tar", [("\udcff.wav", b"1")], tarfile.GNU_FORMAT)
    (entry,) = listed(tmp_path / "x.tar")
    assert entry.path == f"{tmp_path}/x.tar/\udcff.wav"
    assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


def test_what_is_gone_or_shorter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    packed(path, [("a.wav", bytes(900))])
    stamp, manifest = open_manifest(str(path)).stamp(), open_manifest(str(path))
    (entry,) = listed(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert manifest.stamp() != stamp
    with pytest.raises(DatasetError, match=r"x\.tar ends before the recording does"):
        read_held(entry)
    path.unlink()
    with pytest.raises(DatasetError, match="no such file"):
        manifest.stamp()
    with pytest.raises(FileNotFoundError):
        read_held(entry)
    with pytest.raises(ValueError, match="is a file of its own"):
        read_held(Entry("a", "a", "a"))
