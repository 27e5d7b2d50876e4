"""A recording, opened once: the mix, one channel and all of them apart, in blocks of any length."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio import SAMPLE_RATE, Recording, iter_audio, read_audio
from gigaam.errors import AudioError
from tests.examples import examples
from tests.unit.audio.test_audio import Pipe, encoded, speechlike, wav

CODECS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "mp4": "aac",
    "ogg": "libopus",
}


def apart(source: Any, block_s: float = 1.0, **options: Any) -> list[np.ndarray]:
    """The channels of a recording."""
    blocks = list(Recording(source, **options).blocks_apart(block_s))
    return [np.concatenate(each) for each in zip(*blocks, strict=True)]


@pytest.mark.parametrize("container", CODECS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_channels_decoded_together_are_those_decoded_alone(container: str, rate: int) -> None:
    data = encoded(container, CODECS[container], speechlike(3.3, rate, channels=2), rate)
    found = apart(data, block_s=0.7)
    assert len(found) == Recording(data).n_channels == 2
    for channel, samples in enumerate(found):
        alone = np.concatenate(list(iter_audio(data, channel=channel)))
        np.testing.assert_array_equal(samples, alone)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint8])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_channels_of_arrays(dtype: type, rate: int) -> None:
    samples = speechlike(2.0, rate, channels=3)
    if dtype == np.float32:
        samples = (samples / 32768).astype(np.float32)
    if dtype == np.uint8:
        samples = ((samples >> 8) + 128).astype(np.uint8)
    found = apart(samples, input_rate=rate)
    for channel, row in enumerate(found):
        alone = np.concatenate(list(iter_audio(samples, input_rate=rate, channel=channel)))
        np.testing.assert_array_equal(row, alone)


@settings(max_examples=examples(25))
@given(block_s=st.floats(0.0005, 3), rate=st.sampled_from([8_000, 16_000, 44_100]))
def test_short_blocks_change_no_sample(block_s: float, rate: int) -> None:
    """However little the resampler may hold back."""
    data = wav(speechlike(1.3, rate, channels=2), rate)
    recording = Recording(data)
    assert (recording.n_channels, recording.duration_s) == (2, pytest.approx(1.3))
    np.testing.assert_array_equal(np.concatenate(list(recording.blocks(block_s))), read_audio(data))
    sizes = [{len(row) for row in rows} for rows in Recording(data).blocks_apart(block_s)]
    assert all(len(size) == 1 for size in sizes)


@pytest.mark.parametrize("n_samples", [1, 7, 40, 300])
def test_moments_shorter_than_the_filter_are_kept(n_samples: int) -> None:
    data = wav(speechlike(1, 44_100)[:n_samples], 44_100)
    wanted = read_audio(data)
    found = np.concatenate(list(Recording(data).blocks(0.0001)))
    np.testing.assert_array_equal(found, wanted)


def test_short_blocks_follow_a_stream_closely() -> None:
    class Counting(Pipe):
        given = 0

        def read(self, size: int = -1) -> bytes:
            data = super().read(min(size, 4096))  # as a pipe does, which gives what there is
            self.given += len(data)
            return data

    def seconds_ahead(block_s: float) -> float:
        stream = Counting(wav(speechlike(60, channels=2)))
        blocks = Recording(stream).blocks_apart(block_s)  # type: ignore[arg-type]
        taken_s = sum(len(next(blocks)[0]) for _ in range(round(10 / block_s))) / SAMPLE_RATE
        return stream.given / (4 * SAMPLE_RATE) - taken_s

    assert seconds_ahead(0.2) < 0.7
    assert 2 < seconds_ahead(10) < 6  # the resampler's own, of 65,536 samples


def test_what_is_wrong_is_told_when_it_is_opened(tmp_path: Path) -> None:
    for broken in (b"no recording", tmp_path / "missing.wav", np.zeros((20, 30))):
        with pytest.raises(AudioError):
            Recording(broken)
    recording = Recording(np.zeros(100, np.float32))
    with pytest.raises(AudioError, match="input_rate"):
        recording.blocks()
    with pytest.raises(AudioError, match="channel=1"):
        Recording(wav(speechlike(1))).blocks_of_channel(1)


def test_a_closed_recording_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(speechlike(1)))
    recording = Recording(path)
    recording.close()
    recording.close()
    path.unlink()


def test_a_file_object_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    really_open = av.open

    def count(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return really_open(*arguments, **options)

    monkeypatch.setattr(av, "open", count)
    recording = Recording(io.BytesIO(wav(speechlike(1, channels=2))))
    assert (recording.n_channels, recording.duration_s) == (2, 1)
    assert len(list(recording.blocks_apart(0.5))) == 2
    assert len(opened) == 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")
def test_dts_that_a_wav_calls_pcm() -> None:
    tone = "-f lavfi -i sine=440:d=2:r=44100 -ac 2 -c:a dca -strict -2 -f dts -"
    made = subprocess.run(["ffmpeg", *tone.split()], check=True, capture_output=True)
    packets = np.frombuffer(made.stdout, np.int16).reshape(-1, 2)
    found = read_audio(wav(packets, 44_100))
    power = np.abs(np.fft.rfft(found[-SAMPLE_RATE:])) ** 2
    assert power[438:443].sum() > 0.9 * power.sum()
