"""What a command line means, and where results go."""

from pathlib import Path, PurePath

import pytest

from gigaam.cli.jobs import STDIN, Job, find_recordings, plan_jobs
from gigaam.errors import ArgumentError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.MP3", "notes.txt", ".hidden.wav", "day 1/c.mp4", ".git/d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_directory_means_the_recordings_below_it(folder: Path) -> None:
    found = find_recordings([str(folder)])
    assert [str(relative) for _, relative in found] == ["a.MP3", "b.wav", "day 1/c.mp4"]
    assert all(path == folder / relative for path, relative in found)


def test_patterns_are_expanded_and_named_files_are_taken_as_they_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "odd[1].wav").touch()
    found = find_recordings(["**/*.mp4", "notes.txt", "odd[1].wav", "missing.wav", "-"])
    assert [path for path, _ in found] == [
        *map(Path, ("day 1/c.mp4", "notes.txt", "odd[1].wav", "missing.wav")),
        STDIN,
    ]
    assert found[-1][1] == PurePath("stdin")


@pytest.mark.parametrize("argument", ["empty", "*.ogg"])
def test_an_argument_that_leads_nowhere_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    with pytest.raises(ArgumentError, match=argument[-5:].replace("*", r"\*")):
        find_recordings([argument])


def test_outputs_keep_their_places_below_the_directory(folder: Path) -> None:
    jobs = plan_jobs(find_recordings([str(folder)]), Path("out"), ["srt", "txt"])
    assert jobs[2] == Job(
        folder / "day 1/c.mp4", (Path("out/day 1/c.srt"), Path("out/day 1/c.txt"))
    )
    assert plan_jobs([(STDIN, PurePath("stdin"))], Path("out"), ["txt"])[0].outputs == (
        Path("out/stdin.txt"),
    )


def test_only_the_last_extension_is_replaced() -> None:
    (job,) = plan_jobs([(Path("a.2024.01.wav"), PurePath("a.2024.01.wav"))], Path("o"), ["txt"])
    assert job.outputs == (Path("o/a.2024.01.txt"),)


def outputs(*paths: str, output_dir: str = "out", formats: tuple[str, ...] = ("txt",)) -> list[str]:
    """Where the results of these recordings go."""
    jobs = plan_jobs(find_recordings(paths), Path(output_dir), formats)
    return [str(output) for job in jobs for output in job.outputs]


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        (["x/a.wav", "x/a.mp3", "x/b.mp3"], ["out/a.wav.txt", "out/a.mp3.txt", "out/b.txt"]),
        (["a", "a.wav"], ["out/a.txt", "out/a.wav.txt"]),
        (["a.wav", "a.mp3", "a.wav.ogg"], None),
        (["x/a.wav", "y/a.wav", "y/a.mp3"], None),
        (["x/a.wav", "y/a.wav"], None),
        (["a.wav", "./a.wav"], ["out/a.txt", "out/a.txt"]),
    ],
)
def test_names_that_would_clash_keep_what_tells_them_apart(
    recordings: list[str], expected: list[str] | None
) -> None:
    found = outputs(*recordings)
    assert len(set(found)) == len({Path(recording) for recording in recordings})
    assert expected is None or found == expected
    # Whatever their order, so that --skip-existing finds them again.
    assert outputs(*recordings[::-1]) == found[::-1]


def test_only_what_clashes_is_named_otherwise() -> None:
    assert outputs("x/a.wav", "y/a.wav", "c.wav")[-1] == "out/c.txt"
    both = outputs("x/a.wav", "y/a.wav")
    assert both[0].endswith("x/a.wav.txt")
    assert both[1].endswith("y/a.wav.txt")


def test_no_recording_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert outputs("call.txt", output_dir=".") == ["call.txt.txt"]
    assert outputs("call.wav", "call.json", output_dir=".", formats=("json",)) == [
        *("call.wav.json", "call.json.json")
    ]


def test_a_url_is_no_recording() -> None:
    with pytest.raises(ArgumentError, match=r"https://there\.is/a\.mp3 is not fetched"):
        find_recordings(["https://there.is/a.mp3"])


def test_a_missing_recording_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert not Job(tmp_path / "a.wav").is_missing
    assert not Job(STDIN).is_missing
    assert Job(tmp_path / "b.wav").is_missing
    assert Job(tmp_path / "a.wav" / "c.wav").is_missing


def test_a_job_is_done_when_all_of_its_files_are_there(tmp_path: Path) -> None:
    job = Job(Path("a.wav"), (tmp_path / "a.srt", tmp_path / "a.txt"))
    (tmp_path / "a.srt").touch()
    assert not job.is_done
    (tmp_path / "a.txt").touch()
    assert job.is_done
    assert not Job(Path("a.wav")).is_done
