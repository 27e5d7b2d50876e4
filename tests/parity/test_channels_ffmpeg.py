"""Single channels of a recording as the ffmpeg program gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gigaam.audio import SAMPLE_RATE, channel_count, iter_audio
from tests.parity.test_audio_ffmpeg import both_heard, ffmpeg, recording


@pytest.mark.parametrize(
    ("name", "rate", "channels", "units"),
    [
        ("pcm_s16le.wav", SAMPLE_RATE, 2, 0),
        ("flac.flac", SAMPLE_RATE, 3, 0),
        ("pcm_s16le.wav", 8_000, 2, 1),
        ("libmp3lame.mp3", 44_100, 2, 2),
        ("aac.mp4", 48_000, 6, 2),
    ],
)
def test_each_channel(tmp_path: Path, name: str, rate: int, channels: int, units: int) -> None:
    path = recording(tmp_path / name, rate, channels, "-c:a", name.split(".")[0])
    assert channel_count(path) == channel_count(path.read_bytes()) == channels
    for channel in range(channels):
        output = ffmpeg(
            *("-i", str(path), "-af", f"pan=mono|c0=c{channel}", "-ar", str(SAMPLE_RATE)),
            *("-f", "s16le", "-"),
        )
        wanted = np.frombuffer(output, "<i2").astype(int)
        samples = np.concatenate(list(iter_audio(path, channel=channel))) * 32768
        samples, wanted = both_heard(path, samples, wanted)
        assert samples.size == wanted.size > SAMPLE_RATE
        assert np.abs(wanted).max() > 1000  # the sixth is for low tones
        assert np.abs(samples - wanted).max() <= units


def test_channels_of_arrays() -> None:
    samples = np.arange(-30_000, 30_000, 2, dtype=np.int16).reshape(-1, 3)
    assert channel_count(samples) == 3
    for channel in range(3):
        blocks = iter_audio(samples, input_rate=SAMPLE_RATE, channel=channel)
        np.testing.assert_array_equal(
            np.concatenate(list(blocks)) * 32768, samples[:, channel].astype(np.float32)
        )
