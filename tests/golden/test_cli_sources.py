"""The command line on pipes, and on recordings whose headers state a wrong length."""

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gigaam import GigaAMASR
from gigaam.audio import duration_s, read_audio
from gigaam.cli import app
from gigaam.errors import AudioTooLongError
from gigaam.recognition.runner import BatchRunner
from tests.waves import write_wav


def run(*arguments: object) -> Result:
    command = ["transcribe", "--model", "tiny_ctc", *map(str, arguments)]
    return CliRunner().invoke(app, command)


@pytest.fixture(scope="module")
def sentence(packaged_model: GigaAMASR, example: Path) -> str:
    return str(packaged_model.transcribe(example))


# Pipes


@contextmanager
def fed(path: Path, data: bytes) -> Iterator[Path]:
    """A named pipe that gives these bytes, once."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(data,), daemon=True)
    writer.start()
    yield path
    writer.join(10)
    assert not writer.is_alive()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("channels", ["mix", "split"])
def test_a_named_pipe_is_read_once(
    channels: str, example: Path, sentence: str, tmp_path: Path
) -> None:
    with fed(tmp_path / "pipe.wav", example.read_bytes()) as pipe:
        assert duration_s(pipe) is None
        result = run(pipe, "--channels", channels, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["text"].strip() == sentence
    assert found["duration"] == pytest.approx(len(read_audio(example)) / 16_000)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="the system has no /dev/fd")
@pytest.mark.parametrize("channels", ["mix", "split"])
def test_the_standard_input_by_its_path(channels: str, example: Path, sentence: str) -> None:
    command = [sys.executable, "-m", "gigaam", "transcribe", "--model", "tiny_ctc"]
    done = subprocess.run(
        [*command, "--channels", channels, "/dev/stdin"],
        input=example.read_bytes(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().endswith(f"{sentence}\n")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="the system has no /dev/zero")
def test_a_device_that_never_ends_is_refused() -> None:
    result = run("/dev/zero", "--channels", "split")
    assert result.exit_code == 1
    assert "/dev/zero' is a device" in result.stderr


# Headers


def chained(path: Path, samples: np.ndarray, times: int) -> Path:
    """One Ogg file after another, of which FFmpeg states the length of one."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        integers = np.round(samples * 32767).astype(np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(integers, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), 0
        parts = av.AudioResampler("s16", "mono", 16_000, stream.frame_size)
        for part in [*parts.resample(frame), *parts.resample(None), None]:
            container.mux(stream.encode(part))
    path.write_bytes(path.read_bytes() * times)
    return path


def test_a_chained_recording_is_longer_than_its_header_says(
    example: Path, sentence: str, packaged_model: GigaAMASR, tmp_path: Path
) -> None:
    path = chained(tmp_path / "chained.ogg", read_audio(example), 6)
    stated_s = duration_s(path)
    assert stated_s is not None
    assert stated_s < 30
    result = run(example, path, example)
    assert (result.exit_code, result.stderr) == (0, "")
    first, middle, last = (line.split("\t")[1] for line in result.stdout.splitlines())
    assert first == last == sentence
    assert middle.count("сколько войн ты проиграл") == 6
    told = []
    (outcome,) = BatchRunner(packaged_model).run(
        [("long", path)], on_progress=lambda *each: told.append(each)
    )
    assert outcome.duration_s == outcome.result.duration == pytest.approx(6 * stated_s, abs=0.01)
    assert all(total_s is None or done_s <= total_s for done_s, total_s in told)
    assert told[-1] == (outcome.duration_s, outcome.duration_s)
    with pytest.raises(AudioTooLongError):
        packaged_model.transcribe(path)


def test_a_recording_is_shorter_than_its_header_says(
    example: Path, sentence: str, packaged_model: GigaAMASR, tmp_path: Path
) -> None:
    path = tmp_path / "hours.au"  # its header counts bytes, and FFmpeg believes it
    samples = np.round(read_audio(example) * 32767).astype(">i2").tobytes()
    hours = 5 * 3600 * 32_000
    path.write_bytes(struct.pack(">4s5I", b".snd", 24, hours, 3, 16_000, 1) + samples)
    stated_s = duration_s(path)
    assert stated_s is not None
    assert stated_s > 3600
    told = []
    with pytest.warns(UserWarning, match="cut short"):
        (outcome,) = BatchRunner(packaged_model).run(
            [("hours", path)], on_progress=lambda *each: told.append(each)
        )
    assert outcome.result.text.strip() == sentence
    assert outcome.result.duration == pytest.approx(len(samples) / 32_000)
    assert told[-1] == (outcome.result.duration, outcome.result.duration)


def test_phrases_of_a_short_recording(example: Path, sentence: str, tmp_path: Path) -> None:
    samples = read_audio(example)
    path = write_wav(tmp_path / "two.wav", np.concatenate([samples, np.zeros(48_000), samples]))
    assert run(path).stdout.count("\n") == 1
    lines = run(path, "--segments", "phrases", "--max-pause", "2").stdout.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("сколько войн ты проиграл") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--max-pause", "2"], "--max-pause"),
        (["--max-pause", "2", "--segments", "chunks", "--channels", "split"], "--max-pause"),
        (["--max-pause", "-1", "--segments", "phrases"], "--max-pause"),
        (["--vad", "none", "--no-decode-loud-gaps"], "--no-decode-loud-gaps"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], option: str, example: Path
) -> None:
    result = run(example, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"gigaam: {option}: ")
