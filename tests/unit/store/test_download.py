"""Fetching models, from a real server that misbehaves, by real processes."""

import base64
import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from pathlib import Path

import pytest
import sentencepiece

from gigaam.errors import ChecksumError, DownloadError, OfflineError, UnknownModelError
from gigaam.store import registry
from gigaam.store.download import cache_root, cached_path, fetch, is_offline, url_of
from gigaam.store.registry import ModelInfo, RemoteFile
from gigaam.store.transfer import Partial, RetryPolicy, transfer
from tests.http_server import Fault, FileServer

BLOCK = 1 << 16  # what arrives in whole blocks survives a dropped connection
CONTENT = bytes(range(256)) * (16 * BLOCK // 256)
OTHER = bytes(reversed(CONTENT))
HALF = len(CONTENT) // 2
QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.2, read_timeout_s=0.3)
FILE = "net.ckpt"


def describe(content: bytes = CONTENT, *, size: bool = True, sha256: bool = True) -> RemoteFile:
    return RemoteFile(
        path=FILE,
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest() if sha256 else None,
        size_bytes=len(content) if size else None,
    )


def model(file: RemoteFile | None = None, tokenizer: RemoteFile | None = None) -> ModelInfo:
    return ModelInfo(
        name="net", line="v3", task="ctc", file=file or describe(), tokenizer=tokenizer
    )


@pytest.fixture
def server(tmp_path, monkeypatch):
    for name in ("GIGAAM_CACHE", "GIGAAM_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / FILE).write_bytes(CONTENT)
    with FileServer(tmp_path / "www") as running:
        monkeypatch.setenv("GIGAAM_MIRROR", running.url)
        yield running


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache" / "gigaam"


def part(root: Path) -> Path:
    return root / f"{FILE}.part"


def run_python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


FETCH = f"""
import sys
from pathlib import Path
from gigaam.store.download import fetch
from gigaam.errors import DownloadError
from gigaam.store.registry import ModelInfo, RemoteFile

file = RemoteFile(path="{FILE}", md5="{hashlib.md5(CONTENT).hexdigest()}")
info = ModelInfo(name="net", line="v3", task="ctc", file=file)
root = Path(sys.argv[1])
"""


# The ordinary way


def test_downloads_once_and_then_finds_the_file(server, root):
    path = fetch(model(), root)
    assert path == root / FILE
    assert path.read_bytes() == CONTENT
    assert fetch(model(), root) == path
    assert server.statuses(FILE) == [200]
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert not part(root).exists()
    assert sorted(file.suffix for file in root.iterdir()) == [".ckpt", ".lock", ".verified"]


def test_a_registry_name_is_looked_up_and_an_alias_too(server, root, monkeypatch):
    monkeypatch.setitem(registry.MODELS, "v2_ctc", model())
    assert fetch("ctc", root) == fetch("v2_ctc", root) == root / FILE
    with pytest.raises(UnknownModelError):
        fetch("no_such_model", root)


def test_the_tokenizer_comes_beside_the_model(server, root, tmp_path):
    (tmp_path / "www" / "pieces.model").write_bytes(b"pieces")
    remote = RemoteFile(path="pieces.model", md5=hashlib.md5(b"pieces").hexdigest())
    assert cached_path(model(tokenizer=remote), root) is None
    path = fetch(model(tokenizer=remote), root)
    assert path == root / FILE
    assert (root / "net_tokenizer.model").read_bytes() == b"pieces"
    assert cached_path(model(tokenizer=remote), root) == path
    (root / "net_tokenizer.model").unlink()
    assert cached_path(model(tokenizer=remote), root) is None
    fetch(model(tokenizer=remote), root)
    assert (len(server.statuses(FILE)), len(server.statuses("pieces.model"))) == (1, 2)


@pytest.mark.parametrize("content", [b"<html>please log in</html>", b"", bytes(4096)])
def test_a_tokenizer_without_digest_must_be_a_sentencepiece_model(server, root, tmp_path, content):
    (tmp_path / "www" / "pieces.model").write_bytes(content)
    remote = RemoteFile(path="pieces.model", pieces=20)
    with pytest.raises(ChecksumError, match=r"SentencePiece|pieces instead of 20"):
        fetch(model(tokenizer=remote), root)
    assert not list(root.glob("*.model"))


def test_a_tokenizer_without_digest_is_recognised_by_its_vocabulary(server, root, tmp_path):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["съешь же ещё этих мягких французских булок да выпей чаю"] * 5),
        model_writer=written,
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (tmp_path / "www" / "pieces.model").write_bytes(written.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).vocab_size()
    with pytest.raises(ChecksumError, match=f"{pieces} pieces instead of {pieces + 1}"):
        fetch(model(tokenizer=RemoteFile(path="pieces.model", pieces=pieces + 1)), root)
    fetch(model(tokenizer=RemoteFile(path="pieces.model", pieces=pieces)), root)


