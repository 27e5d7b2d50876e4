"""Downloads that fuzzing found: answers without an end, notes that nest, mirrors with a query."""

import hashlib

import pytest

from gigaam.errors import ChecksumError, DownloadError
from gigaam.store import transfer
from gigaam.store.download import fetch, url_of
from gigaam.store.registry import ModelInfo, RemoteFile
from tests.http_server import Fault, FileServer

CONTENT = bytes(range(256)) * 1024
FILE = RemoteFile(path="net.ckpt", md5=hashlib.md5(CONTENT).hexdigest())
MODEL = ModelInfo(name="net", line="v3", task="ctc", file=FILE)


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("GIGAAM_CACHE", "GIGAAM_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "net.ckpt").write_bytes(CONTENT)
    with FileServer(tmp_path / "www") as running:
        monkeypatch.setenv("GIGAAM_MIRROR", running.url)
        yield running


def test_an_answer_of_no_stated_size_does_not_go_on_for_ever(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_LARGEST_BYTES", len(CONTENT) - 1)
    server.inject("net.ckpt", Fault(headers={"Content-Length": ""}))
    with pytest.raises(ChecksumError, match=f"goes on past the {len(CONTENT) - 1} bytes"):
        fetch(MODEL, tmp_path / "cache")
    assert not (tmp_path / "cache" / "net.ckpt.part").exists()
    monkeypatch.setattr(transfer, "_LARGEST_BYTES", len(CONTENT))
    server.inject("net.ckpt", Fault(headers={"Content-Length": ""}))
    assert fetch(MODEL, tmp_path / "cache").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["net.ckpt.part.json", "net.ckpt.verified"])
def test_notes_nested_without_end_are_no_notes(name, server, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / name).write_text("[" * 100_000)
    (cache / ("net.ckpt.part" if "part" in name else "net.ckpt")).write_bytes(CONTENT)
    assert fetch(MODEL, cache).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "mirror",
    ["http://127.0.0.1:1/?token=hunter2", "http://127.0.0.1:1/#hunter2", "ftp://x/?t=hunter2"],
)
def test_a_mirror_with_a_query_is_refused_and_not_told(mirror, monkeypatch):
    monkeypatch.setenv("GIGAAM_MIRROR", mirror)
    with pytest.raises(DownloadError, match=r"GIGAAM_MIRROR has a \?") as caught:
        url_of(FILE)
    assert "hunter2" not in str(caught.value)
