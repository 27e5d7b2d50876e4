"""``gigaam live`` as people use it: ffmpeg in a pipe, a terminal, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import srt

from gigaam import GigaAMASR

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals and signals another way")
LIVE = [sys.executable, "-m", "gigaam", "live", "--model", "tiny_ctc"]
ERASE = "\r\x1b[2K"
ENVIRONMENT = os.environ | {"TERM": "xterm", "PYTHONUTF8": "1"}
for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
    ENVIRONMENT.pop(name, None)


@pytest.fixture(scope="module")
def sentence(packaged_model: GigaAMASR, example: Path) -> str:
    return packaged_model.transcribe_longform(example).text


@contextmanager
def recorder(example: Path, *output: str) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg, which plays the recording as slowly as it is, again and again."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", example]
    with subprocess.Popen([*command, *output, "-"], stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def until(terminal: int, is_enough: Callable[[str], object], shown: str = "") -> str:
    """What a terminal shows, after this, until it is enough, or the terminal is closed."""
    last = time.monotonic() + 60
    while not is_enough(shown):
        ready, _, _ = select.select([terminal], [], [], max(last - time.monotonic(), 0))
        assert ready, shown
        try:
            data = os.read(terminal, 65536)
        except OSError:  # all others have closed it
            break
        shown += data.decode(errors="replace")
    return shown


def seen(shown: str) -> list[str]:
    """The lines that stay on a terminal."""
    lines = [line.rpartition(ERASE)[2].rstrip("\r") for line in shown.split("\n")]
    return [re.sub(r"\x1b\[\d*m", "", line) for line in lines]


def is_speaking(shown: str) -> bool:
    """Whether a partial stands on the last line, and its beginning no longer does."""
    line = shown.rpartition("\n")[2].rpartition(ERASE)[2]
    return "…" in line and "\x1b[2m" in line


@contextmanager
def terminal(width: int) -> Iterator[tuple[int, int]]:
    fcntl = pytest.importorskip("fcntl")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, width, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


@pytest.mark.parametrize("format", ["wav", "ogg"])
def test_events_come_while_ffmpeg_goes_on(format: str, example: Path, sentence: str) -> None:
    output = ("-page_duration", "100000") if format == "ogg" else ()
    with recorder(example, *output, "-f", format) as ffmpeg:
        live = [*LIVE, "--format", "jsonl"]
        with subprocess.Popen(live, stdin=ffmpeg.stdout, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            events = []
            while {each["type"] for each in events} != {"partial", "final"}:
                events.append(json.loads(process.stdout.readline()))
            finals = [each for each in events if each["type"] == "final"]
            if format == "wav" and finals:  # others change the samples
                assert finals[0]["text"] == sentence
            ffmpeg.kill()
            events += [json.loads(line) for line in process.stdout]
        assert process.returncode == 0
    reasons = [each["reason"] for each in events if each["type"] == "final"]
    assert set(reasons[:-1]) <= {"silence"}


def test_a_terminal_shows_one_line_that_changes(
    example: Path, sentence: str, tmp_path: Path
) -> None:
    """Until Ctrl-C, which ends the sound but not the recorder."""
    path = tmp_path / "talk.srt"
    with recorder(example, "-f", "s16le") as ffmpeg, terminal(16) as (ours, theirs):
        live = [*LIVE, "--raw", "s16le", "-o", str(path)]
        with subprocess.Popen(
            live, stdin=ffmpeg.stdout, stdout=theirs, stderr=theirs, env=ENVIRONMENT
        ) as process:
            os.close(theirs)
            shown = until(ours, lambda shown: sentence in seen(shown))
            shown = until(ours, is_speaking, shown)
            assert 1 < len(seen(shown)[-1]) < 16
            n_before = len(seen(shown)) - 1
            process.send_signal(signal.SIGINT)
            shown = until(ours, lambda _: False, shown)
        assert process.returncode == 0
    partials = re.findall(r"\x1b\[2K([^\r\n]+)", shown)
    texts = [re.sub(r"\x1b\[\d*m", "", text) for text in partials]
    lines = seen(shown)
    assert all(len(text) < 16 for text in texts if text not in lines)
    assert lines[0] == sentence
    assert len(lines[:-1]) > n_before  # the last words are told, too
    assert "" not in lines[:-1]
    assert lines[-1] == ""
    cues = list(srt.parse(path.read_text(encoding="utf-8")))
    assert " ".join(cue.content for cue in cues).split() == " ".join(lines).split()


def test_a_second_interrupt_ends_at_once(example: Path, tmp_path: Path) -> None:
    """While the model is busy with the last words, as it always is here."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nfrom gigaam.live import LiveSession\n"
        "LiveSession.finish = lambda self: print('finishing', flush=True) or time.sleep(60)\n"
    )
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with recorder(example, "-f", "s16le") as ffmpeg:
        with subprocess.Popen(
            [*LIVE, "--raw", "s16le"],
            stdin=ffmpeg.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            while process.stdout.readline() != "finishing\n":
                pass
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert time.monotonic() - began < 5
        assert (process.returncode, errors.strip()) == (130, "")


def test_a_request_to_terminate_is_like_ctrl_c(example: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    with recorder(example, "-f", "flac") as ffmpeg:
        with subprocess.Popen(
            [*LIVE, "-o", str(path)], stdin=ffmpeg.stdout, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline().decode()
            process.terminate()
            rest = process.stdout.read().decode()
        assert process.returncode == 0
    assert path.read_text(encoding="utf-8") == first + rest


def test_a_reader_that_goes_away_ends_it_quietly(example: Path, tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    with recorder(example, "-f", "s16le") as ffmpeg:
        with subprocess.Popen(
            [*LIVE, "--raw", "s16le", "-o", str(path)],
            stdin=ffmpeg.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 1
    assert path.read_text(encoding="utf-8")


def test_a_microphone_until_ctrl_c(example: Path, sentence: str, tmp_path: Path) -> None:
    """In a terminal with nothing piped in; PortAudio is played by an object."""
    (tmp_path / "sounddevice.py").write_text(
        "import sys\nfrom tests.portaudio import PortAudio\n"
        f"sound = open({str(example)!r}, 'rb').read()[44:] * 20\n"
        "sys.modules[__name__] = PortAudio(sound, rate=16_000, speed=1)\n"
    )
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with terminal(100) as (ours, theirs):
        with subprocess.Popen(
            LIVE, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as process:
            os.close(theirs)
            shown = until(ours, lambda shown: sentence in seen(shown))
            process.send_signal(signal.SIGINT)
            shown = until(ours, lambda _: False, shown)
        assert process.returncode == 0
    lines = seen(shown)
    assert lines[:2] == ["gigaam: listening to Built-in; Ctrl-C ends", sentence]
    assert lines[-1] == ""