def test_a_file_that_cannot_be_verified_cannot_be_registered():
    with pytest.raises(ValueError, match="verify"):
        RemoteFile(path="x")


def test_packaged_models_are_directories_and_need_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    info = ModelInfo(name="tiny", line="packaged", task="ctc", directory=tmp_path / "tiny")
    assert cached_path(info) is None
    with pytest.raises(DownloadError, match="reinstall"):
        fetch(info)
    (tmp_path / "tiny").mkdir()
    assert fetch(info) == cached_path(info) == tmp_path / "tiny"


def test_the_cache_is_the_argument_else_the_environment_else_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIGAAM_CACHE", raising=False)
    assert cache_root() == tmp_path / ".cache" / "gigaam"
    monkeypatch.setenv("GIGAAM_CACHE", "~/models")
    assert cache_root() == tmp_path / "models"
    assert cache_root(Path("here")) == Path("here")


def test_the_address_is_the_published_one_or_on_the_mirror(monkeypatch):
    remote = registry.resolve("v3_ctc").file
    monkeypatch.delenv("GIGAAM_MIRROR", raising=False)
    assert url_of(remote) == f"{registry.BASE_URL}/v3_ctc.ckpt"
    monkeypatch.setenv("GIGAAM_MIRROR", "https://mirror.example/models/")
    assert url_of(remote) == "https://mirror.example/models/v3_ctc.ckpt"
    monkeypatch.setenv("GIGAAM_MIRROR", "file:///etc")
    with pytest.raises(DownloadError, match="GIGAAM_MIRROR"):
        url_of(remote)


# Verification


@pytest.mark.parametrize(
    ("position", "known"),
    [(0, {}), (-1, {}), (HALF, {"size": False}), (HALF, {"size": False, "sha256": False})],
)
def test_one_wrong_byte_is_refused_and_nothing_is_left(server, root, known, position):
    def flip(content):
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    server.inject(FILE, Fault(change_body=flip))
    with pytest.raises(ChecksumError, match=r"not the published file.*run this again") as caught:
        fetch(model(describe(**known)), root, policy=QUICK)
    assert isinstance(caught.value, AssertionError)
    assert [file.suffix for file in root.iterdir()] == [".lock"]
    assert fetch(model(describe(**known)), root).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [True, False])
@pytest.mark.parametrize("change", [lambda c: c + b"x", lambda c: c[:-1], lambda c: b""])
def test_a_complete_file_of_another_length_is_refused(server, root, size, change):
    server.inject(FILE, Fault(change_body=change))
    with pytest.raises(ChecksumError):
        fetch(model(describe(size=size)), root, policy=QUICK)
    assert [file.suffix for file in root.iterdir()] == [".lock"]


def test_a_wrong_length_is_refused_before_the_body_is_read(server, root):
    server.inject(FILE, Fault(claim_bytes=10**12))
    with pytest.raises(ChecksumError, match="1000000000000 bytes long"):
        fetch(model(), root)


