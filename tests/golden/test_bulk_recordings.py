"""Bulk runs over recordings of all kinds: stretches, channels, files in files, damaged ones."""

import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import gigaam
import gigaam.bulk
from gigaam.bulk.executors import ShardDone
from gigaam.bulk.running import Todo
from gigaam.errors import BulkError, UnreachableError
from tests.waves import write_wav

Rows = dict[str, gigaam.bulk.Row]


@pytest.fixture
def folder(tmp_path: Path, example: Path) -> Path:
    """A long recording, a call with a speaker on each channel, one that is cut short."""
    folder = tmp_path / "archive"
    folder.mkdir()
    samples = gigaam.load_audio(example).numpy()
    write_wav(folder / "long.wav", np.tile(samples, 5))
    silence = np.zeros_like(samples)
    write_wav(folder / "call.wav", np.r_[samples, silence], np.r_[silence, samples])
    whole = example.read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    shutil.copy(example, folder / "one.wav")
    return folder


def rows_of(manifest: Path | str, out: Path, int8_model: str, **options: object) -> Rows:
    wanted = {"format": "jsonl", "executor": gigaam.bulk.LocalExecutor(1, 1), **options}
    gigaam.bulk.run(manifest, out, model=int8_model, **wanted)  # type: ignore[arg-type]
    return {row.id: row for row in gigaam.bulk.rows(out)}


def lines(path: Path, listed: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in listed), encoding="utf-8")
    return path


def test_stretches_and_names_of_a_manifest(folder: Path, int8_model: str, tmp_path: Path) -> None:
    manifest = lines(
        folder / "some.jsonl",
        [
            {"path": "long.wav", "offset": 7.0625, "duration": 7.0625, "id": "second"},
            {"path": "long.wav", "offset": 0.0, "duration": 7.0625},
            {"path": "call.wav", "channel": 1},
            {"path": "long.wav", "offset": 0.0, "duration": 7.0625},
            {"path": "nowhere.wav"},
        ],
    )
    events: list[object] = []
    rows = rows_of(manifest, tmp_path / "out", int8_model, on_event=events.append)
    first = "long.wav#t=0.000,7.062"
    assert list(rows) == ["second", first, "call.wav#channel=1", "nowhere.wav"]
    assert rows["second"].text == rows[first].text != ""
    assert rows["call.wav#channel=1"].words[0].start > 7
    assert rows["nowhere.wav"].error is not None
    assert rows["nowhere.wav"].error.kind == "AudioFileNotFoundError"
    (todo,) = [event for event in events if isinstance(event, Todo)]
    assert todo.run.n_repeated == 1


def test_channels_of_stretches_stay_apart(folder: Path, int8_model: str, tmp_path: Path) -> None:
    manifest = lines(
        folder / "some.jsonl",
        [{"path": "call.wav"}, {"path": "call.wav", "offset": 0.5, "duration": 13.0}],
    )
    rows = rows_of(manifest, tmp_path / "out", int8_model, channels="split", track=0)
    for row in rows.values():
        assert row.error is None
        assert [segment.channel for segment in row.segments] == [0, 1]
    whole, cut = rows.values()
    assert cut.segments[1].words is not None
    assert whole.words[-1].start == pytest.approx(cut.words[-1].start + 0.5, abs=0.2)


