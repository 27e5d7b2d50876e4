"""Chromium on a page of the server; what the page complains of, or asks of others, is an error."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["needs_chromium", "opened", "said_into", "wait_for_state", "words_of"]

CHROMIUM = shutil.which("chromium")
_IS_THERE = CHROMIUM is not None and importlib.util.find_spec("playwright") is not None

needs_chromium = pytest.mark.skipif(
    not _IS_THERE, reason="needs Chromium and `pip install playwright`"
)

_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def said_into(recording: Path, path: Path) -> Path:
    """What Chromium takes for a microphone: a recording at 48 kHz, then silence."""
    silence = ["-af", "apad=pad_dur=20"]
    command = ["ffmpeg", "-v", "error", "-i", str(recording), *silence, "-ar", "48000", str(path)]
    subprocess.run(command, check=True)
    return path


@contextmanager
def opened(
    url: str,
    *,
    said: Path | None = None,
    arguments: Sequence[str] = (),
    refusals: Sequence[int] = (),
    **look: Any,
) -> Iterator[Page]:
    """A page of a server, which must complain of nothing and ask nobody else.

    Args:
        url: Its address.
        said: What the microphone hears; without it there is no microphone.
        arguments: Further ones of Chromium.
        refusals: Statuses of answers that the test is about; 0 for a connection that breaks.
        look: Of the browser's context, as Playwright names it.
    """
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", *arguments]
    if said is not None:
        flags += [*_MICROPHONE, f"--use-file-for-fake-audio-capture={said}%noloop"]
    permissions = [] if said is None else ["microphone"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(permissions=permissions, accept_downloads=True, **look)
        page = context.new_page()
        wrong = _watched(page, url, refusals)
        page.goto(url)
        yield page
        assert wrong == []
        browser.close()


def _watched(page: Page, url: str, refusals: Sequence[int]) -> list[str]:
    """What goes wrong on a page, which grows."""
    expected = [f"status of {status}" if status else "net::ERR" for status in refusals]
    wrong: list[str] = []

    def hear(told: Any) -> None:
        if told.type == "error" and not any(each in told.text for each in expected):
            wrong.append(told.text)

    def watch(asked: str) -> None:
        if urlsplit(asked).netloc != urlsplit(url).netloc and not asked.startswith("blob:"):
            wrong.append(asked)

    page.on("console", hear)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: watch(request.url))
    page.on("websocket", lambda socket: watch(socket.url))
    return wrong


def words_of(page: Page) -> list[str]:
    """The words of the transcript."""
    return page.locator("#transcript .word").all_inner_texts()


def wait_for_state(page: Page, text: str) -> None:
    """Waits until the line of state says so."""
    page.locator("#state-text", has_text=text).wait_for(timeout=60_000)