def test_a_body_without_length_is_bounded_by_the_published_size(server, tmp_path):
    server.inject(FILE, Fault(headers={"Content-Length": ""}, change_body=lambda c: c * 10))
    partial = Partial(tmp_path / "part")
    seen: list[int] = []
    with pytest.raises(ChecksumError, match="goes on past"):
        transfer(
            f"{server.url}/{FILE}",
            partial,
            size_bytes=len(CONTENT),
            on_progress=lambda done, total: seen.append(done),
        )
    assert max(seen) <= len(CONTENT) + BLOCK
    assert not partial.path.exists()


def test_a_body_without_length_is_accepted_if_it_is_the_published_file(server, root):
    server.inject(FILE, Fault(headers={"Content-Length": ""}))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT


def test_a_users_own_copy_is_verified_on_first_use_and_marked(server, root):
    root.mkdir(parents=True)
    (root / FILE).write_bytes(CONTENT)
    assert fetch(model(), root) == root / FILE
    assert server.requests == []
    assert json.loads((root / f"{FILE}.verified").read_text())["size"] == len(CONTENT)


def test_a_marked_file_is_not_read_again(server, root):
    path = fetch(model(), root)
    written = path.stat().st_mtime_ns
    path.write_bytes(OTHER)  # the same size and, below, time: only its content could tell
    os.utime(path, ns=(written, written))
    assert fetch(model(), root) == path


def test_a_file_changed_since_is_verified_again_and_never_deleted(server, root):
    path = fetch(model(), root)
    path.write_bytes(OTHER)
    os.utime(path, (1, 1))
    with pytest.raises(ChecksumError, match="Delete it or move it away"):
        fetch(model(), root)
    assert path.read_bytes() == OTHER
    path.unlink()
    assert fetch(model(), root).read_bytes() == CONTENT


def test_a_marker_for_another_release_of_the_file_does_not_count(server, root):
    fetch(model(), root)
    with pytest.raises(ChecksumError):
        fetch(model(describe(OTHER)), root)


@pytest.mark.parametrize("junk", ["", "[]", "{", "null", '{"size": 1}', "\x00"])
def test_an_unreadable_marker_means_verify_again(server, root, junk):
    path = fetch(model(), root)
    (root / f"{FILE}.verified").write_text(junk)
    assert fetch(model(), root) == path
    assert json.loads((root / f"{FILE}.verified").read_text())["size"] == len(CONTENT)


# Interruptions


def test_a_dropped_connection_is_resumed(server, root):
    server.inject(FILE, Fault(drop_after=5 * BLOCK))
    server.inject(FILE, Fault(drop_after=3 * BLOCK + 7))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.statuses(FILE) == [200, 206, 206]
    assert server.requests[1].headers["range"] == f"bytes={5 * BLOCK}-"
    assert server.requests[2].headers["range"] == f"bytes={8 * BLOCK}-"
    assert server.requests[1].headers["if-range"].startswith('"')


def test_a_body_without_length_that_stops_early_is_resumed(server, root):
    server.inject(FILE, Fault(headers={"Content-Length": ""}, drop_after=HALF))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.statuses(FILE) == [200, 206]


def test_progress_gives_new_patience(server, root):
    server.inject(FILE, Fault(drop_after=BLOCK), times=12)
    policy = RetryPolicy(attempts=2, first_wait_s=0.001)
    assert fetch(model(), root, policy=policy).read_bytes() == CONTENT
    assert len(server.requests) == 13


def test_a_later_run_goes_on_where_the_first_gave_up(server, root):
    server.inject(FILE, Fault(drop_after=HALF))
    server.inject(FILE, Fault(status=503), times=4)
    with pytest.raises(DownloadError, match=r"503.*0\.5 MB are kept"):
        fetch(model(), root, policy=QUICK)
    assert part(root).stat().st_size == HALF
    assert fetch(model(), root).read_bytes() == CONTENT
    assert server.requests[-1].headers["range"] == f"bytes={HALF}-"


def test_a_server_without_ranges_starts_over(server, root):
    server.inject(FILE, Fault(drop_after=HALF))
    server.inject(FILE, Fault(ignore_range=True))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.statuses(FILE) == [200, 200]