def test_stretches_of_recordings_in_a_file(
    folder: Path, int8_model: str, tmp_path: Path, example: Path
) -> None:
    short = gigaam.load_audio(example).numpy()[: 3 * 16_000]
    write_wav(tmp_path / "short.wav", short)
    audio = [
        {"bytes": path.read_bytes(), "path": path.name}
        for path in (example, tmp_path / "short.wav", folder / "call.wav")
    ]
    columns = {"audio": audio, "offset": [0.0, 1.0, 8.0], "id": ["a", "b", "c"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "some.parquet")
    rows = rows_of(tmp_path / "some.parquet", tmp_path / "out", int8_model)
    durations = [row.duration for row in rows.values()]
    assert durations == pytest.approx([7.0625, 2.0, 2 * 7.0625 - 8.0], abs=1e-3)
    assert len({row.text for row in rows.values()}) == 3


def test_warnings_are_of_the_recording(folder: Path, int8_model: str, tmp_path: Path) -> None:
    for number, name in enumerate(("one.wav", "cut.wav")):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as tar:
            tar.add(folder / name, "same.wav")
    rows = rows_of(f"{tmp_path}/*.tar", tmp_path / "out", int8_model)
    assert [bool(row.warnings) for row in rows.values()] == [False, True]
    manifest = lines(
        folder / "some.jsonl",
        [{"path": "cut.wav", "id": "x"}, {"path": "one.wav"}, {"path": "cut.wav", "id": "y"}],
    )
    rows = rows_of(manifest, tmp_path / "out2", int8_model)
    told = ("the recording is cut short: 3.53 s could be read",)
    assert [row.warnings for row in rows.values()] == [told, (), told]


def test_an_archive_that_has_moved_goes_on(folder: Path, int8_model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = rows_of(folder, out, int8_model, shard_minutes=0.01)
    next(out.glob("shards/*/*")).unlink()
    folder.rename(tmp_path / "elsewhere")
    assert rows_of(tmp_path / "elsewhere", out, int8_model, shard_minutes=0.01) == before


def test_a_list_means_the_paths_of_where_it_is(
    folder: Path, int8_model: str, tmp_path: Path
) -> None:
    (folder / "list.txt").write_text("one.wav\ncut.wav\n")
    out = tmp_path / "out"
    rows_of(folder / "list.txt", out, int8_model)
    shutil.copytree(folder, tmp_path / "other")
    with pytest.raises(BulkError, match=r"began in .*archive when .* and begin in .*other now"):
        rows_of(tmp_path / "other" / "list.txt", out, int8_model)


def test_a_pipe_is_no_recording(folder: Path, int8_model: str, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.wav")
    (folder / "list.txt").write_text("one.wav\npipe.wav\n")
    rows = rows_of(folder / "list.txt", tmp_path / "out", int8_model)
    assert rows["one.wav"].text
    assert rows["pipe.wav"].error is not None
    assert "no regular file" in rows["pipe.wav"].error.message


class Web:
    """Files of a folder, of which some cannot be had for so many times that they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.failing: dict[str, int] = {}
        web = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *given: object, **named: object) -> None:
                super().__init__(*given, directory=str(folder), **named)  # type: ignore[arg-type]

            def do_GET(self) -> None:
                left = web.failing.get(self.path, 0)
                web.failing[self.path] = left - 1
                self.send_error(503) if left > 0 else super().do_GET()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    pytest.importorskip("aiohttp")
    web = Web(folder)
    thread = threading.Thread(target=web.server.serve_forever, daemon=True)
    thread.start()
    yield web
    web.server.shutdown()
    web.server.server_close()


def test_what_cannot_be_had_is_tried_once_more_at_the_end(
    web: Web, int8_model: str, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(f"{web.url}/one.wav\n{web.url}/long.wav\n")
    web.failing["/one.wav"] = 6
    events: list[object] = []
    rows = rows_of(tmp_path / "list.txt", tmp_path / "out", int8_model, on_event=events.append)
    assert all(row.error is None for row in rows.values())
    done = [event.summary for event in events if isinstance(event, ShardDone)]
    assert [(each.n_passing, each.n_made, each.n_made_failed) for each in done] == [
        (1, 2, 1),
        (0, 1, 0),
    ]


def test_a_run_without_any_recordings_ends_early(web: Web, int8_model: str, tmp_path: Path) -> None:
    listed = [f"{web.url}/{number}.wav" for number in range(5)]
    (tmp_path / "list.txt").write_text("\n".join(listed))
    web.failing |= {f"/{number}.wav": 1000 for number in range(5)}
    with pytest.raises(UnreachableError, match="no recording of 3 shards could be read"):
        rows_of(tmp_path / "list.txt", tmp_path / "out", int8_model, shard_minutes=0.1)
