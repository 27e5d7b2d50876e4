"""The web page where something is amiss: keys, proxies, microphones, servers that are gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from websockets.sync.client import connect

import gigaam
from tests.browser import needs_chromium, opened, said_into, wait_for_state, words_of
from tests.prefix_proxy import PrefixProxy, prefix_proxy
from tests.recognition_server import ServerProcess, server_process
from tests.waves import write_wav

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, needs_chromium]

KEY = "ключ-to-the-page".encode().hex()
ENGLISH = {"locale": "en-US"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """A server behind /speech, which has two models and one place for live speech."""
    models = ["--model", "tiny_ctc", "--model", "tiny_rnnt"]
    limits = ["--max-live", "1", "--root-path", "/speech", "--jobs-dir", str(folder / "jobs")]
    with server_process(folder / "log", *models, *limits) as server:
        yield server


@pytest.fixture(scope="module")
def said(folder: Path, example: Path) -> Path:
    return said_into(example, folder / "said.wav")


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[PrefixProxy]:
    with prefix_proxy("/speech", int(server.url.rsplit(":", 1)[1])) as proxy:
        yield proxy


def message(page: Page, text: str) -> None:
    page.locator("#messages .message", has_text=text).first.wait_for(timeout=60_000)


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[ServerProcess]:
    """A server that wants a key."""
    options = ["--jobs-dir", str(folder / "keys")]
    with server_process(folder / "keys.log", *options, GIGAAM_SERVE_API_KEY=KEY) as server:
        yield server


def test_a_key(guarded: ServerProcess, example: Path, said: Path) -> None:
    with opened(guarded.url, said=said, refusals=[401], **ENGLISH) as page:
        posted: list[str] = []
        page.on("request", lambda sent: posted.append(sent.url) if sent.method == "POST" else None)
        page.locator("#key").wait_for()
        page.set_input_files("#file", example)
        page.locator("#key").fill("wrong")
        page.keyboard.press("Enter")
        message(page, "does not know this key")
        page.locator("#key").fill(KEY)
        page.keyboard.press("Enter")
        wait_for_state(page, "Done.")  # the file need not be chosen again
        assert words_of(page)
        assert len(posted) == 2  # not with the wrong key
        assert page.locator("#key").is_hidden()
        page.get_by_role("button", name="Speak").click()
        wait_for_state(page, "Listening.")
        page.get_by_role("button", name="Stop").click()
        kept = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage)]")
        assert KEY in kept[0]
        assert KEY not in kept[1]


def test_behind_a_path_with_another_model_and_terms(
    proxy: PrefixProxy, example: Path, said: Path, packaged_transducer: gigaam.GigaAMASR
) -> None:
    with opened(proxy.url, said=said, **ENGLISH) as page:
        addresses: list[str] = []
        page.on("websocket", lambda socket: addresses.append(socket.url))
        page.locator("#more-title", has_text="Names, terms, model").click()
        page.locator("#hotwords").fill("  Плевать\n\nвойн ")
        page.locator("#model").select_option("tiny_rnnt")
        page.set_input_files("#file", example)
        wait_for_state(page, "Done.")
        expected = packaged_transducer.transcribe(example, hotwords=["Плевать", "войн"])
        assert words_of(page) == expected.text.split()
        page.get_by_role("button", name="Speak").click()
        wait_for_state(page, "Listening.")
        page.get_by_role("button", name="Stop").click()
        page.locator("#speak").wait_for()
    assert proxy.asked.count(b'name="keywords[]"') == 2
    assert addresses[0].count("hotword=") == 2
    assert "model=tiny_rnnt" in addresses[0]


def test_a_connection_that_breaks_while_a_file_is_recognised(
    proxy: PrefixProxy, example: Path, tmp_path: Path
) -> None:
    samples = np.tile(gigaam.load_audio(example).numpy(), 60)  # seven minutes
    with opened(proxy.url, refusals=[0], **ENGLISH) as page:
        page.set_input_files("#file", write_wav(tmp_path / "long.wav", samples))
        page.locator("#transcript .word").first.wait_for(timeout=60_000)
        proxy.break_connections()
        wait_for_state(page, "Done.")
        shown = page.locator(".segment > span").all_inner_texts()
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save as json").click()
        saved = json.loads(saving.value.path().read_text(encoding="utf-8"))
    assert b"last-event-id: " in proxy.asked.lower()  # it was broken in the middle
    assert [text.strip() for text in shown] == [each["text"] for each in saved["segments"]]


def test_a_connection_that_breaks_while_somebody_speaks(proxy: PrefixProxy, said: Path) -> None:
    with opened(proxy.url, said=said, refusals=[0], **ENGLISH) as page:
        page.get_by_role("button", name="Speak").click()
        page.locator("#transcript .segment").first.wait_for(timeout=60_000)
        proxy.break_connections(for_good=True)
        message(page, "text may be missing")
        there = page.locator("#transcript").inner_text().split("\n")[-1]
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save as txt").click()
        assert saving.value.path().read_text(encoding="utf-8").strip() == there.strip()
        page.get_by_role("button", name="Speak").click()
        message(page, "The server does not answer.")


def test_no_place_for_live_speech(server: ServerProcess, proxy: PrefixProxy, said: Path) -> None:
    with connect(server.url.replace("http", "ws") + "/v1/live") as other:
        other.send(b"\0\0" * 16_000)
        other.recv()
        with opened(proxy.url, said=said, **ENGLISH) as page:
            page.get_by_role("button", name="Speak").click()
            message(page, "The server says:")
            assert page.locator("#speak").is_visible()


def test_stopped_before_it_began(proxy: PrefixProxy, said: Path) -> None:
    with opened(proxy.url, said=said, **ENGLISH) as page:
        sockets: list[object] = []
        page.on("websocket", lambda socket: sockets.append(socket))
        page.evaluate("for (const id of ['speak', 'stop']) document.getElementById(id).click()")
        wait_for_state(page, "Stopped.")
        page.wait_for_timeout(500)
        assert (sockets, page.locator("#speak").is_visible()) == ([], True)


NO_SOUND = {
    "There is no microphone.": [],
    "was not allowed": ["--use-fake-device-for-media-stream", "--deny-permission-prompts"],
}


@pytest.mark.parametrize("text", NO_SOUND)
def test_no_microphone(proxy: PrefixProxy, text: str) -> None:
    with opened(proxy.url, arguments=NO_SOUND[text], **ENGLISH) as page:
        page.get_by_role("button", name="Speak").click()
        message(page, text)
        assert page.locator("#speak").is_visible()
        page.locator("#language").click()  # what was said is said again
        assert text not in page.locator("#messages").inner_text()


NAMED = ["--host-resolver-rules=MAP gigaam.test 127.0.0.1"]


def test_no_microphone_without_https(guarded: ServerProcess) -> None:
    url = guarded.url.replace("127.0.0.1", "gigaam.test")
    with opened(url, arguments=NAMED, refusals=[401], **ENGLISH) as page:
        page.locator("#key").fill(KEY)
        page.keyboard.press("Enter")
        page.locator("#key").wait_for(state="hidden")
        page.get_by_role("button", name="Speak").click()
        message(page, "only to pages under https")


def test_a_domain_name_that_the_server_does_not_know(proxy: PrefixProxy, example: Path) -> None:
    url = proxy.url.replace("127.0.0.1", "gigaam.test")
    with opened(url, arguments=NAMED, refusals=[403], **ENGLISH) as page:
        page.set_input_files("#file", example)
        message(page, "see --allow-origin")
        page.wait_for_timeout(2500)
        assert not page.locator("#unscripted").is_visible()


def test_a_server_without_jobs(folder: Path, example: Path) -> None:
    with (
        server_process(folder / "plain.log", "--no-jobs") as server,
        opened(server.url, refusals=[404], **ENGLISH) as page,
    ):
        page.set_input_files("#file", example)
        message(page, "takes no files")
