"""The command line on long recordings, with the packaged model."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gigaam import GigaAMASR
from gigaam.audio import read_audio
from gigaam.cli import app
from tests.waves import write_wav

COMMAND = [sys.executable, "-m", "gigaam", "transcribe", "--model", "tiny_ctc"]


def run(*arguments: object) -> Result:
    command = ["transcribe", "--model", "tiny_ctc", *map(str, arguments)]
    return CliRunner().invoke(app, command)


@pytest.fixture(scope="module")
def speech(example: Path) -> np.ndarray:
    return read_audio(example)


@pytest.fixture(scope="module")
def long(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight times the packaged sentence with pauses: about a minute."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    pause = np.zeros(24_000, np.float32)
    return write_wav(path, np.concatenate([pause, *([speech, pause] * 8)]))


@pytest.fixture(scope="module")
def sentence(packaged_model: GigaAMASR, example: Path) -> str:
    return str(packaged_model.transcribe(example))


def test_segments_are_printed_one_per_line(long: Path, packaged_model: GigaAMASR) -> None:
    result = run(long)
    assert (result.exit_code, result.stderr) == (0, "")
    segments = packaged_model.transcribe_longform(long)
    assert result.stdout.splitlines() == [segment.text.strip() for segment in segments]
    assert len(segments) > 1


def test_short_and_long_recordings_keep_their_order(
    long: Path, example: Path, sentence: str
) -> None:
    result = run(example, long, long.parent / "missing.wav")
    assert result.exit_code == 1
    first, second = (line.split("\t") for line in result.stdout.splitlines())
    assert first == [str(example), sentence]
    assert second[0] == str(long)
    assert len(second[1]) > 6 * len(sentence)


def test_a_folder_to_files_of_all_formats(
    long: Path, example: Path, sentence: str, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    (calls / "monday").mkdir(parents=True)
    shutil.copy(long, calls / "monday" / "long.wav")
    shutil.copy(example, calls / "short.mp3")  # a file is what it holds, not what it is called
    (calls / "broken.ogg").write_text("no recording")
    out = tmp_path / "out"
    arguments = [calls, "--format", "srt,vtt,txt,json,tsv", "--output-dir", out]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "broken.ogg" in result.stderr
    assert "1 of 3 recordings failed" in result.stderr
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == sorted(
        f"{name}.{format}"
        for name in ("monday/long", "short")
        for format in ("srt", "vtt", "txt", "json", "tsv")
    )
    assert (out / "short.txt").read_text(encoding="utf-8").strip() == sentence
    content = json.loads((out / "monday" / "long.json").read_text(encoding="utf-8"))
    assert content["duration"] == pytest.approx(len(read_audio(long)) / 16_000)
    times = [tuple(segment["words"][0].values()) for segment in content["segments"]]
    assert len(times) > 1

    (out / "short.txt").write_text("mine", encoding="utf-8")
    again = run(*arguments, "--skip-existing")
    assert "broken.ogg" in again.stderr
    assert (out / "short.txt").read_text(encoding="utf-8") == "mine"
    (calls / "broken.ogg").unlink()
    assert "nothing to do" in run(*arguments, "--skip-existing").stderr


def test_channels_are_split(speech: np.ndarray, sentence: str, tmp_path: Path) -> None:
    late = np.pad(speech, (len(speech), 0))
    early = np.pad(speech, (0, len(speech)))
    path = write_wav(tmp_path / "call.wav", late, early)
    result = run(path, "--channels", "split", "--json")
    segments = json.loads(result.stdout)["segments"]
    assert [segment["channel"] for segment in segments] == [1, 0]
    assert run(path, "--channels", "split").stdout.startswith("[channel 1] ")


def test_standard_input_and_a_format_on_standard_output(long: Path) -> None:
    with long.open("rb") as stream:
        done = subprocess.run(
            [*COMMAND, "-", "--format", "srt", "--vad", "none"], stdin=stream, capture_output=True
        )
    assert done.returncode == 0
    assert done.stdout.startswith(b"1\n00:00:0")


@pytest.mark.skipif(sys.platform == "win32", reason="signals another way")
def test_interrupt_leaves_no_half_file(long: Path, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / "in" / f"{number:02}.wav").parent.mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number:02}.wav").symlink_to(long)
    out = tmp_path / "out"
    command = [*COMMAND, str(tmp_path / "in"), "--output-dir", str(out), "--format", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not (out / "00.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130, told
    files = sorted(out.iterdir())
    assert [file.name for file in files] == [f"{n:02}.json" for n in range(len(files))]
    assert 1 <= len(files) < 60
    for file in files:
        assert json.loads(file.read_text(encoding="utf-8"))["segments"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_progress_is_shown_on_a_terminal(long: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, str(long), "--output-dir", str(tmp_path)]
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # the other side was closed
            pass
    assert process.returncode == 0
    assert re.search(rb"0/1 .*%.*\d+\xc3\x97 real time", shown)
    assert re.search(rb"gigaam: 1:\d\d\.\d of sound in \d", shown)
