"""Live sound from streams: what the file would give, as soon as its bytes are there."""

from __future__ import annotations

import os
import struct
import threading
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gigaam.audio import Recording, read_audio
from gigaam.audio.pushed import PushedAudio
from gigaam.errors import AudioDecodingError, AudioError, AudioWarning
from gigaam.live.reader import Reader
from gigaam.live.sources import Container, LiveSource, RawSound, SoundFormat
from tests.unit.audio.test_audio import Pipe, encoded, speechlike, wav

SECONDS = 6.5
MONO, STEREO = speechlike(SECONDS), speechlike(SECONDS, channels=2)


def heard(source: LiveSource, apart: bool = False) -> list[np.ndarray]:
    """All samples of each output, as a session gets them."""
    sound, pieces = source.open()
    audio = PushedAudio(
        sound.rate, sample_format=sound.sample_format, n_channels=sound.n_channels, apart=apart
    )
    outputs = [audio.push(piece) for piece in pieces]
    outputs.append(audio.finish())
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def in_bits(width: int, rate: int, samples: np.ndarray) -> bytes:
    """A WAV of so many bytes per sample."""
    wide = samples.astype(np.int64) << 16
    narrow = (wide >> (32 - 8 * width)) + (128 if width == 1 else 0)
    data = narrow.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, samples.shape[1], rate),
        *(rate * samples.shape[1] * width, samples.shape[1] * width, 8 * width),
        *(b"data", len(data)),
    )
    return header + data


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_wav_in_a_pipe_is_what_it_is_as_a_file(width: int, rate: int) -> None:
    for samples in (MONO, STEREO):
        file = in_bits(width, rate, samples)
        (mixed,) = heard(Container(Pipe(file, 701)))
        np.testing.assert_array_equal(mixed, read_audio(file))
    left, right = heard(Container(Pipe(file, 701), apart=True), apart=True)
    blocks = list(Recording(file).blocks_apart())
    np.testing.assert_array_equal(left, np.concatenate([each[0] for each in blocks]))
    np.testing.assert_array_equal(right, np.concatenate([each[1] for each in blocks]))


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_f32le"),
        ("wav", "pcm_mulaw"),
        ("w64", "pcm_s16le"),
        ("flac", "flac"),
        ("ogg", "libopus"),
        ("mp3", "libmp3lame"),
        ("adts", "aac"),
        ("webm", "libopus"),
        ("matroska", "flac"),
        ("mpegts", "mp2"),
    ],
)
@pytest.mark.parametrize("is_split", [False, True])
def test_a_stream_is_what_it_is_as_a_file(container: str, codec: str, is_split: bool) -> None:
    file = encoded(container, codec, speechlike(SECONDS, 48_000, 2), 48_000)
    outputs = heard(Container(Pipe(file), apart=is_split), apart=is_split)
    expected = [np.concatenate(list(Recording(Pipe(file)).blocks()))]
    if is_split:
        blocks = list(Recording(Pipe(file)).blocks_apart())
        expected = [np.concatenate([each[c] for each in blocks]) for c in (0, 1)]
    for output, samples in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output, samples)


def test_a_file_is_read_as_a_file(tmp_path: Path) -> None:
    """An MP4 whose index stands at its end, which no stream could be."""
    path = tmp_path / "a.m4a"
    path.write_bytes(encoded("mp4", "aac", MONO))
    with path.open("rb") as file:
        (samples,) = heard(Container(file))
    np.testing.assert_array_equal(samples, read_audio(path))


def test_an_mp4_is_a_stream_if_it_is_made_for_it() -> None:
    with pytest.raises(AudioDecodingError, match="the index of an MP4 may stand at its end"):
        heard(Container(Pipe(encoded("mp4", "aac", MONO))))
    flags = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    file = encoded("mp4", "aac", MONO, options=flags)
    (samples,) = heard(Container(Pipe(file)))
    np.testing.assert_array_equal(samples, read_audio(file))


def test_the_header_of_a_wav_counts() -> None:
    file = wav(MONO)
    (samples,) = heard(Container(Pipe(file + b"LIST\x08\0\0\0INFOabcd")))
    np.testing.assert_array_equal(samples, read_audio(file))
    with pytest.warns(AudioWarning, match=r"cut short: 1\.00 s are missing"):
        heard(Container(Pipe(file[:-32_000])))
    open_ended = file[:4] + b"\xff" * 4 + file[8:40] + b"\xff" * 4 + file[44:]
    (samples,) = heard(Container(Pipe(open_ended)))
    np.testing.assert_array_equal(samples, read_audio(file))


