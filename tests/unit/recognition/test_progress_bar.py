"""Progress of lists and long recordings: what a function is told, what a terminal shows."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gigaam import GigaAMASR
from gigaam.audio import read_audio


@pytest.fixture
def told() -> list[tuple[float, float | None]]:
    return []


def test_lists_tell_the_recordings_done(
    packaged_model: GigaAMASR, told: list[tuple[float, float | None]]
) -> None:
    sound = np.zeros(8000, np.float32)
    packaged_model.transcribe(
        [(sound, 16_000)] * 5, batch_size=2, progress=lambda *where: told.append(where)
    )
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_what_fails_is_done_too_and_a_generator_has_no_length(
    packaged_model: GigaAMASR, told: list[tuple[float, float | None]]
) -> None:
    sources = (name for name in ["no.wav", "none.wav"])
    results = packaged_model.transcribe(
        sources, on_error="return", progress=lambda *where: told.append(where)
    )
    assert all(isinstance(result, Exception) for result in results)
    assert told == [(2, None), (2, 2)]  # at the end it is known


PROGRAM = """
import sys, gigaam
model = gigaam.load_model("tiny_ctc", device="cpu")
print(model.transcribe([sys.argv[1]] * 3, progress=True, batch_size=1)[0])
print(model.transcribe_longform(sys.argv[1], vad="none", progress=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_true_draws_bars_on_a_terminal_alone(example: Path, packaged_model: GigaAMASR) -> None:
    text = str(packaged_model.transcribe(example))
    command = [sys.executable, "-c", PROGRAM, str(example)]
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stdout.decode().splitlines()[0] == text
    assert piped.stderr == b""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.read() == piped.stdout
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # the other side was closed
            pass
    lines = [line.rstrip("\r").split("\r")[-1] for line in shown.decode().split("\n")]
    first, second = (line for line in lines if line)
    assert first.startswith("━" * 30 + " 3/3 recordings, ")
    seconds = len(read_audio(example)) / 16_000
    assert second.startswith("━" * 30 + f" {seconds:.0f}/{seconds:.0f} seconds of sound, ")


def test_without_stderr_there_is_no_bar(
    packaged_model: GigaAMASR, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert packaged_model.transcribe([example], progress=True)
