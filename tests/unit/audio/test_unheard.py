"""What would be lost without a word: sizes that lie, tracks, channels that cancel, odd floats."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gigaam.audio import SAMPLE_RATE, channel_count, duration_s, iter_audio, read_audio
from gigaam.errors import AudioError, AudioWarning
from tests.unit.audio.test_audio import MONO, MONO_FLOATS, encoded, speechlike, wav

# ---------------------------------------------------------------------------- sizes in headers


def with_size(data: bytes, size: int) -> bytes:
    """A WAV whose data chunk states another size."""
    at = data.index(b"data") + 4
    return data[:at] + size.to_bytes(4, "little") + data[at + 4 :]


def rf64(data: bytes, size: int) -> bytes:
    """A WAV as RF64 that states this size of its samples."""
    ds64 = b"ds64" + (28).to_bytes(4, "little") + (0).to_bytes(8, "little")
    ds64 += size.to_bytes(8, "little") + bytes(12)
    return b"RF64" + b"\xff" * 4 + b"WAVE" + ds64 + with_size(data, 0xFFFF_FFFF)[12:]


SAMPLES = MONO.tobytes()
LIST = b"LIST" + (10_000).to_bytes(4, "little") + b"INFO" + bytes(9_996)


@pytest.mark.parametrize("size", [2, 1000, 8001])
@pytest.mark.parametrize("make", [with_size, rf64])
def test_samples_after_the_stated_end_are_read(make: Any, size: int, tmp_path: Path) -> None:
    data = make(wav(MONO), size)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for source in (data, path, io.BytesIO(data)):
        assert duration_s(source) is None
        with pytest.warns(AudioWarning, match="more samples than its header says"):
            np.testing.assert_array_equal(read_audio(source), MONO_FLOATS)


@pytest.mark.parametrize(
    "rest",
    [LIST, b"TAG" + b"title" * 2000, b"APETAGEX" + b"x" * 9000, bytes(50_000), b"x"],
    ids=["chunk", "id3v1", "ape", "zeros", "short"],
)
def test_what_is_no_sound_after_the_stated_end_is_left(rest: bytes) -> None:
    np.testing.assert_array_equal(read_audio(wav(MONO) + rest), MONO_FLOATS)


def test_aiff_with_too_small_a_size() -> None:
    data = encoded("aiff", "pcm_s16be", MONO)
    at = data.index(b"SSND") + 4
    data = data[:at] + (1008).to_bytes(4, "big") + data[at + 4 :]
    with pytest.warns(AudioWarning, match="more samples follow"):
        read_audio(data)


def test_two_recordings_in_a_row() -> None:
    with pytest.warns(AudioWarning, match="another recording follows"):
        assert read_audio(wav(MONO) * 2).size == len(MONO)


def test_half_a_block_at_the_end_is_no_damage() -> None:
    """As sox pads GSM: a byte after the last whole block."""
    data = bytearray(encoded("wav", "adpcm_ms", MONO, options={}))
    at = data.index(b"data") + 4
    size = int.from_bytes(data[at : at + 4], "little")
    data[at : at + 4] = (size + 1).to_bytes(4, "little")
    data[at + 4 + size :] = b"\0\0"
    assert read_audio(bytes(data)).size >= len(MONO)


# ---------------------------------------------------------------------------- tracks


def tracks(*layouts: str, default: int | None = None) -> bytes:
    """A Matroska file with a tone of 100, 200, … Hz on its tracks."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        streams: list[Any] = [
            output.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout=each) for each in layouts
        ]
        for number, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if number == default else 0
            stream.metadata["title"] = f"speaker {number}"
        for number, stream in enumerate(streams):
            phase = 2 * np.pi * 100 * (number + 1) * np.arange(SAMPLE_RATE) / SAMPLE_RATE
            tone = (8000 * np.sin(phase)).astype(np.int16)
            channels = stream.codec_context.layout.nb_channels
            packed = np.repeat(tone, channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "s16", stream.codec_context.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = (
                SAMPLE_RATE,
                Fraction(1, SAMPLE_RATE),
                0,
            )
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                output.mux(packet)
    return file.getvalue()


def heard(samples: np.ndarray) -> int:
    """The number of the track with this tone."""
    return round(int(np.argmax(np.abs(np.fft.rfft(samples)))) / 100) - 1


@pytest.mark.parametrize(
    ("layouts", "default", "wanted"),
    [
        (("mono", "mono"), None, 0),
        (("mono", "mono"), 1, 1),
        (("mono", "stereo"), None, 1),
        (("mono", "stereo"), 0, 0),
        (("mono", "stereo", "stereo"), None, 1),
        (("mono", "mono", "5.1"), 1, 1),
    ],
)
def test_the_track_that_ffmpeg_takes(
    layouts: tuple[str, ...], default: int | None, wanted: int
) -> None:
    data = tracks(*layouts, default=default)
    told = f"track {wanted} of several was read.*--track.*1: pcm_s16le"
    with pytest.warns(AudioWarning, match=told):
        assert heard(read_audio(data)) == wanted
    for number, layout in enumerate(layouts):  # without a warning: it was chosen
        assert heard(read_audio(data, track=number)) == number
        assert channel_count(data, track=number) == av.AudioLayout(layout).nb_channels
        assert duration_s(data, track=number) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("track", [-1, 2, 1.0, "1"])
def test_a_track_that_is_not_there(track: Any) -> None:
    with pytest.raises(AudioError, match=f"track={track!r}"):
        read_audio(tracks("mono", "stereo"), track=track)
    with pytest.raises(AudioError, match=r"0: pcm_s16le, mono.*speaker 0; 1: .*stereo"):
        read_audio(tracks("mono", "stereo"), track=7)


def test_tracks_of_arrays_are_refused() -> None:
    for function in (read_audio, iter_audio, duration_s):
        with pytest.raises(AudioError, match="an array has no tracks"):
            function(MONO_FLOATS, input_rate=SAMPLE_RATE, track=0)


# ---------------------------------------------------------------------------- channels


@pytest.mark.parametrize("gain", [-1.0, -0.95])
@pytest.mark.parametrize("form", ["wav", "m4a", "array", "floats"])
def test_channels_that_cancel_are_told(form: str, gain: float) -> None:
    voice = speechlike(3)[:, 0] / 32768
    both = np.stack([voice, gain * voice], 1)
    integers = np.rint(32767 * both).astype(np.int16)
    source: Any = {
        "wav": wav(integers),
        "m4a": encoded("mp4", "aac", integers, options={}),
        "array": integers,
        "floats": both,
    }[form]
    rate = SAMPLE_RATE if form in ("array", "floats") else None
    with pytest.warns(AudioWarning, match=r'channels="split" \(--channels split\)'):
        read_audio(source, input_rate=rate)
    list(iter_audio(source, input_rate=rate, channel=0))  # and no warning


@pytest.mark.parametrize("channels", range(2, 9))
def test_channels_that_do_not_cancel(channels: int) -> None:
    for active in ([0], range(channels)):
        samples = np.zeros((SAMPLE_RATE * 2, channels), np.int16)
        for channel in active:
            samples[:, channel] = speechlike(2, channels=channels)[:, channel]
        read_audio(wav(samples))
        read_audio(wav(np.repeat(speechlike(2), channels, axis=1)))
        read_audio(wav(np.zeros_like(samples)))


def test_speech_on_a_channel_that_no_mix_holds() -> None:
    samples = np.zeros((SAMPLE_RATE, 6), np.int16)
    samples[:, 3] = MONO[:SAMPLE_RATE, 0]  # the one for low tones
    with pytest.warns(AudioWarning, match="channels"):
        read_audio(wav(samples))


@pytest.mark.parametrize("channels", [*range(9, 26), 32, 33, 48, 63, 64])
def test_many_channels(channels: int) -> None:
    samples = np.zeros((SAMPLE_RATE // 4, channels), np.int16)
    samples[:, channels - 1] = 20_000
    samples[:, :] += np.arange(0, 100, 100 / channels).astype(np.int16)
    data = wav(samples)
    assert read_audio(data).size == SAMPLE_RATE // 4
    last = np.concatenate(list(iter_audio(data, channel=channels - 1)))
    np.testing.assert_array_equal(last * 32768, samples[:, -1])
    if channels in (9, 64):
        mean = samples.astype(float).mean() / 32768
        np.testing.assert_allclose(read_audio(data)[500:-500], mean, atol=3 / 32768)


def test_too_many_channels() -> None:
    with pytest.raises(AudioError, match="65 channels"):
        read_audio(wav(np.ones((1000, 65), np.int16)))


# ---------------------------------------------------------------------------- rates, values


@pytest.mark.parametrize("rate", [1, 100, 999, 1_000_001, 100_000_000])
def test_sample_rates_out_of_range(rate: int) -> None:
    data = wav(MONO, rate)
    for function in (read_audio, iter_audio, duration_s, channel_count):
        with pytest.raises(AudioError, match=rf"{rate} Hz, not 1000 to 1000000"):
            function(data)  # type: ignore[operator]


@pytest.mark.parametrize("rate", [1_000, 1_000_000])
def test_sample_rates_at_the_ends_of_the_range(rate: int) -> None:
    assert read_audio(wav(MONO, rate)).size == pytest.approx(len(MONO) * 16_000 / rate, rel=0.01)


def float_wav(samples: np.ndarray) -> bytes:
    """A WAV of 32-bit floats, mono, from [n]."""
    data = bytearray(wav(samples.astype("<f4").view("<i2").reshape(-1, 1)))
    data[20:22] = (3).to_bytes(2, "little")  # floats
    data[28:36] = (64_000).to_bytes(4, "little") + bytes((4, 0, 32, 0))
    return bytes(data)


def test_floats_of_a_file() -> None:
    floats = MONO_FLOATS.copy()
    np.testing.assert_array_equal(read_audio(float_wav(floats)), MONO_FLOATS)
    with pytest.raises(AudioError, match="NaN or infinity"):
        read_audio(float_wav(np.full_like(floats, np.nan)))
    with pytest.warns(AudioWarning, match="times full scale"):
        read_audio(float_wav(floats * 32768))
    for value in (np.nan, np.inf, -np.inf):
        floats[9000] = value
        with pytest.warns(AudioWarning, match="damaged"):
            samples = read_audio(float_wav(floats))
        assert samples.size == pytest.approx(len(floats), abs=1)
        np.testing.assert_array_equal(samples[:7000], MONO_FLOATS[:7000])
        np.testing.assert_array_equal(samples[-7000:], MONO_FLOATS[-7000:])


@pytest.mark.parametrize(
    ("dtype", "own"),
    [("int32", "int16"), (">i4", "int16"), ("uint32", "uint16"), ("int64", "int16")],
)
def test_narrow_samples_in_a_wide_array(dtype: str, own: str) -> None:
    samples = MONO[:, 0].astype(np.int64)
    if own == "uint16":
        samples = samples + 32768
    with pytest.raises(AudioError, match=rf"astype\('{own}'\)"):
        read_audio(samples.astype(dtype), input_rate=SAMPLE_RATE)


def test_quiet_wide_samples_are_sound() -> None:
    noise = np.random.default_rng(0).integers(-2, 3, 5000)
    for samples in (noise * 256, noise * 0, noise * 65_536):  # 24 bits, silence, 16 bits
        read_audio(samples.astype(np.int32), input_rate=SAMPLE_RATE)


def test_24_bit_samples_in_32_bits_are_told_of() -> None:
    """Or a quiet passage: that is no error."""
    narrow = MONO[:, 0].astype(np.int32) * 128 + 1  # of 24 bits, at half scale
    with pytest.warns(AudioWarning, match="samples << 8"):
        quiet = read_audio(narrow, input_rate=SAMPLE_RATE)
    np.testing.assert_allclose(quiet, narrow / 2**31, atol=1e-9)
    loud = read_audio(narrow << 8, input_rate=SAMPLE_RATE)
    np.testing.assert_allclose(loud, narrow / 2**23, atol=1e-6)
    # 16 bits among 32, quiet: what is below is zero.
    read_audio(MONO[:, 0].astype(np.int32) << 8, input_rate=SAMPLE_RATE)
    # The middle of unsigned ones is far above: these are no sound as they are.
    lifted = (narrow + (1 << 23)).astype(np.uint32)
    with pytest.raises(AudioError, match="samples << 8"):
        read_audio(lifted, input_rate=SAMPLE_RATE)
    np.testing.assert_array_equal(read_audio(lifted << 8, input_rate=SAMPLE_RATE), loud)