def test_a_server_without_ranges_that_always_drops_is_given_up(server, root):
    server.fault = lambda path, headers: Fault(drop_after=HALF, ignore_range=True)
    with pytest.raises(DownloadError, match=f"{HALF}"):
        fetch(model(), root, policy=QUICK)
    assert len(server.requests) == 1 + QUICK.attempts


def test_a_file_replaced_on_the_server_is_not_mixed_with_the_old_part(server, root):
    old = Fault(drop_after=HALF, change_body=lambda c: OTHER, headers={"ETag": '"old"'})
    server.inject(FILE, old)
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.requests[1].headers["if-range"] == '"old"'
    assert server.statuses(FILE) == [200, 200]


@pytest.mark.parametrize(
    "headers", [{"ETag": '"new"'}, {"ETag": '"old"', "Content-Range": "bytes 7-8/9"}]
)
def test_an_answer_with_another_part_or_version_is_refused(server, root, headers):
    server.inject(FILE, Fault(drop_after=HALF, headers={"ETag": '"old"'}))
    server.inject(FILE, Fault(headers=headers, ignore_if_range=True))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.statuses(FILE) == [200, 206, 200]


def test_a_part_longer_than_the_file_starts_over(server, root, tmp_path):
    server.inject(FILE, Fault(drop_after=HALF, headers={"ETag": '"same"'}))
    server.inject(FILE, Fault(status=404))
    with pytest.raises(DownloadError):
        fetch(model(), root, policy=QUICK)
    (tmp_path / "www" / FILE).write_bytes(b"short")
    server.inject(FILE, Fault(headers={"ETag": '"same"'}))
    assert fetch(model(describe(b"short")), root, policy=QUICK).read_bytes() == b"short"
    assert server.statuses(FILE) == [200, 404, 416, 200]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_continued(server, root, etag):
    server.inject(FILE, Fault(drop_after=HALF, headers={"ETag": etag}))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert "range" not in server.requests[1].headers


def test_the_date_of_change_is_a_validator_too(server, root):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.inject(FILE, Fault(drop_after=HALF, headers={"ETag": "", "Last-Modified": date}))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert server.requests[1].headers["if-range"] == date


def test_a_part_from_another_address_is_not_continued(server, root, tmp_path, monkeypatch):
    server.inject(FILE, Fault(drop_after=HALF))
    server.inject(FILE, Fault(status=404))
    with pytest.raises(DownloadError):
        fetch(model(), root, policy=QUICK)
    with FileServer(tmp_path / "www") as mirror:
        monkeypatch.setenv("GIGAAM_MIRROR", mirror.url)
        assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
        assert "range" not in mirror.requests[0].headers


def test_a_complete_part_is_only_verified(server, root):
    fetch(model(), root)
    etag = '"any"'
    (root / FILE).rename(part(root))
    notes = {"url": f"{server.url}/{FILE}", "validator": etag, "total": str(len(CONTENT))}
    (root / f"{FILE}.part.json").write_text(json.dumps(notes))
    assert fetch(model(), root).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_silent_server_is_asked_again(server, root):
    server.inject(FILE, Fault(chunk_delay_s=5))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried(server, root, status, caplog):
    server.inject(FILE, Fault(status=status))
    assert fetch(model(), root, policy=QUICK).read_bytes() == CONTENT
    assert f"{status}" in caplog.text


