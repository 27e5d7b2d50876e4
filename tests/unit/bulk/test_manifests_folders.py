"""Directories, patterns, single recordings: what is listed, in which order, with which stamp."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests import open_manifest
from gigaam.errors import ArgumentError, DatasetError


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode(errors="surrogateescape"))


def ids(location: str | Path) -> list[str]:
    manifest = open_manifest(str(location))
    entries = list(manifest.entries())
    assert list(manifest.entries()) == entries
    return [entry.id for entry in entries]


def test_a_directory_lists_its_recordings(tmp_path: Path) -> None:
    files(tmp_path, "b/2.MP3", "b/1.wav", "a.opus", "b/в/г.mkv", "a.txt", "noise", "x.tar")
    files(tmp_path, ".hidden.wav", ".git/a.wav", "b/._1.wav")
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "round").symlink_to(".")
    for location in (str(tmp_path), f"{tmp_path}/"):
        entries = list(open_manifest(location).entries())
        assert [entry.id for entry in entries] == ["a.opus", "b/1.wav", "b/2.MP3", "b/в/г.mkv"]
        assert entries[1] == Entry(
            "b/1.wav", "b/1.wav", str(tmp_path / "b/1.wav"), n_bytes=len("b/1.wav")
        )


def test_a_directory_is_found_from_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, "calls/a.wav", "calls/..b.wav")
    monkeypatch.chdir(tmp_path / "calls")
    for location in (".", "../calls", "./"):
        (entry,) = open_manifest(location).entries()
        assert (entry.id, os.path.normpath(entry.location)) == (
            "a.wav",
            str(tmp_path / "calls/a.wav"),
        )
        assert os.path.isabs(entry.location)


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    try:
        files(tmp_path, "\udcff\udcfe.wav")
    except OSError:
        pytest.skip("names here are text")
    manifest = open_manifest(str(tmp_path))
    (entry,) = manifest.entries()
    assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry
    assert Path(entry.location).read_bytes() == b"\xff\xfe.wav"
    assert len(manifest.stamp()) == 16


def test_the_stamp_of_a_directory_is_that_of_its_recordings(tmp_path: Path) -> None:
    files(tmp_path, "a.wav", "b/c.wav")

    def stamp() -> str:
        return open_manifest(str(tmp_path)).stamp()

    stamps = [stamp()]
    files(tmp_path, "notes.txt")
    assert stamp() == stamps[-1]
    os.utime(tmp_path / "a.wav", (1, 1))
    stamps.append(stamp())
    (tmp_path / "a.wav").write_bytes(b"other")
    stamps.append(stamp())
    files(tmp_path, "b/d.wav")
    stamps.append(stamp())
    (tmp_path / "b/d.wav").rename(tmp_path / "b/e.wav")
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "there are no recordings in {0}$"),
        (("a.txt", ".a.wav"), "there are no recordings in {0}$"),
        (("x.tar", "a.txt"), "but x.tar: for such files give a pattern, as '{0}/\\*.tar'"),
        (("b/x.jsonl.gz",), "but b/x.jsonl.gz: .* as '{0}/\\*\\*/\\*.jsonl.gz'"),
        (("part-0.parquet", "_SUCCESS"), "as '{0}/\\*.parquet'"),
    ],
)
def test_a_directory_without_recordings_is_refused(
    names: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "table.parquet"  # as Spark calls directories
    folder.mkdir()
    files(folder, *names)
    manifest = open_manifest(str(folder))
    with pytest.raises(ArgumentError, match=told.format(folder)):
        list(manifest.entries())
    with pytest.raises(ArgumentError, match="no recordings"):
        manifest.stamp()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    files(tmp_path, "a.wav", "b/c.wav")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(DatasetError, match="cannot be read: Permission denied"):
            ids(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o700)


def test_a_pattern_lists_what_it_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "calls/b.mp3", "calls/x/a.mp3", "calls/x/.h.mp3", "calls/c.wav", "calls/d/e")
    monkeypatch.chdir(tmp_path)
    assert ids("calls/**/*.mp3") == ["calls/b.mp3", "calls/x/a.mp3"]
    assert ids("calls/[bc].*") == ["calls/b.mp3", "calls/c.wav"]
    (entry,) = open_manifest("calls/?.wav").entries()
    expected = Entry(
        "calls/c.wav", "calls/c.wav", str(tmp_path / "calls/c.wav"), n_bytes=len("calls/c.wav")
    )
    assert entry == expected
    with pytest.raises(ArgumentError, match=r"no file matches calls/\*\.ogg"):
        ids("calls/*.ogg")
    with pytest.raises(ArgumentError, match="no file matches"):
        open_manifest("nothing/*").stamp()


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    files(tmp_path, "a[1].wav", "a1.wav")
    (entry,) = open_manifest(str(tmp_path / "a[1].wav")).entries()
    assert entry.location == str(tmp_path / "a[1].wav")
    assert open_manifest(str(tmp_path / "a[1].wav")).stamp()


def test_a_pattern_reads_manifests_one_after_the_other(tmp_path: Path) -> None:
    files(tmp_path, "0.wav", "1/x.wav")
    (tmp_path / "1/m.tsv").write_text("path\nx.wav\n")
    (tmp_path / "2.jsonl").write_text('{"path": "1/x.wav", "id": "again"}\n')
    with tarfile.open(tmp_path / "3.tar", "w") as archive:
        archive.add(tmp_path / "0.wav", "in.wav")
    pattern = f"{tmp_path}/**/*"
    entries = list(open_manifest(pattern).entries())
    assert [entry.id for entry in entries] == [
        *(f"{tmp_path}/0.wav", "x.wav", f"{tmp_path}/1/x.wav", "again", f"{tmp_path}/3.tar/in.wav"),
    ]
    stamp = open_manifest(pattern).stamp()
    (tmp_path / "2.jsonl").write_text("")
    assert open_manifest(pattern).stamp() != stamp


def test_other_files_count_only_if_the_pattern_ends_in_their_extension(tmp_path: Path) -> None:
    files(tmp_path, "a.wav", "a.sph")
    (tmp_path / "a.txt").write_text("a.wav\n")
    with pytest.raises(ArgumentError, match=r"a\.sph is neither a recording nor a manifest"):
        ids(f"{tmp_path}/*")
    assert ids(f"{tmp_path}/*.sph") == [f"{tmp_path}/a.sph"]
    assert ids(f"{tmp_path}/*.txt") == ["a.wav"]


def test_a_single_recording_is_a_manifest_of_one(tmp_path: Path) -> None:
    files(tmp_path, "a.WAV")
    manifest = open_manifest(str(tmp_path / "a.WAV"))
    (entry,) = manifest.entries()
    assert (entry.location, entry.n_bytes) == (str(tmp_path / "a.WAV"), 5)
    (tmp_path / "a.WAV").unlink()
    with pytest.raises(ArgumentError, match="there is no recording"):
        manifest.stamp()
