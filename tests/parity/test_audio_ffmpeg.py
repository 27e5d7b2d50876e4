"""Samples as the ffmpeg program gives them: bit for bit or within 2 units of 16 bits.

Seen with ffmpeg 5.1. Version 8 resamples 16-bit sources in floats, and may be 5 units away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, read_audio

SOURCE = "aevalsrc=exprs={expressions}:s={rate}:d=1.7"
CHANNEL = "0.35*sin(2*PI*(200+{i}*97)*t+sin(9*t))+0.2*(random({i})-0.5)"
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x64:d=1.7:r=10")


def ffmpeg(*arguments: str | Path) -> bytes:
    """What the program writes to its standard output."""
    program = shutil.which("ffmpeg")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the ffmpeg program is not installed")
        pytest.skip("the ffmpeg program is not installed")
    command = [program, "-nostdin", "-v", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def recording(path: Path, rate: int, channels: int, *codec: str) -> Path:
    """A new file with different tones and noise in every channel."""
    expressions = "|".join(CHANNEL.format(i=i) for i in range(channels))
    source = SOURCE.format(expressions=expressions, rate=rate)
    picture = PICTURE if "-c:v" in codec else ()
    ffmpeg("-f", "lavfi", "-i", source, *picture, *codec, str(path))
    return path


def difference(path: Path, sample_rate: int = SAMPLE_RATE) -> int:
    """The largest distance from what the program makes of a file, in units of 16 bits."""
    output = ffmpeg(
        *("-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", str(sample_rate)),
        *("-f", "s16le", "-"),
    )
    wanted = np.frombuffer(output, "<i2").astype(int)
    samples = read_audio(path, sample_rate=sample_rate).astype(float) * 32768
    np.testing.assert_array_equal(samples, np.rint(samples))
    samples, wanted = both_heard(path, samples, wanted, sample_rate)
    assert samples.size == wanted.size > sample_rate
    assert np.abs(wanted).max() > 3000
    return int(np.abs(samples - wanted).max())


def both_heard(
    path: Path, samples: NDArray[Any], wanted: NDArray[Any], sample_rate: int = SAMPLE_RATE
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What both have of a recording, for the FFmpeg of PyAV 19 ends AAC in MP4 where it ends.

    The program plays what its encoder padded the last frame with, as all FFmpegs before.
    """
    if path.suffix not in (".m4a", ".mp4") or int(av.__version__.partition(".")[0]) < 19:
        return samples, wanted
    assert 0 <= wanted.size - samples.size < 1024 * sample_rate / 48_000
    both = samples.size - sample_rate // 500  # what the resampler makes of the last 2 ms differs
    return samples[:both], wanted[:both]


@pytest.mark.parametrize("name", ["pcm_s16le.wav", "pcm_s24le.wav", "pcm_f32le.wav", "flac.flac"])
def test_mono_at_the_target_rate_is_exact(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path / name, SAMPLE_RATE, 1, "-c:a", name.split(".")[0])
    assert difference(path) == 0


PCM = [
    *(("pcm_s16le", rate, c) for rate in (8_000, 44_100, 48_000, 96_000) for c in (1, 2, 6)),
    *(("pcm_s16le", 16_000, c) for c in (2, 3, 4, 5, 6, 7, 8)),
    *((codec, 48_000, c) for codec in ("pcm_s24le", "pcm_u8", "pcm_f64le") for c in (1, 2, 6)),
]


@pytest.mark.parametrize(("codec", "rate", "channels"), PCM)
def test_rates_and_downmix(tmp_path: Path, rate: int, channels: int, codec: str) -> None:
    path = recording(tmp_path / "a.wav", rate, channels, "-c:a", codec)
    assert difference(path) <= 2


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("extension", "codec"),
    [
        ("mp3", "-c:a libmp3lame"),
        ("mp3", "-c:a libmp3lame -q:a 5 -write_xing 0"),
        ("opus", "-c:a libopus"),
        ("ogg", "-c:a libvorbis"),
        ("m4a", "-c:a aac"),
        ("aac", "-c:a aac"),
        ("webm", "-c:a libopus"),
        ("mkv", "-c:v mpeg4 -c:a libmp3lame"),
        ("mp4", "-c:v mpeg4 -c:a aac"),
        ("wma", "-c:a wmav2"),
        ("wav", "-ar 8000 -c:a pcm_alaw"),
        ("wav", "-c:a adpcm_ms"),
        ("aiff", "-c:a pcm_s16be"),
        ("caf", "-c:a alac"),
    ],
)
def test_codecs(tmp_path: Path, extension: str, codec: str, channels: int) -> None:
    path = recording(tmp_path / f"a.{extension}", 48_000, channels, *codec.split())
    assert difference(path) <= 2


def test_six_channels_of_aac(tmp_path: Path) -> None:
    assert difference(recording(tmp_path / "a.m4a", 48_000, 6, "-c:a", "aac")) <= 2


def test_another_target_rate(tmp_path: Path) -> None:
    assert difference(recording(tmp_path / "a.wav", 44_100, 2), 8_000) <= 2


# ---------------------------------------------------------------------------- the file's clock


def by_the_clock(path: Path) -> np.ndarray:
    """What the program makes of a file whose sound it puts where the clock says."""
    output = ffmpeg(
        *("-i", str(path), "-af", "aresample=async=1:first_pts=0", "-ac", "1"),
        *("-ar", str(SAMPLE_RATE), "-f", "s16le", "-"),
    )
    return np.frombuffer(output, "<i2").astype(int)


@pytest.mark.parametrize(
    # Not MPEG-TS, of which the program here takes the first packet for the start of the file.
    "name",
    ["aac.mp4", "aac.mkv", "libmp3lame.mkv", "libvorbis.mkv"],
)
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound_that_starts_late(tmp_path: Path, name: str, rate: int) -> None:
    sound = recording(tmp_path / "a.wav", rate, 1)
    path = tmp_path / name
    arguments = ("-i", str(sound), "-c:v", "mpeg4", "-c:a", name.split(".")[0])
    ffmpeg(*("-f", "lavfi", "-i", "testsrc=s=64x64:d=5:r=25", "-itsoffset", "2"), *arguments, path)
    wanted = by_the_clock(path)
    samples = read_audio(path).astype(float) * 32768
    assert wanted.size > 3.5 * SAMPLE_RATE
    assert abs(samples.size - wanted.size) <= 1
    common = min(samples.size, wanted.size)
    assert np.abs(samples[:common] - wanted[:common]).max() <= 2
    assert not samples[: SAMPLE_RATE * 3 // 2].any()


def test_timestamps_that_wrap(tmp_path: Path) -> None:
    sound = recording(tmp_path / "a.wav", 16_000, 1)
    plain, wrapping = tmp_path / "plain.ts", tmp_path / "wrapping.ts"
    ffmpeg("-i", sound, "-c:a", "aac", "-f", "mpegts", plain)
    offset = str(2**33 / 90_000 - 1.4 - 0.8)  # 1.4 s are the muxer's own
    ffmpeg("-i", sound, "-c:a", "aac", "-output_ts_offset", offset, "-f", "mpegts", wrapping)
    np.testing.assert_array_equal(read_audio(wrapping), read_audio(plain))
