"""Recordings of jobs: whole or not there, and none from outside the directory that was named."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gigaam.server.jobs.database import is_full
from gigaam.server.jobs.job import Job
from gigaam.server.jobs.recordings import Recordings, stamp_of
from gigaam.server.refusals import Refusal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "a.wav").write_bytes(b"inside")
    (root / "..b.wav").write_bytes(b"inside")
    (tmp_path / "secret.wav").write_bytes(b"outside")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "a.wav").write_bytes(b"outside")
    return root


@pytest.fixture
def recordings(tmp_path: Path, root: Path) -> Recordings:
    return Recordings(tmp_path / "uploads", root)


def links(root: Path) -> None:
    (root / "in.wav").symlink_to(root / "deep" / "er" / "a.wav")
    (root / "out.wav").symlink_to(root.parent / "secret.wav")
    (root / "outdir").symlink_to(root.parent)
    (root / "loop.wav").symlink_to(root / "loop.wav")


@pytest.mark.parametrize("given", ["deep/er/a.wav", "deep//er/./a.wav", "..b.wav", "in.wav", "/"])
def test_files_below_the_root(recordings: Recordings, root: Path, given: str) -> None:
    links(root)
    path = str(root / "deep" / "er" / "a.wav") if given == "/" else given
    with recordings.rooted.open(path) as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize(
    "given",
    [
        "../secret.wav",
        "deep/../../secret.wav",
        "deep/../deep/er/a.wav",
        "..",
        ".",
        "/",
        "/etc/passwd",
        "ROOT/../secret.wav",
        "ROOT-too/a.wav",
        "ROOT",
        "out.wav",
        "outdir/secret.wav",
        "outdir/root-too/a.wav",
    ],
)
def test_nothing_outside(recordings: Recordings, root: Path, given: str) -> None:
    links(root)
    with pytest.raises(Refusal) as caught:
        recordings.rooted.open(given.replace("ROOT", str(root)))
    assert (caught.value.status, caught.value.code) == (403, "path_not_allowed")
    assert str(root.parent) not in caught.value.message


@pytest.mark.parametrize(
    "given", ["no.wav", "deep", "loop.wav", "pipe.wav", "a\0b", "deep/er/a.wav/x", "x" * 5_000]
)
def test_only_regular_files(recordings: Recordings, root: Path, given: str) -> None:
    links(root)
    os.mkfifo(root / "pipe.wav")
    with pytest.raises(Refusal) as caught:
        recordings.rooted.open(given)
    assert (caught.value.status, caught.value.code) == (404, "path_not_found")


def test_a_root_may_be_reached_by_a_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    recordings = Recordings(tmp_path / "uploads", tmp_path / "link")
    for given in ("deep/er/a.wav", f"{tmp_path}/link/deep/er/a.wav", f"{root}/deep/er/a.wav"):
        with recordings.rooted.open(given) as file:
            assert file.read() == b"inside"


def test_without_a_root_there_are_no_paths(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        Recordings(tmp_path / "uploads", None).rooted.open("a.wav")
    assert caught.value.status == 403


def test_uploads_are_kept_and_dropped(recordings: Recordings, tmp_path: Path) -> None:
    kept = Job(id="job_a", client="me", model="m", filename="../../x.wav")
    recordings.keep("job_a", io.BytesIO(b"sound" * 1_000))
    recordings.keep("job_b", io.BytesIO(b"sound"))
    (tmp_path / "uploads" / "job_c.part").write_bytes(b"half")
    assert (tmp_path / "uploads").stat().st_mode & 0o777 == 0o700
    assert recordings.used_bytes == 5_009
    recordings.drop_others({"job_a"})
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["job_a"]
    with recordings.opened(kept) as recording:
        assert recording.name == "../../x.wav"  # a name in messages, never a path
        assert recording.read(5) == b"sound"
    recordings.drop("job_a")
    recordings.drop("job_a")
    with pytest.raises(Refusal, match="not there any more"), recordings.opened(kept):
        pass


def test_a_recording_that_was_changed(recordings: Recordings, root: Path) -> None:
    with recordings.rooted.open("deep/er/a.wav") as file:
        stamp = stamp_of(file)
    job = Job(id="j", client="me", model="m", filename="a", path="deep/er/a.wav", stamp=stamp)
    with recordings.opened(job) as recording:
        assert recording.read() == b"inside"
    (root / "deep" / "er" / "a.wav").write_bytes(b"another")
    with pytest.raises(Refusal, match="was changed"), recordings.opened(job):
        pass


def test_a_full_disk_keeps_no_part(small_disk: Path) -> None:
    recordings = Recordings(small_disk / "uploads", None)
    recordings.keep("job_a", io.BytesIO(bytes(500_000)))
    with pytest.raises(OSError, match="No space left") as caught:
        recordings.keep("job_b", io.BytesIO(bytes(2_000_000)))
    assert is_full(caught.value)
    assert [path.name for path in (small_disk / "uploads").iterdir()] == ["job_a"]


def test_what_is_deleted_while_it_is_counted_takes_nothing(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        recordings.keep(name, io.BytesIO(b"x" * 100))
    listed = os.scandir

    class Late:
        """A listing, of which a file goes before it is looked at."""

        def __init__(self, folder: Path) -> None:
            with listed(folder) as entries:
                self._entries = sorted(entries, key=lambda entry: entry.name)
            (tmp_path / "uploads" / "first").unlink()

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self._entries)

        def __exit__(self, *raised: object) -> None:
            return

    monkeypatch.setattr(os, "scandir", Late)
    assert recordings.used_bytes == 100
