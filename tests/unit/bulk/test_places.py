"""Places: files of this machine and of stores, whole or not at all, asked again when they fail."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gigaam.bulk import places
from gigaam.bulk.places import files_at, is_address, is_passing, joined
from gigaam.errors import ArgumentError, BulkError, MissingDependencyError, UnreachableError


class Flaky(MemoryFileSystem):  # type: ignore[misc]
    """A store that fails the first times that it is asked."""

    protocol = "flaky"
    failures: ClassVar[list[Exception]] = []
    asked = 0

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **how: Any
    ) -> Any:
        type(self).asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return super().cat_file(path, start, end, **how)


fsspec.register_implementation("flaky", Flaky, clobber=True)


@pytest.fixture(params=["local", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path)
    return f"memory://{tmp_path.name}"


def test_files_are_written_listed_read_and_removed(base: str) -> None:
    files = files_at(base)
    for name, content in (("b/2.bin", b"two"), ("a.bin", b"0123456789"), ("b/1.bin", b"")):
        files.write(joined(base, name), content)
    found = list(files.below(base))
    name = base.rpartition("/")[2]
    assert [each.path.partition(name)[2] for each in found] == ["/a.bin", "/b/1.bin", "/b/2.bin"]
    assert [each.n_bytes for each in found] == [10, 0, 3]
    assert files.read(joined(base, "a.bin")) == b"0123456789"
    assert files.read(joined(base, "a.bin"), 3, 4) == b"3456"
    files.write(joined(base, "a.bin"), b"new")
    assert files.read(joined(base, "a.bin")) == b"new"
    assert [each.path[-5:] for each in files.matching(joined(base, "b/*.bin"))] == [
        "1.bin",
        "2.bin",
    ]
    look = files.look(joined(base, "b/2.bin"))
    assert look is not None
    assert look.n_bytes == 3
    assert files.look(joined(base, "b")) is None
    assert files.is_folder(joined(base, "b"))
    for name in ("a.bin", "nothing"):
        files.remove(joined(base, name))
    assert files.look(joined(base, "a.bin")) is None
    with pytest.raises(FileNotFoundError):
        files.read(joined(base, "a.bin"))
    assert list(files.below(joined(base, "nowhere"))) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_LONGEST_WAIT_S", 0.001)
    monkeypatch.setattr(Flaky, "asked", 0)
    monkeypatch.setattr(places, "_asked_in_vain", Counter())


@pytest.mark.usefixtures("impatient")
def test_a_store_that_fails_for_the_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_at("flaky://x")
    files.write("flaky://x/a", b"content")
    passing = [TimeoutError(), ConnectionResetError(), OSError("500 Internal Error")]
    monkeypatch.setattr(Flaky, "failures", passing)
    assert files.read("flaky://x/a") == b"content"
    assert Flaky.asked == 4


@pytest.mark.usefixtures("impatient")
def test_a_store_that_goes_on_failing_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flaky, "failures", [ConnectionResetError("reset")] * 50)
    with pytest.raises(UnreachableError, match=r"flaky://x/a: the store does not answer.*reset"):
        files_at("flaky://x").read("flaky://x/a")
    assert 3 < Flaky.asked < 10


@pytest.mark.usefixtures("impatient")
def test_a_store_that_has_been_silent_is_asked_once_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = files_at("flaky://x")
    files.write("flaky://x/a", b"content")
    failures: list[Exception] = [ConnectionResetError()] * 100
    monkeypatch.setattr(Flaky, "failures", failures)

    def asked(path: str) -> int:
        before = Flaky.asked
        with pytest.raises(UnreachableError):
            files.read(path)
        return Flaky.asked - before

    patient = asked("flaky://x/a")
    assert [asked("flaky://x/a") for _ in range(4)] == [patient, patient, 1, 1]
    assert asked("flaky://y/a") == patient  # another host
    failures.clear()
    assert files.read("flaky://x/a") == b"content"
    failures += [ConnectionResetError()] * 100
    assert asked("flaky://x/a") == patient


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "error", [PermissionError("no"), FileNotFoundError("no"), ValueError("no")]
)
def test_what_will_not_change_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Flaky, "failures", [error])
    with pytest.raises(type(error)):
        files_at("flaky://x").read("flaky://x/a")
    assert Flaky.asked == 1


class Refused(Exception):
    """As clients of HTTP raise it."""

    def __init__(self, status: int) -> None:
        self.status = status


@pytest.mark.parametrize(
    ("status", "passes"),
    [(400, False), (403, False), (404, False), (408, True), (429, True), (503, True)],
)
def test_refusals_of_http(status: int, passes: bool) -> None:
    assert is_passing(Refused(status)) is passes


def test_addresses() -> None:
    assert is_address("s3://b/x")
    assert not is_address("a/b")
    assert not is_address("C:\\a")
    assert joined("s3://b/x", "y/z") == "s3://b/x/y/z"
    assert joined("/a", "s3://b/x") == "s3://b/x"
    assert joined("a", "/b") == "/b"


def test_addresses_that_nothing_opens() -> None:
    with pytest.raises(ArgumentError, match="nosuch"):
        files_at("nosuch://x/y")
    with pytest.raises((BulkError, MissingDependencyError), match="hdfs://x/y"):
        files_at("hdfs://x/y")
