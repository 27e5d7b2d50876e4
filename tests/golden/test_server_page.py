"""The web page in Chromium, as a person uses it: with a file, and with a microphone."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import gigaam
from gigaam.live import Final
from tests.browser import needs_chromium, opened, said_into, wait_for_state, words_of
from tests.recognition_server import ServerProcess, server_process
from tests.waves import write_wav

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("page")
    options = ["--jobs-dir", str(folder / "jobs")]
    with server_process(folder / "log", *options) as server:
        yield server


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    return said_into(example, tmp_path_factory.mktemp("microphone") / "said.wav")


@pytest.fixture
def page(server: ServerProcess, microphone: Path, request: Any) -> Iterator[Page]:
    look = getattr(request, "param", {"locale": "en-US"})
    with opened(server.url, said=microphone, refusals=[400], **look) as page:
        yield page


def downloaded(page: Page, format: str) -> tuple[str, str]:
    """The name and the text of what a button saves."""
    with page.expect_download() as saving:
        page.get_by_role("button", name=f"Save as {format}").click()
    return saving.value.suggested_filename, saving.value.path().read_text(encoding="utf-8")


def test_a_file(
    page: Page, example: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    page.set_input_files("#file", example)
    wait_for_state(page, "Done.")
    result = packaged_model.transcribe(example, word_timestamps=True)
    assert words_of(page) == [word.text for word in result.words or ()]
    for format in ("txt", "srt", "vtt"):
        expected = result.save(tmp_path / f"it.{format}").read_text(encoding="utf-8")
        assert downloaded(page, format) == (f"example.{format}", expected)
    name, text = downloaded(page, "json")
    assert (name, json.loads(text)["text"]) == ("example.json", result.text)

    fifth = (result.words or [])[4]
    page.locator("#transcript .word").nth(4).click()
    at = page.evaluate("document.getElementById('player').currentTime")
    assert fifth.start - 0.1 <= at <= fifth.end + 2
    page.evaluate("document.getElementById('player').pause()")
    doubtful = page.locator(".word.doubtful").count()
    assert doubtful == sum(word.confidence < 0.8 for word in result.words or ())
    assert "% sure" in (page.locator(".word").first.get_attribute("title") or "")


def test_a_long_file_appears_as_it_is_recognised_and_can_be_cancelled(
    page: Page, example: Path, tmp_path: Path
) -> None:
    samples = np.tile(gigaam.load_audio(example).numpy(), 500)  # an hour
    page.set_input_files("#file", write_wav(tmp_path / "long.wav", samples))
    page.locator("#transcript .word").first.wait_for(timeout=60_000)
    assert page.locator("#progress").is_visible()
    page.get_by_role("button", name="Cancel").click()
    wait_for_state(page, "Cancelled.")
    assert words_of(page)


def test_no_recording(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"no sound at all" * 100)
    page.set_input_files("#file", path)
    page.locator(".message.error", has_text="cannot be decoded").wait_for(timeout=30_000)


def test_the_microphone(page: Page, example_text: str, packaged_model: gigaam.GigaAMASR) -> None:
    sent: list[bytes] = []
    addresses: list[str] = []

    def watch(socket: WebSocket) -> None:
        addresses.append(socket.url)
        socket.on("framesent", lambda frame: sent.append(frame) if type(frame) is bytes else None)

    page.on("websocket", watch)
    page.get_by_role("button", name="Speak").click()
    page.locator(".tentative").first.wait_for(timeout=30_000)  # while it plays
    page.locator("#transcript .word").first.wait_for(timeout=30_000)
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "Done.")
    rate = int(parse_qs(urlsplit(addresses[0]).query)["rate"][0])
    live = packaged_model.live(rate)
    events = [*live.push(b"".join(sent)), *live.finish()]
    finals = [event.segment.text for event in events if isinstance(event, Final)]
    assert words_of(page) == " ".join(finals).split()
    letters = SequenceMatcher(None, "".join(words_of(page)), plain(example_text), autojunk=False)
    assert letters.ratio() > 0.6  # it is what was said, as far as the capture has it
    assert downloaded(page, "txt")[1].split() == words_of(page)
    assert "-->" in downloaded(page, "srt")[1]


def plain(text: str) -> str:
    """Its letters alone."""
    return "".join(filter(str.isalpha, text.lower()))


def test_words_by_the_keyboard(page: Page, example: Path, packaged_model: gigaam.GigaAMASR) -> None:
    page.set_input_files("#file", example)
    wait_for_state(page, "Done.")
    words = packaged_model.transcribe(example, word_timestamps=True).words or ()
    page.locator("#player").focus()
    while page.evaluate("!document.activeElement.closest('#transcript')"):
        page.keyboard.press("Tab")
    for _ in range(3):  # from the time of the first segment
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == words[2].text
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").endswith("% sure")
    page.keyboard.press("Enter")
    page.evaluate("document.getElementById('player').pause()")
    at = page.evaluate("document.getElementById('player').currentTime")
    assert words[2].start - 0.1 <= at <= words[2].end + 2
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.format") == "txt"


def test_several_files(page: Page, example: Path) -> None:
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            const sound = Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0));
            for (const name of ["one.wav", "two.wav"]) data.items.add(new File([sound], name));
            const dropped = new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.getElementById("drop").dispatchEvent(dropped);
        }""",
        b64encode(example.read_bytes()).decode(),
    )
    page.locator(".message.warning", has_text="this is one.wav").wait_for()
    assert page.locator("#result-title").inner_text() == "one.wav"
    wait_for_state(page, "Done.")


LOOKS = [
    {"locale": "ru-RU", "color_scheme": "dark", "viewport": {"width": 1100, "height": 900}},
    {"locale": "ru-RU", "color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    {"locale": "en-US", "color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
]


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_looks(page: Page, example: Path, tmp_path: Path) -> None:
    page.set_input_files("#file", example)
    page.locator("#downloads button").first.wait_for(timeout=60_000)
    page.locator("#more summary").click()
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
    is_russian = page.evaluate("document.documentElement.lang") == "ru"
    assert is_russian == (page.evaluate("navigator.language") == "ru-RU")
    page.locator("#language").click()
    assert (page.evaluate("document.documentElement.lang") == "ru") != is_russian
    before = page.evaluate("document.documentElement.dataset.theme")
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") != before


def test_the_keyboard_reaches_everything(page: Page) -> None:
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert reached[:6] == ["A", "language", "theme", "choose", "speak", "more-title"]
