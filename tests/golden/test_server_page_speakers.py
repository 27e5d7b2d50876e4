"""Speakers on the web page in Chromium, with real nets."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import gigaam
from gigaam.speakers.graphs import VARIABLE
from tests.browser import needs_chromium, opened, wait_for_state, words_of
from tests.recognition_server import server_process
from tests.waves import write_wav

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.mark.parametrize(
    ("locale", "summary", "done", "names"),
    [
        ("en-US", "Names, terms, speakers", "Done.", ["Speaker 1", "Speaker 2"]),
        ("ru-RU", "Имена, термины, говорящие", "Готово.", ["Говорящий 1", "Говорящий 2"]),
    ],
)
def test_speakers_have_names_and_colours(
    speaker_nets: Path,
    example: Path,
    tmp_path: Path,
    locale: str,
    summary: str,
    done: str,
    names: list[str],
) -> None:
    high = gigaam.load_audio(example).numpy()
    low = np.interp(np.arange(0, len(high) - 1, 0.72), np.arange(len(high)), high)
    path = write_wav(tmp_path / "two.wav", np.concatenate([high, np.zeros(8_000), low]))
    environment = {VARIABLE: str(speaker_nets)}
    options = ["--jobs-dir", str(tmp_path / "jobs")]
    with (
        server_process(tmp_path / "log", *options, **environment) as server,
        opened(server.url, locale=locale) as page,
    ):
        page.locator("#more-title", has_text=summary).click()
        page.locator("#speakers").select_option("2")
        page.set_input_files("#file", path)
        wait_for_state(page, done)
        assert words_of(page)
        told = page.locator("#transcript b").all_inner_texts()
        assert set(told) == set(names)
        assert all(before != after for before, after in pairwise(told))
        assert names[0] in page.locator("#aloud").inner_text()
        colours = page.evaluate(
            "[...document.querySelectorAll('.segment')].map((each) => "
            "getComputedStyle(each.lastElementChild).borderLeftColor)"
        )
        assert len(set(colours)) == 2
        page.locator("#language").click()
        assert set(page.locator("#transcript b").all_inner_texts()).isdisjoint(names)
        with page.expect_download() as saving:
            page.locator("#downloads button", has_text="txt").click()
        assert "[SPEAKER_01] " in saving.value.path().read_text(encoding="utf-8")


def test_a_server_without_speakers_offers_none(tmp_path: Path) -> None:
    options = ["--jobs-dir", str(tmp_path / "jobs"), "--no-speakers"]
    with (
        server_process(tmp_path / "log", *options) as server,
        opened(server.url, locale="en-US") as page,
    ):
        page.locator("#more-title", has_text="Names, terms").click()
        page.locator("#hotwords").wait_for()
        assert page.locator("#speakers").is_hidden()
