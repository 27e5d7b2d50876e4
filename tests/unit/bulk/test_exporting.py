"""Results as files: all of them, whole, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gigaam.bulk.exporting import ExportResult, export
from gigaam.bulk.ledger import Ledger
from gigaam.bulk.records import FORMATS, RowFormat
from gigaam.bulk.row_files import Row
from gigaam.errors import ArgumentError, BulkError
from gigaam.output.formats import render
from gigaam.types import Segment, Word
from tests.bulk_runs import MADE_BY, failed_row, make_run, spoken_row

SHARDS = [
    [spoken_row("calls/a.wav", "раз два"), spoken_row("calls/a.mp3", "три")],
    [failed_row("calls/b.wav"), spoken_row("c.wav", "")],
    [],
    [spoken_row("d.wav"), spoken_row("e.wav")],
]


def files_below(folder: Path) -> dict[str, str]:
    """The texts of the files of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_a_run(format: RowFormat, tmp_path: Path) -> None:
    make_run(tmp_path / "out", SHARDS, format=format, left=[3])
    told: list[Row] = []
    result = export(
        tmp_path / "out", ["txt", "srt", "txt"], tmp_path / "texts", on_done=told.append
    )
    assert result == ExportResult(str(tmp_path / "texts"), 3, 6, 1, 1, 2)
    found = files_below(tmp_path / "texts")
    assert sorted(found) == [
        *("c.srt", "c.txt", "calls/a.mp3.srt", "calls/a.mp3.txt"),
        *("calls/a.wav.srt", "calls/a.wav.txt"),
    ]
    assert found["calls/a.wav.txt"] == "раз два\n"
    assert found["calls/a.wav.srt"] == render(SHARDS[0][0].result, "srt")
    assert found["c.txt"] == found["c.srt"] == ""
    assert told == [row for shard in SHARDS[:3] for row in shard]


def test_names_stay_when_more_is_done(tmp_path: Path) -> None:
    shards = [[spoken_row("a.wav")], [spoken_row("a.mp3")]]
    make_run(tmp_path / "out", shards, left=[1])
    export(tmp_path / "out", ["txt"], tmp_path / "texts")
    assert list(files_below(tmp_path / "texts")) == ["a.wav.txt"]


def test_files_are_replaced_and_others_stay(tmp_path: Path) -> None:
    make_run(tmp_path / "out", [[spoken_row("a.wav", "новый")]])
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("an old and longer text")
    (tmp_path / "texts/b.txt").write_text("another")
    export(tmp_path / "out", ["txt"], tmp_path / "texts")
    assert files_below(tmp_path / "texts") == {"a.txt": "новый\n", "b.txt": "another"}


def test_run_in_the_folder_of_its_texts_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "out", [[spoken_row("out/run.wav"), spoken_row("out/shards/000000.wav")]])
    before = files_before = sorted(path for path in tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    export("out", ["json"], ".")
    assert sorted(path for path in tmp_path.rglob("*") if path in files_before) == before
    assert Ledger("out").read_run() is not None
    assert (tmp_path / "out_/run.json").is_file()
    assert not (tmp_path / "out/run.txt").exists()


@pytest.mark.parametrize("where", ["out", "out/texts", "out/../out", "link"])
def test_the_directory_of_the_run_is_not_written_to(where: str, tmp_path: Path) -> None:
    make_run(tmp_path / "out", [[spoken_row("run.wav")]])
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ArgumentError, match="is in the directory of the run"):
        export(tmp_path / "out", ["json"], tmp_path / where)


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    nan = float("nan")
    segment = Segment("раз", nan, nan, [Word("раз", nan, nan)])
    odd = replace(spoken_row("odd.wav"), segments=(segment,))
    make_run(tmp_path / "out", [[odd, spoken_row("a.wav")]])
    result = export(tmp_path / "out", ["txt", "json"], tmp_path / "texts")
    assert (result.n_recordings, result.n_unwritable) == (1, 1)
    ((id, why),) = result.unwritable
    assert (id, bool(why)) == ("odd.wav", True)
    assert sorted(files_below(tmp_path / "texts")) == ["a.json", "a.txt"]


def test_nothing_is_done_yet(tmp_path: Path) -> None:
    make_run(tmp_path / "out", SHARDS, left=range(4))
    result = export(tmp_path / "out", ["txt"], tmp_path / "texts")
    assert (result.n_shards_missing, result.n_left, result.n_written) == (4, 6, 0)


@pytest.mark.parametrize("formats", [[], "txt", ["txt", "doc"]])
def test_formats_that_there_are_not(formats: list[str], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="txt, srt, vtt, json, tsv"):
        export(tmp_path, formats, tmp_path / "texts")


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="holds no bulk run"):
        export(tmp_path / "out", ["txt"], tmp_path / "texts")


@pytest.mark.parametrize("rows", [[spoken_row("b.wav")], [spoken_row("a.wav")] * 2])
def test_rows_that_are_not_planned(rows: list[Row], tmp_path: Path) -> None:
    from gigaam.bulk.row_files import pack_rows

    make_run(tmp_path / "out", [[spoken_row("a.wav")]])
    rows_file = tmp_path / "out/shards/000/000000.parquet"
    rows_file.write_bytes(pack_rows(rows, MADE_BY, "parquet"))
    with pytest.raises(BulkError, match=r"shard 0 of .* has a row of"):
        export(tmp_path / "out", ["txt"], tmp_path / "texts")


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    make_run(tmp_path / "out", SHARDS)
    (tmp_path / "texts").write_bytes(b"")
    with pytest.raises(OSError, match="texts"):
        export(tmp_path / "out", ["txt"], tmp_path / "texts")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server of this machine."""
    servers = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    server = servers.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("archive")
    yield "s3://archive"
    s3fs.S3FileSystem().rm("archive", recursive=True)  # the server remembers it when it is gone
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_in_a_store(bucket: str) -> None:
    import s3fs

    make_run(f"{bucket}/run", SHARDS)
    with pytest.raises(ArgumentError, match="is in the directory of the run"):
        export(f"{bucket}/run", ["txt"], f"{bucket}/run/")
    result = export(f"{bucket}/run", ["txt"], f"{bucket}/texts")
    assert (result.n_written, result.n_failed_rows, result.n_left) == (5, 1, 0)
    store = s3fs.S3FileSystem()
    found = {name: store.cat_file(name).decode() for name in store.find("archive/texts")}
    assert found["archive/texts/calls/a.wav.txt"] == "раз два\n"
    assert len(found) == 5
