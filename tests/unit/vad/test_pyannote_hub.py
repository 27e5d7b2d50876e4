"""Fetching a segmentation model from a Hugging Face that refuses, lacks, hangs or gives it.

The hub's client reads its address once, when it is imported: each hub is a process of its own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gigaam.errors import CheckpointError
from gigaam.vad.pyannote_hub import segmentation_file
from tests.http_server import Fault, FileServer

pytestmark = pytest.mark.skipif(
    find_spec("huggingface_hub") is None, reason="needs huggingface_hub"
)

CONTENT = b"weights"
REVISION = "0123456789abcdef0123456789abcdef01234567"
CLIENT = """
import json, sys
from gigaam.errors import GigaAMError
from gigaam.vad.pyannote_hub import segmentation_file

outcomes = []
for name in json.loads(sys.argv[1]):
    try:
        outcomes.append(["file", segmentation_file(name).read_bytes().decode()])
    except GigaAMError as error:
        outcomes.append([type(error).__name__, str(error)])
print(json.dumps(outcomes))
"""


class Hub:
    """A hub on 127.0.0.1: ``statuses`` says what a repository answers, 0 is never."""

    def __init__(self, server: FileServer, home: Path) -> None:
        self.server = server
        self.statuses: dict[str, int] = {}
        self._home = home
        server.fault = self._fault

    def ask(self, *names: str | None, **environment: str) -> list[tuple[str, str]]:
        """What ``segmentation_file`` says to each of these names."""
        settings = {
            "HF_ENDPOINT": self.server.url,
            "HF_HOME": str(self._home),
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": "hf_token",
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CLIENT, json.dumps(names)],
            env={**os.environ, **settings, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return [(kind, text) for kind, text in json.loads(done.stdout)]

    def _fault(self, path: str, headers: dict[str, str]) -> Fault:
        repository = "/".join(path.split("/")[1:3])
        status = self.statuses.get(repository, 200)
        if not status:
            self.server.closing.wait(60)
        if status != 200:
            return Fault(status=status or 503)
        return Fault(headers={"X-Repo-Commit": REVISION})


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    for repository in ("pyannote/segmentation-3.0", "pyannote/segmentation", "acme/model"):
        folder = tmp_path / "hub" / repository / "resolve" / "main"
        folder.mkdir(parents=True)
        (folder / "pytorch_model.bin").write_bytes(CONTENT)
    with FileServer(tmp_path / "hub") as server:
        yield Hub(server, tmp_path / "home")


def test_refusals_say_what_to_do(hub: Hub) -> None:
    hub.statuses = {
        "pyannote/segmentation-3.0": 403,
        "pyannote/segmentation": 401,
        "acme/none": 404,
        "acme/broken": 500,
    }
    default, missing, broken = hub.ask(None, "acme/none", "acme/broken")
    assert default[0] == missing[0] == broken[0] == "DownloadError"
    assert "segmentation-3.0 answered 403, pyannote/segmentation answered 401" in default[1]
    assert "https://huggingface.co/pyannote/segmentation-3.0" in default[1]
    assert "https://huggingface.co/settings/tokens" in default[1]
    assert "acme/none answered 404" in missing[1]
    assert "check the name" in missing[1]
    assert "answered 500" in broken[1]

    [without_token] = hub.ask(None, HF_TOKEN="")
    assert "make a token" in without_token[1]


def test_a_hub_that_never_answers_is_given_up_on_at_once(hub: Hub) -> None:
    hub.statuses = {"pyannote/segmentation-3.0": 0, "pyannote/segmentation": 0}
    started = time.monotonic()
    [(kind, text)] = hub.ask(None)
    assert time.monotonic() - started < 20
    assert kind == "DownloadError"
    assert "Check the connection" in text
    assert "segmentation-3.0" in text
    assert not [each for each in hub.server.requests if "/segmentation/" in each.path]


def test_no_network_is_a_download_error(hub: Hub) -> None:
    [(kind, text)] = hub.ask(None, HF_ENDPOINT="http://127.0.0.1:9")
    assert kind == "DownloadError"
    assert "Check the connection" in text


def test_second_model_is_taken_where_the_first_is_refused_then_from_the_cache(hub: Hub) -> None:
    hub.statuses = {"pyannote/segmentation-3.0": 403}
    assert hub.ask(None, "acme/model") == [("file", CONTENT.decode())] * 2
    asked = [each for each in hub.server.requests if "/resolve/" in each.path]
    assert asked
    assert all(each.headers["authorization"] == "Bearer hf_token" for each in asked)

    hub.server.requests.clear()
    assert hub.ask(None, "acme/model", HF_TOKEN="") == [("file", CONTENT.decode())] * 2
    assert hub.server.requests == []


def test_offline_asks_nobody(hub: Hub) -> None:
    [(kind, text)] = hub.ask(None, GIGAAM_OFFLINE="1")
    assert kind == "OfflineError"
    assert "GIGAAM_OFFLINE" in text
    [(kind, text)] = hub.ask(None, HF_HUB_OFFLINE="1")
    assert kind == "DownloadError"
    assert hub.server.requests == []


def test_local_files_and_directories_need_no_hub(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    file.write_bytes(CONTENT)
    assert segmentation_file(file) == segmentation_file(str(tmp_path)) == file


@pytest.mark.parametrize("name", ["model.bin", "/no/such/file.bin", "a/b/c", "../x", "", "a b/c"])
def test_neither_file_nor_repository(name: str) -> None:
    with pytest.raises(CheckpointError, match=r"neither|no name"):
        segmentation_file(name)