def test_retry_after_is_honoured_within_bounds(server, root):
    policy = RetryPolicy(first_wait_s=30, longest_wait_s=0.3)
    server.inject(FILE, Fault(status=429, headers={"Retry-After": "0"}))
    server.inject(FILE, Fault(status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    server.inject(FILE, Fault(status=503, headers={"Retry-After": "3600"}))
    before = time.monotonic()
    fetch(model(), root, policy=policy)
    assert 0.3 <= time.monotonic() - before < 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_lasting_refusal_is_not_retried(server, root, status):
    server.inject(FILE, Fault(status=status))
    with pytest.raises(DownloadError, match=f"{status}"):
        fetch(model(), root)
    assert len(server.requests) == 1


def test_redirects_are_followed_but_only_to_http(server, root):
    server.inject(FILE, Fault(status=302, headers={"Location": f"/{FILE}"}))
    assert fetch(model(), root).read_bytes() == CONTENT
    (root / FILE).unlink()
    server.inject(FILE, Fault(status=302, headers={"Location": "file:///etc/hostname"}))
    with pytest.raises(DownloadError, match="Only http and https"):
        fetch(model(), root)


def test_an_interrupt_keeps_the_part_and_never_shows_a_half_file(server, root):
    server.inject(FILE, Fault(chunk_delay_s=0.05))
    process = run_python(FETCH + "fetch(info, root)", root)
    deadline = time.monotonic() + 20
    while not (part(root).exists() and part(root).stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert not (root / FILE).exists()
    kept = part(root).stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch(model(), root).read_bytes() == CONTENT
    assert server.requests[-1].headers["range"] == f"bytes={kept}-"


# Several at once


def test_two_processes_download_once(server, root):
    server.inject(FILE, Fault(chunk_delay_s=0.01), times=2)
    processes = [run_python(FETCH + "print(fetch(info, root))", root) for _ in range(2)]
    results = [process.communicate(timeout=30) for process in processes]
    assert [out.strip() for out, _ in results] == [str(root / FILE)] * 2, results
    assert server.statuses(FILE) == [200]


def test_threads_download_once(server, root):
    server.inject(FILE, Fault(chunk_delay_s=0.005), times=8)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(model(), root))) for _ in "12345"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [root / FILE] * 5
    assert server.statuses(FILE) == [200]


# What the machine lacks


def test_offline_means_no_request(server, root, monkeypatch):
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    with pytest.raises(OfflineError, match="GIGAAM_OFFLINE is set"):
        fetch(model(), root)
    assert server.requests == []
    assert not root.exists()
    root.mkdir(parents=True)
    (root / FILE).write_bytes(CONTENT)
    assert fetch(model(), root) == root / FILE


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False), ("No", False)]
)
def test_what_switches_the_network_off(monkeypatch, value, offline):
    monkeypatch.setenv("GIGAAM_OFFLINE", value)
    assert is_offline() == offline


