"""Bulk runs as people have them: real processes, a real model, accidents."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gigaam
import gigaam.bulk
from gigaam.bulk.executors import Event, ShardDone, WorkerLost
from gigaam.bulk.ledger import Ledger
from gigaam.bulk.running import Todo
from gigaam.bulk.shard import ShardTask
from gigaam.errors import ArgumentError, BulkError
from tests.bulk_tasks import MortalTask, PoisonedTask
from tests.waves import write_wav


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Recordings short and long, one with two channels, two that are none."""
    folder = tmp_path_factory.mktemp("archive")
    samples = gigaam.load_audio(example).numpy()
    rng = np.random.default_rng(1)
    for number in range(12):
        length = int(16_000 * rng.uniform(0.3, 7))
        write_wav(folder / f"{number:02d}.wav", samples[:length])
    (folder / "calls").mkdir()
    write_wav(folder / "calls" / "long.wav", np.tile(samples, 6))
    write_wav(folder / "calls" / "both.wav", samples, samples[::-1].copy())
    (folder / "text.wav").write_text("this is no recording\n" * 50)
    (folder / "empty.wav").touch()
    return folder


def files(out: Path) -> dict[str, bytes]:
    """The results of a run, byte by byte."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("shards/**/*.*"))}


def bulk(archive: Path, out: Path, int8_model: str, **options: object) -> gigaam.bulk.BulkResult:
    wanted = {"shard_minutes": 0.2, "format": "jsonl", **options}
    return gigaam.bulk.run(archive, out, model=int8_model, **wanted)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, archive: Path, int8_model: str) -> Path:
    out = tmp_path_factory.mktemp("bulk") / "undisturbed"
    result = bulk(archive, out, int8_model)
    assert (result.n_entries, result.n_failed) == (16, 2)
    return out


def test_rows_are_what_the_library_recognises(
    undisturbed: Path, archive: Path, int8_model: str
) -> None:
    model = gigaam.load_model(int8_model)
    rows = list(gigaam.bulk.rows(undisturbed))
    assert [row.id for row in rows] == sorted(
        str(path.relative_to(archive)) for path in archive.rglob("*.wav")
    )
    for row in rows:
        if row.id in ("text.wav", "empty.wav"):
            assert row.error is not None
            assert row.error.kind in ("AudioDecodingError", "AudioError")
            assert not row.text
            continue
        assert row.error is None
        if row.id == "calls/long.wav":
            result = model.transcribe_longform(archive / row.path, word_timestamps=True)
            assert list(row.segments) == list(result)
            assert row.duration == result.duration
        else:
            short = model.transcribe(archive / row.path, word_timestamps=True)
            assert row.words == short.words
            assert row.text == short.text
            assert row.confidence == pytest.approx(short.confidence)


def test_formats_hold_the_same(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    bulk(archive, tmp_path / "out", int8_model, format="parquet", shard_minutes=1, executor=one())
    assert list(gigaam.bulk.rows(tmp_path / "out")) == list(gigaam.bulk.rows(undisturbed))


def one() -> gigaam.bulk.LocalExecutor:
    return gigaam.bulk.LocalExecutor(1, 1)


def test_what_is_done_is_not_done_again(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    dropped = sorted(out.glob("shards/**/*.jsonl"))[1]
    dropped.unlink()
    events: list[object] = []
    result = bulk(archive, out, int8_model, on_event=events.append)
    assert [event.shards for event in events if isinstance(event, Todo)] == [[1]]
    assert sum(isinstance(event, ShardDone) for event in events) == 1
    assert files(out) == files(undisturbed)
    assert result.n_shards_with_failures == 1


class Killed:
    """Kills workers as they tell of what they have done."""

    def __init__(self, after: set[int]) -> None:
        self._after, self._n, self.n_lost = after, 0, 0

    def __call__(self, event: object) -> None:
        self.n_lost += isinstance(event, WorkerLost)
        self._n += 1
        if self._n in self._after:
            children = subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.split()
            if children:
                os.kill(int(children[-1]), signal.SIGKILL)


def test_killed_workers_change_nothing(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    killed = Killed({3, 6, 8})
    result = bulk(archive, tmp_path / "out", int8_model, on_event=killed)
    assert killed.n_lost
    assert result.n_entries == 16
    assert files(tmp_path / "out") == files(undisturbed)
    assert not list((tmp_path / "out" / "begun").iterdir())


def command(archive: Path, out: Path, int8_model: str) -> list[str]:
    options = ["--onnx", int8_model, "--shard-minutes", "0.2", "--format", "jsonl", "--events", "-"]
    return [sys.executable, "-m", "gigaam", "bulk", "run", str(archive), str(out), *options]


def test_a_killed_driver_goes_on(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = subprocess.Popen(command(archive, out, int8_model), stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line)["event"] == "shard":
            first.kill()
            break
    first.wait()
    first.stdout.close()
    n_before = len(files(out))
    assert 1 <= n_before < len(files(undisturbed))
    deadline = time.monotonic() + 30  # its workers end, too: they have nobody to tell
    while (done := again(archive, out, int8_model)).returncode == 1 and time.monotonic() < deadline:
        assert "another run is at work" in done.stderr
    assert done.returncode == 3, done.stderr
    assert files(out) == files(undisturbed)


def again(archive: Path, out: Path, int8_model: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(archive, out, int8_model), capture_output=True, text=True, check=False
    )


class Instead:
    """Processes that do another task than they are given."""

    called = "processes with accidents"

    def __init__(self, kind: type[ShardTask]) -> None:
        self._kind = kind

    def run(self, task: ShardTask, shards: object) -> Iterator[Event]:
        """Does shards."""
        fields = {name: getattr(task, name) for name in ShardTask.__dataclass_fields__}
        return one().run(self._kind(**fields), shards)  # type: ignore[arg-type]


def test_a_recording_that_kills_is_found_and_left_out(
    archive: Path, int8_model: str, undisturbed: Path, tmp_path: Path
) -> None:
    poisoned = tmp_path / "archive"
    shutil.copytree(archive, poisoned)
    shutil.copy(archive / "03.wav", poisoned / "03_poison.wav")
    result = bulk(
        poisoned, tmp_path / "out", int8_model, executor=Instead(PoisonedTask), shard_minutes=60
    )
    assert (result.n_entries, result.n_failed) == (17, 3)
    rows = {row.id: row for row in gigaam.bulk.rows(tmp_path / "out")}
    dead = rows.pop("03_poison.wav")
    assert dead.error is not None
    assert dead.error.kind == "ProcessDiedError"
    assert "twice" in dead.error.message
    assert list(rows.values()) == [
        replace(row, error=rows[row.id].error) for row in gigaam.bulk.rows(undisturbed)
    ]


def test_workers_that_never_begin_end_the_run(
    archive: Path, int8_model: str, tmp_path: Path
) -> None:
    with pytest.raises(BulkError, match="before they begin: killed by SIGKILL"):
        bulk(archive, tmp_path / "out", int8_model, executor=Instead(MortalTask))


def test_a_model_that_cannot_be_loaded_ends_the_run(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.ckpt").write_bytes(b"no model")
    with pytest.raises(BulkError, match=r"broken\.ckpt.*What is done is kept"):
        bulk(archive, tmp_path / "out", str(tmp_path / "broken.ckpt"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channels": "split"}, 'channels left out, not "split"'),
        ({"format": "parquet"}, "format jsonl, not parquet"),
        ({"shard_minutes": 5}, r"shards of 0\.2 minutes, not 5"),
        (
            {"decoding": gigaam.DecodingOptions(hotwords=["Ватутин"])},
            r"decoding left out, not \{.*Ватутин.*1\.0",
        ),
    ],
)
def test_other_results_are_not_mixed_in(
    undisturbed: Path,
    archive: Path,
    int8_model: str,
    options: dict[str, object],
    told: str,
) -> None:
    with pytest.raises(BulkError, match=f"another run .*{told}"):
        bulk(archive, undisturbed, int8_model, **options)


def test_another_model_is_not_mixed_in(undisturbed: Path, archive: Path) -> None:
    with pytest.raises(BulkError, match=r"the model .*, not tiny_ctc"):
        bulk(archive, undisturbed, "tiny_ctc")


def test_another_manifest_is_not_mixed_in(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(archive, other)
    (other / "03.wav").unlink()
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    with pytest.raises(BulkError, match=r"planned for, which is .* with 16 recordings"):
        bulk(other, out, int8_model)
    assert files(out) == files(undisturbed)


def test_failures_are_tried_again_when_asked(
    undisturbed: Path, archive: Path, int8_model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    events: list[object] = []
    bulk(archive, out, int8_model, retry=["AudioDecodingError"], on_event=events.append)
    assert sum(isinstance(event, ShardDone) for event in events) == 1
    assert files(out) == files(undisturbed)
    with pytest.raises(ArgumentError, match="nothing has failed with 'OtherError'; there are: A"):
        bulk(archive, out, int8_model, retry="OtherError")


def test_a_full_disk_ends_the_run_and_loses_nothing(
    undisturbed: Path, archive: Path, int8_model: str, small_disk: Path
) -> None:
    out = small_disk / "out"
    fill = small_disk / "fill"
    fill.write_bytes(bytes(small_disk_bytes(small_disk) - 24_000))
    with pytest.raises(BulkError, match=r"No space left.*What is done is kept"):
        bulk(archive, out, int8_model)
    fill.unlink()
    bulk(archive, out, int8_model)
    assert files(out) == files(undisturbed)


def small_disk_bytes(disk: Path) -> int:
    return shutil.disk_usage(disk).free


def test_two_runs_do_not_share_a_directory(
    archive: Path, int8_model: str, undisturbed: Path
) -> None:
    from filelock import FileLock

    with FileLock(undisturbed / ".lock"), pytest.raises(BulkError, match="another run is at work"):
        bulk(archive, undisturbed, int8_model)


def test_one_name_for_two_recordings_is_refused(
    archive: Path, int8_model: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "some.tsv"
    manifest.write_text(f"path\tid\n{archive}/01.wav\tx\n{archive}/02.wav\tx\n")
    with pytest.raises(BulkError, match="calls two recordings x"):
        bulk(manifest, tmp_path / "out", int8_model)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shard_minutes": 0}, "shard_minutes must be above 0"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"progress": True}, "progress means nothing"),
        ({"vad": object()}, "vad is a object, which the workers"),
    ],
)
def test_options_that_cannot_be(
    archive: Path, int8_model: str, tmp_path: Path, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ArgumentError, match=told):
        bulk(archive, tmp_path / "out", int8_model, **options)
    assert Ledger(str(tmp_path / "out")).read_run() is None