@pytest.mark.parametrize(
    "source",
    [
        RawSound(Pipe(b""), SoundFormat()),
        Container(Pipe(b"")),
        Container(Pipe(wav(MONO[:0])[:40])),
        Container(Pipe(b"no sound at all")),
    ],
)
def test_what_is_no_sound(source: LiveSource) -> None:
    with pytest.raises(AudioError):
        heard(source)


def test_a_track_is_chosen() -> None:
    with pytest.raises(AudioError, match="track=1"):
        Container(Pipe(wav(MONO)), track=1).open()
    (samples,) = heard(Container(Pipe(wav(MONO)), track=0))
    np.testing.assert_array_equal(samples, read_audio(wav(MONO)))


@pytest.mark.parametrize(
    ("container", "codec", "most_s"),
    [
        ("wav", "pcm_s16le", 0.01),
        ("wav", "pcm_mulaw", 0.5),
        ("au", "pcm_s16be", 0.3),
        ("adts", "aac", 0.5),
        ("mp3", "libmp3lame", 1.0),
        ("flac", "flac", 1.5),
        ("matroska", "flac", 0.5),
        ("webm", "libopus", 0.7),
    ],
)
def test_sound_is_given_as_it_comes(container: str, codec: str, most_s: float) -> None:
    """Of a stream that stalls after four seconds, all but the last moment is given."""
    options = (
        {"live": "1", "cluster_time_limit": "200"} if container in ("matroska", "webm") else {}
    )
    file = encoded(container, codec, MONO, options=options)
    reading, writing = os.pipe()
    n_written = len(file) * 4 // 6.5
    with os.fdopen(reading, "rb", buffering=0) as ours:
        reader = Reader(Container(ours), 100)
        reader.start()
        watch = threading.Timer(10, reader.stop)
        watch.start()
        with os.fdopen(writing, "wb", buffering=0) as theirs:
            theirs.write(file[: int(n_written)])
            sound = reader.sound()
            assert sound is not None
            n_bytes, wanted = 0, (4 - most_s) * sound.bytes_per_s * 0.98
            while n_bytes < wanted and (data := reader.take()):
                n_bytes += len(data)
            assert n_bytes >= wanted
            watch.cancel()
        while reader.take():
            pass


class Endless:
    """A source that always has more; it ends where it is told."""

    def __init__(self, n_pieces: int = 10**9, error: Exception | None = None) -> None:
        self.n_given = 0
        self._n_pieces, self._error = n_pieces, error

    def open(self) -> tuple[SoundFormat, Any]:
        return SoundFormat(), self._pieces()

    def _pieces(self) -> Any:
        while self.n_given < self._n_pieces:
            self.n_given += 1
            yield bytes(3200)
        if self._error is not None:
            raise self._error


def settled(source: Endless) -> int:
    """How much was read once no more is."""
    n_before = -1
    while n_before != source.n_given:
        n_before = source.n_given
        time.sleep(0.1)
    return n_before


def test_a_fast_source_has_to_wait() -> None:
    source = Endless()
    reader = Reader(source, 20)
    reader.start()
    assert 20 <= settled(source) <= 22
    assert reader.sound() == SoundFormat()
    assert 3200 <= len(reader.take()) <= 100 * 3200
    reader.stop()
    while reader.take():
        pass
    assert settled(source) < 500
    assert reader.take() == b""
    assert reader.failure is None


def test_a_failure_comes_after_the_sound() -> None:
    reader = Reader(Endless(3, AudioError("torn")), 20)
    reader.start()
    time.sleep(0.2)
    assert reader.sound() is not None
    assert len(reader.take()) == 3 * 3200
    assert reader.take() == b""
    assert str(reader.failure) == "torn"


@pytest.mark.parametrize("is_raw", [False, True])
def test_a_source_that_is_silent_can_be_stopped(is_raw: bool) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as ours:
        reader = Reader(RawSound(ours, SoundFormat()) if is_raw else Container(ours), 20)
        reader.start()
        threading.Timer(0.3, reader.stop).start()
        assert (reader.sound() is not None) == is_raw
        assert reader.take() == b""
        os.close(writing)  # the thread ends with its pipe
        time.sleep(0.1)


def test_a_source_may_have_a_last_word() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as ours, os.fdopen(writing, "wb", 0) as theirs:
        reader = Reader(RawSound(ours, SoundFormat()), 20, grace_s=0.5)
        reader.start()
        assert reader.sound() is not None
        reader.stop()
        theirs.write(bytes(3200))
        assert reader.take() == bytes(3200)
        assert reader.take() == b""


def test_wave_reads_what_is_in_the_package(example: Path) -> None:
    with wave.open(str(example)) as file:
        assert file.getframerate() == 16_000
    with example.open("rb") as stream:
        (samples,) = heard(Container(Pipe(stream.read())))
    np.testing.assert_array_equal(samples, read_audio(example))