def test_no_network_is_said_in_the_systems_words(server, root, monkeypatch):
    monkeypatch.setenv("GIGAAM_MIRROR", "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match=r"refused.*Check the network.*GIGAAM_MIRROR"):
        fetch(model(), root, policy=QUICK)


def test_a_proxy_of_the_environment_is_used(server, root, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("GIGAAM_MIRROR", "http://models.invalid")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(DownloadError, match="the proxy cannot be used"):
        fetch(model(), root, policy=QUICK)


def test_too_little_room_is_seen_before_the_body(server, root, monkeypatch):
    usage = type("Usage", (), {"free": len(CONTENT) - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match="Make room"):
        fetch(model(), root)
    assert not (root / FILE).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_up_keeps_the_part(server, root):
    code = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        fetch(info, root)
    except DownloadError as error:
        print(error)
    """
    process = run_python(FETCH + textwrap.dedent(code), root)
    output, errors = process.communicate(timeout=20)
    assert "Make room and run this again" in output, errors
    assert 0 < part(root).stat().st_size <= 300_000
    assert fetch(model(), root).read_bytes() == CONTENT
    assert server.statuses(FILE) == [200, 206]


@pytest.mark.skipif(sys.platform == "win32", reason="needs permission bits")
@pytest.mark.parametrize("marked", [True, False])
def test_a_read_only_cache_works(server, root, marked):
    fetch(model(), root)
    (root / f"{FILE}.lock").unlink()
    if not marked:
        (root / f"{FILE}.verified").unlink()
    before = sorted(root.iterdir())
    # From inside the directory, and as nobody: root may write anywhere, and tmp_path is private.
    code = """
    import os
    os.chdir(root)
    import requests, gigaam.store.transfer
    if os.getuid() == 0:
        os.setuid(65534)
    print(fetch(info, Path(".")))
    os.environ["GIGAAM_MIRROR"] = "http://127.0.0.1:1"
    other = ModelInfo(name="other", line="v3", task="ctc", file=file)
    try:
        fetch(other, Path("."))
    except DownloadError as error:
        print(error)
    """
    root.chmod(0o555)
    try:
        process = run_python(FETCH + textwrap.dedent(code), root)
        output, errors = process.communicate(timeout=20)
    finally:
        root.chmod(0o755)
    assert output.splitlines()[0] == FILE, errors
    assert "Cannot write to the cache directory .: no permission" in output.splitlines()[1]
    assert sorted(root.iterdir()) == before


def test_a_cache_that_cannot_be_made_is_an_error_with_advice(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="download_root"):
        fetch(model(), tmp_path / "file" / "cache")


# What is seen


def test_progress_is_drawn_on_stderr_only_when_wanted(server, root, capfd):
    fetch(model(), root)
    assert capfd.readouterr() == ("", "")
    (root / FILE).unlink()
    fetch(model(), root, progress=True)
    output, errors = capfd.readouterr()
    assert output == ""
    assert FILE in errors


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_drawn_on_a_terminal_and_results_stay_on_stdout(server, root):
    server.inject(FILE, Fault(chunk_delay_s=0.005))
    code = """
    import threading, time

    def print_meanwhile():
        while not (root / "net.ckpt.part").exists():
            time.sleep(0.01)
        print("meanwhile")

    thread = threading.Thread(target=print_meanwhile)
    thread.start()
    print(fetch(info, root))
    thread.join()
    """
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH + textwrap.dedent(code), str(root)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    output, _ = process.communicate(timeout=20)
    os.close(terminal)
    drawn = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while block := os.read(controller, 65_536):
            drawn += block
    os.close(controller)
    assert output.split() == ["meanwhile", str(root / FILE)]
    assert FILE.encode() in drawn


def test_neither_torch_nor_the_http_client_is_loaded_for_a_cached_model(server, root):
    fetch(model(), root)
    code = FETCH + "fetch(info, root); print({'torch', 'requests', 'rich'} & set(sys.modules))"
    output, errors = run_python(code, root).communicate(timeout=20)
    assert output.strip() == "set()", errors
    process = run_python("import sys, gigaam.store.transfer; print('torch' in sys.modules)")
    assert process.communicate(timeout=20)[0].strip() == "False"


# Logins, malformed addresses, planted links


@pytest.fixture
def mirror_with_login(server, monkeypatch):
    monkeypatch.setenv("GIGAAM_MIRROR", server.url.replace("//", "//reader:s%2Fecret@"))
    return server


def told(root: Path, caplog: pytest.LogCaptureFixture, error: BaseException | None = None) -> str:
    """All that a download leaves behind in words."""
    notes = "".join(path.read_text() for path in root.glob("*.json"))
    trace = "".join(traceback.format_exception(error)) if error else ""
    return notes + trace + "\n".join(record.getMessage() for record in caplog.records)


def test_a_mirrors_login_is_used_and_told_to_nobody(mirror_with_login, root, caplog):
    caplog.set_level("DEBUG")
    mirror_with_login.inject(FILE, Fault(drop_after=HALF))
    mirror_with_login.inject(FILE, Fault(status=503))
    with pytest.raises(DownloadError) as caught:
        fetch(model(), root, policy=RetryPolicy(attempts=1, first_wait_s=0.01))
    words = told(root, caplog, caught.value)
    assert "127.0.0.1" in words
    assert "ecret" not in words
    assert fetch(model(), root).read_bytes() == CONTENT
    expected = "Basic " + base64.b64encode(b"reader:s/ecret").decode()
    assert {r.headers["authorization"] for r in mirror_with_login.requests} == {expected}
    assert mirror_with_login.statuses(FILE)[-1] == 206  # what had arrived was kept


def test_a_login_does_not_follow_to_another_host(mirror_with_login, root):
    port = mirror_with_login.url.rpartition(":")[2]
    elsewhere = {"Location": f"http://localhost:{port}/{FILE}"}
    mirror_with_login.inject(FILE, Fault(status=302, headers=elsewhere))
    assert fetch(model(), root).read_bytes() == CONTENT
    assert "authorization" not in mirror_with_login.requests[-1].headers


@pytest.mark.parametrize("status", [404, 407, 200])
def test_refusals_tell_no_login(mirror_with_login, root, caplog, status):
    fault = Fault(status=status) if status != 200 else Fault(change_body=lambda body: body[::-1])
    mirror_with_login.inject(FILE, fault)
    with pytest.raises(DownloadError) as caught:
        fetch(model(), root)
    assert "ecret" not in told(root, caplog, caught.value)


def test_offline_tells_no_login(mirror_with_login, root, monkeypatch):
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"127\.0\.0\.1") as caught:
        fetch(model(), root)
    assert "ecret" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1",
        "http://:80:80/x",
        "http://host:99999999/x",
        "http://exa mple/x",
        "http://.../x",
        "http://" + "a" * 300 + "/x",
        "http://reader:secret@[bad/x",
        "http://xn--/x",
        "//[/x",
        "gopher://x/y",
        "javascript:alert(1)",
        "http://\u0661\u0662/x",
        "%",
    ],
)
def test_a_malformed_redirect_is_an_error_of_ours(server, root, caplog, location):
    header = location.encode().decode("latin-1")
    server.inject(FILE, Fault(status=302, headers={"Location": header}), times=9)
    with pytest.raises(DownloadError) as caught:
        fetch(model(), root, policy=RetryPolicy(attempts=1, first_wait_s=0.01))
    assert "secret" not in told(root, caplog, caught.value)


@pytest.mark.parametrize(
    "mirror",
    [
        "http://[::1",
        "http://",
        "https://",
        "http://h:port",
        "http://h:999999",
        "http://user:sec/ret@127.0.0.1:1",
        "http://user:sec#ret@127.0.0.1:1",
        "http://user:sec ret@127.0.0.1:1",
        "user:secret@host/path",
        "http://us\u200ber:secret@..",
        "mirror.example",
    ],
)
def test_a_malformed_mirror_is_an_error_of_ours(server, root, monkeypatch, caplog, mirror):
    monkeypatch.setenv("GIGAAM_MIRROR", mirror)
    with pytest.raises(DownloadError) as caught:
        fetch(model(), root, policy=RetryPolicy(attempts=1, first_wait_s=0.01))
    words = told(root, caplog, caught.value)
    assert "sec" not in words.partition("Traceback")[0].replace("second", "")
    assert "ret@" not in words


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:secret@[bad",
        "http://user:secret@127.0.0.1:9",
        "http://user:secret@",
        "http://user:secret@h:port",
        "nonsense://user:secret@h",
        "http://user:sec/secret@h",
    ],
)
def test_a_proxy_that_cannot_be_used_tells_no_login(server, root, monkeypatch, caplog, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DownloadError) as caught:
        fetch(model(), root, policy=RetryPolicy(attempts=1, first_wait_s=0.01))
    assert "secret" not in told(root, caplog, caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "9" * 5000},
        {"Content-Length": "²"},
        {"Content-Length": "-5"},
        {"Retry-After": "²"},
        {"Retry-After": "9" * 400},
        {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"},
    ],
)
def test_headers_without_sense_are_no_errors_of_others(server, root, headers):
    status = 503 if "Retry-After" in headers else None
    server.inject(FILE, Fault(status=status, headers=headers))
    with contextlib.suppress(DownloadError):
        fetch(model(), root, policy=QUICK)


def test_links_planted_in_the_cache_are_not_followed(server, root, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(CONTENT[:HALF])
    root.mkdir(parents=True)
    planted = (".part", ".part.json", ".lock", f".verified.{os.getpid()}.tmp")
    for suffix in planted:
        (root / (FILE + suffix)).symlink_to(precious)
    fetch(model(), root)
    assert precious.read_bytes() == CONTENT[:HALF]
    assert (root / FILE).read_bytes() == CONTENT
    assert not (root / FILE).is_symlink()
    assert 206 not in server.statuses(FILE)


def test_a_pipe_in_place_of_a_part_is_replaced(server, root):
    root.mkdir(parents=True)
    os.mkfifo(part(root))
    assert fetch(model(), root).read_bytes() == CONTENT
