"""The picture of who speaks when, and names that a reader gives, in Chromium with real nets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gigaam
from gigaam.speakers.graphs import VARIABLE
from tests.browser import needs_chromium, opened, wait_for_state
from tests.recognition_server import ServerProcess, server_process
from tests.waves import write_wav

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, needs_chromium]

ENGLISH = {"locale": "en-US"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, speaker_nets: Path) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("page")
    options = ["--jobs-dir", str(folder / "jobs")]
    with server_process(folder / "log", *options, **{VARIABLE: str(speaker_nets)}) as server:
        yield server


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """The packaged recording and a far lower voice, in five turns."""
    high = gigaam.load_audio(example).numpy()
    low = np.interp(np.arange(0, len(high) - 1, 0.72), np.arange(len(high)), high)
    pause = np.zeros(8_000)
    turns = [high, pause, low, pause, high, pause, low, pause, high]
    return write_wav(tmp_path_factory.mktemp("dialogue") / "dialogue.wav", np.concatenate(turns))


def show(page: Page, dialogue: Path, done: str = "Done.") -> None:
    """Have the page tell the speakers of the dialogue apart."""
    page.locator("#more-title").click()
    page.locator("#speakers").select_option("2")
    page.set_input_files("#file", dialogue)
    wait_for_state(page, done)


@pytest.fixture
def page(server: ServerProcess, dialogue: Path) -> Iterator[Page]:
    with opened(server.url, **ENGLISH) as page:
        show(page, dialogue)
        yield page


def downloaded(page: Page, format: str) -> str:
    with page.expect_download() as saving:
        page.get_by_role("button", name=f"Save as {format}").click()
    return str(saving.value.path().read_text(encoding="utf-8"))


def heard_at(page: Page) -> float:
    page.evaluate("document.getElementById('player').pause()")
    return float(page.evaluate("document.getElementById('player').currentTime"))


def spans(page: Page, row: int) -> list[tuple[float, float]]:
    """Start and end of the turns of a row, in seconds."""
    marks = page.locator(".of-one").nth(row).locator(".turn")
    told = marks.evaluate_all("(marks) => marks.map((each) => ({...each.dataset}))")
    return [(float(each["start"]), float(each["end"])) for each in told]


def test_turns_are_where_they_are_heard(page: Page, dialogue: Path) -> None:
    length_s = len(gigaam.load_audio(dialogue)) / 16_000
    assert [len(spans(page, row)) for row in (0, 1)] == [3, 2]
    ends = page.locator("#turns-scale span").all_inner_texts()
    assert (ends[0], ends[-1]) == ("0:00", f"0:{int(length_s)}")
    for row in (0, 1):
        band = page.locator(".of-one .band").nth(row).bounding_box()
        assert band is not None
        for n, (start, end) in enumerate(spans(page, row)):
            mark = page.locator(".of-one").nth(row).locator(".turn").nth(n).bounding_box()
            assert mark is not None
            assert (mark["x"] - band["x"]) / band["width"] == pytest.approx(
                start / length_s, abs=0.01
            )
            assert mark["width"] / band["width"] == pytest.approx(
                (end - start) / length_s, abs=0.02
            )
    shares = page.locator(".of-one .share").all_inner_texts()
    parts = [int(each.split("· ")[1].split()[0]) for each in shares]
    assert sum(parts) in (99, 100, 101)
    assert parts[0] > parts[1]


def test_a_turn_is_pressed(page: Page) -> None:
    start, end = spans(page, 1)[1]
    page.locator(".of-one").nth(1).locator(".turn").nth(1).click()  # in its middle
    assert heard_at(page) == pytest.approx((start + end) / 2, abs=1.5)
    assert page.locator(".word.now").count() == 1
    head = page.locator(".head").first.get_attribute("x") or ""
    assert 0 < float(head.removesuffix("%")) < 100


def test_turns_by_the_keyboard(page: Page) -> None:
    page.locator(".of-one input").first.focus()
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert re.fullmatch(r"Speaker 1, 0:\d\d – 0:\d\d", first)
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert second.startswith("Speaker 2, ")
    page.keyboard.press("Enter")
    assert heard_at(page) == pytest.approx(spans(page, 1)[0][0], abs=1.5)
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == first
    page.keyboard.press("Tab")  # all turns are one stop
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Name of Speaker 2"


def test_what_screen_readers_are_told(page: Page) -> None:
    told = page.locator("#turns").aria_snapshot()
    assert 'heading "Who speaks when"' in told
    assert 'textbox "Name of Speaker 1": Speaker 1' in told
    assert re.search(r'group "Speaker 2: 0:\d\d · \d+ %"', told)
    assert re.search(r'button "Speaker 2, 0:\d\d – 0:\d\d"', told)
    assert "Names can be changed" in page.locator("#turns-hint").inner_text()


def test_names_are_given(page: Page) -> None:
    first, second = page.locator(".of-one input").all()
    first.fill("  Анна\t<мама> ")
    first.press("Enter")
    second.fill("SPEAKER_00")  # even so
    second.press("Tab")
    assert set(page.locator("#transcript b").all_inner_texts()) == {"Анна <мама>", "SPEAKER_00"}
    assert "Анна <мама>, 0:" in (page.locator(".turn").first.get_attribute("aria-label") or "")
    page.locator("#language").click()
    assert "Анна <мама>" in page.locator("#transcript b").all_inner_texts()
    page.locator("#language").click()
    for format, before, after in (("txt", "[", "] "), ("srt", "[", "] "), ("vtt", "<v ", ">")):
        text = downloaded(page, format)
        anna = "Анна &lt;мама&gt;" if format == "vtt" else "Анна <мама>"
        found = re.findall(re.escape(before) + "(.*?)" + re.escape(after), text)
        assert found[:2] == [anna, "SPEAKER_00"]
        assert set(found) == {anna, "SPEAKER_00"}
    told = json.loads(downloaded(page, "json"))
    assert {each["speaker"] for each in told["segments"]} == {"Анна <мама>", "SPEAKER_00"}
    assert {each["speaker"] for each in told["words"]} == {"Анна <мама>", "SPEAKER_00"}
    first.fill("Ольга")
    first.press("Escape")
    assert first.input_value() == "Анна <мама>"
    first.fill(" ")
    first.press("Enter")
    assert first.input_value() == "Speaker 1"
    assert "[SPEAKER_00] " in downloaded(page, "txt")


def test_another_recording_begins_anew(page: Page, example: Path) -> None:
    page.locator(".of-one input").first.fill("Анна")
    page.locator(".of-one input").first.press("Enter")
    page.locator("#speakers").select_option("")
    page.set_input_files("#file", example)
    page.locator("#result-title", has_text="example.wav").wait_for()
    wait_for_state(page, "Done.")
    assert page.locator("#turns").is_hidden()
    assert "[" not in downloaded(page, "txt")


LOOKS = [
    {"locale": "ru-RU", "color_scheme": "dark", "viewport": {"width": 1100, "height": 900}},
    {"locale": "ru-RU", "color_scheme": "light", "viewport": {"width": 1100, "height": 900}},
    {"locale": "en-US", "color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
    {"locale": "en-US", "color_scheme": "light", "viewport": {"width": 360, "height": 740}},
]


@pytest.mark.parametrize("look", LOOKS)
def test_looks(server: ServerProcess, dialogue: Path, tmp_path: Path, look: Any) -> None:
    with opened(server.url, **look) as page:
        show(page, dialogue, "Done." if look["locale"] == "en-US" else "Готово.")
        page.locator(".of-one input").first.fill("Анна Константинопольская")
        page.locator(".of-one input").first.press("Enter")
        page.locator(".of-one input").first.focus()
        page.keyboard.press("Tab")
        page.screenshot(path=tmp_path / "turns.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        for band in page.locator(".band").all():
            box = band.bounding_box()
            assert box is not None
            assert box["width"] >= 200


def test_speakers_are_offered_once_the_server_is_ready(server: ServerProcess) -> None:
    answers = [
        (503, {"status": "not ready", "reason": "the model is being loaded"}),
        (200, {"status": "ready", "speakers": False}),
        (200, {"status": "ready", "speakers": True}),
    ]

    def answer(route: Any) -> None:
        status, body = answers.pop(0)
        route.fulfill(status=status, json=body)

    with opened(server.url, refusals=[503], **ENGLISH) as page:
        page.locator("#more-title", has_text="speakers").wait_for()
        page.route("**/ready", answer)
        with page.expect_response(
            lambda answer: answer.url.endswith("/ready") and answer.status == 200, timeout=20_000
        ):  # it asks again by itself
            page.reload()
        page.locator("#more-title", has_text=re.compile("^Names, terms$")).wait_for()
        page.locator("#more-title").click()
        page.locator("#speakers").wait_for()
    assert answers == []
