"""Manifests in a store with a real S3 interface, on this machine."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests import HeldReader, open_manifest
from gigaam.errors import ArgumentError, DatasetError

pytest.importorskip("tenacity")
s3fs = pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a store."""
    running = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store in which there is an empty bucket; s3:// leads to it."""
    for name, value in [
        *(("ENDPOINT_URL", server), ("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x")),
        *(("DEFAULT_REGION", "us-east-1"), ("EC2_METADATA_DISABLED", "true")),
    ]:
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("archive")
    yield files
    files.rm("archive", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def listed(location: str) -> list[Entry]:
    manifest = open_manifest(location)
    entries = list(manifest.entries())
    assert list(manifest.entries()) == entries
    return entries


def test_a_directory(store: Any) -> None:
    names = ["b/2.MP3", "a.opus", "b/1.wav", "b/.x.wav", ".git/a.wav", "a.txt", "b/в г.wav"]
    for name in names:
        store.pipe(f"archive/calls/{name}", name.encode())
    store.pipe("archive/calls-of-others/c.wav", b"")
    for location in ("s3://archive/calls", "s3://archive/calls/", "s3a://archive/calls"):
        entries = listed(location)
        assert [entry.id for entry in entries] == ["a.opus", "b/1.wav", "b/2.MP3", "b/в г.wav"]
        folder = location.rstrip("/")
        assert entries[1] == Entry("b/1.wav", "b/1.wav", f"{folder}/b/1.wav", n_bytes=7)
    stamp = open_manifest("s3://archive/calls").stamp()
    assert open_manifest("s3://archive/calls/").stamp() == stamp
    store.pipe("archive/calls/a.opus", b"other!")
    assert open_manifest("s3://archive/calls").stamp() != stamp
    with pytest.raises(ArgumentError, match="there is no manifest, file or directory"):
        open_manifest("s3://archive/none")
    store.pipe("archive/tars/1.tar", b"")
    with pytest.raises(ArgumentError, match=r"as 's3://archive/tars/\*\.tar'"):
        listed("s3://archive/tars")


def test_patterns_and_text(store: Any) -> None:
    for name in ("calls/a.wav", "calls/x/b.wav", "calls/x/.b.wav", "calls/c.mp3"):
        store.pipe(f"archive/{name}", b"1")
    ids = [f"s3://archive/calls/{name}" for name in ("a.wav", "x/b.wav")]
    entries = listed("s3://archive/calls/**/*.wav")
    assert [entry.id for entry in entries] == [entry.location for entry in entries] == ids
    noise = os.urandom(3000).hex()  # so that there are several blocks to be fetched
    lines = [{"path": f"calls/{i}.wav", "id": i, "text": noise} for i in range(3000)]
    content = "\n".join(map(json.dumps, lines)).encode()
    for name, raw in (("m.jsonl", content), ("m.jsonl.gz", gzip.compress(content))):
        store.pipe(f"archive/{name}", raw)
        entries = listed(f"s3://archive/{name}")
        assert len(entries) == 3000
        assert entries[-1].location == "s3://archive/calls/2999.wav"
        assert open_manifest(f"s3://archive/{name}").stamp()
    assert len(listed("s3://archive/m.*")) == 6000
    manifest = open_manifest("s3://archive/m.jsonl")
    store.rm("archive/m.jsonl")
    with pytest.raises(DatasetError, match=r"s3://archive/m\.jsonl cannot be read: "):
        list(manifest.entries())


def test_a_tar_file(store: Any) -> None:
    contents = {f"{i}.wav": os.urandom(700_000) for i in range(5)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in contents.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    store.pipe("archive/calls.tar", packed.getvalue())
    for location in ("s3://archive/calls.tar", "s3://archive/*.tar"):
        entries = listed(location)
        assert [entry.id for entry in entries] == [
            f"s3://archive/calls.tar/{name}" for name in contents
        ]
        reader = HeldReader()
        assert [reader.read(entry) for entry in entries] == list(contents.values())
    stamp = open_manifest("s3://archive/calls.tar").stamp()
    store.pipe("archive/calls.tar", packed.getvalue()[:-1024])
    assert open_manifest("s3://archive/calls.tar").stamp() != stamp
    store.pipe("archive/calls.tar", packed.getvalue()[:2_000_000])
    with pytest.raises(DatasetError, match=r"s3://archive/calls\.tar cannot be read"):
        listed("s3://archive/calls.tar")


def test_a_parquet_file(store: Any) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    audio = [{"bytes": os.urandom(300_000), "path": f"{i}.wav"} for i in range(12)]
    audio[7]["bytes"] = None
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    written = io.BytesIO()
    pq.write_table(pa.table({"audio": pa.array(audio, kind)}), written, row_group_size=4)
    store.pipe("archive/calls.parquet", written.getvalue())
    entries = listed("s3://archive/calls.parquet")
    reader = HeldReader()
    for row, entry in enumerate(entries):
        if row == 7:
            assert entry == Entry("7.wav", "7.wav", "s3://archive/7.wav")
        else:
            assert entry.id == f"s3://archive/calls.parquet/{row}.wav"
            assert reader.read(entry) == audio[row]["bytes"]
    assert open_manifest("s3://archive/calls.parquet").stamp()


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    """The address of a server that knows no parts of files, and gives what is in a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_website_that_sends_only_whole_files(website: str, tmp_path: Path) -> None:
    noise = os.urandom(3000).hex()
    lines = [{"path": f"calls/{i}.wav", "text": noise} for i in range(3000)]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    entries = listed(f"{website}/m.jsonl?signature=1")
    assert [entry.location for entry in entries] == [
        f"{website}/calls/{i}.wav" for i in range(3000)
    ]
    content = os.urandom(3_000_000)
    (tmp_path / "a.wav").write_bytes(content)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "a.wav", "a.wav")
        archive.add(tmp_path / "a.wav", "b.wav")
    assert [HeldReader().read(entry) for entry in listed(f"{website}/x.tar")] == [content] * 2
    with pytest.raises(ArgumentError, match="there is no manifest"):
        open_manifest(f"{website}/none.jsonl")
