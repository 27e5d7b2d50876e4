"""Sound in pieces gives the samples that it gives as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio import read_audio
from gigaam.audio.pushed import SAMPLE_FORMATS, PushedAudio
from gigaam.audio.recording import Recording
from gigaam.errors import AudioError, AudioWarning
from tests.examples import examples

NUMPY = {
    "s16le": "<i2",
    "s16be": ">i2",
    "s32le": "<i4",
    "s32be": ">i4",
    "f32le": "<f4",
    "f32be": ">f4",
    "f64le": "<f8",
    "f64be": ">f8",
    "u8": "u1",
}


def voice(n: int, channels: int = 1) -> np.ndarray:
    """Int16 [n, channels]."""
    rng = np.random.default_rng(7)
    return np.cumsum(rng.integers(-300, 300, (n, channels)), 0).clip(-30000, 30000).astype(np.int16)


def cut(data, lengths) -> Iterator:
    start = 0
    for length in lengths:
        yield data[start : start + length]
        start += length
    yield data[start:]


def pushed(audio: PushedAudio, pieces) -> list[np.ndarray]:
    outputs = [audio.push(piece) for piece in pieces]
    outputs.append(audio.finish())
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


@settings(max_examples=examples(30), deadline=None)
@given(
    st.sampled_from([8000, 11025, 16000, 44100, 48000]),
    st.lists(st.integers(0, 5000), max_size=8),
    st.booleans(),
)
def test_pieces_give_what_the_whole_gives(rate, lengths, are_floats):
    samples = voice(9000)[:, 0]
    if are_floats:
        samples = samples.astype(np.float32) / 32768
    (found,) = pushed(PushedAudio(rate), cut(samples, lengths))
    assert np.array_equal(found, read_audio(samples, input_rate=rate))


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=8))
def test_bytes_may_be_cut_anywhere(lengths):
    samples = voice(3000)[:, 0]
    (found,) = pushed(PushedAudio(8000), cut(samples.tobytes(), lengths))
    assert np.array_equal(found, read_audio(samples, input_rate=8000))


@pytest.mark.parametrize("apart", [False, True])
def test_channels_are_mixed_or_apart_as_in_recordings(apart):
    samples = voice(8000, 2)
    found = pushed(
        PushedAudio(8000, n_channels=2, apart=apart), cut(samples.tobytes(), [1, 777, 4096])
    )
    recording = Recording(samples, input_rate=8000)
    if apart:
        blocks = list(recording.blocks_apart())
        wanted = [np.concatenate(rows) for rows in zip(*blocks, strict=True)]
    else:
        wanted = [np.concatenate(list(recording.blocks()))]
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("sample_format", NUMPY)
def test_formats_of_bytes(sample_format):
    samples = voice(4000)[:, 0]
    dtype = np.dtype(NUMPY[sample_format])
    scaled = {"i": samples, "u": (samples >> 8) + 128, "f": samples / 32768}[dtype.kind]
    if dtype.itemsize == 4 and dtype.kind == "i":
        scaled = samples.astype(np.int64) << 16
    data = scaled.astype(dtype).tobytes()
    (found,) = pushed(PushedAudio(16000, sample_format=sample_format), cut(data, [1001, 1, 2]))
    tolerance = 1 / 128 if dtype.kind == "u" else 1e-6
    assert np.abs(found - samples / 32768).max() <= tolerance


@pytest.mark.parametrize("sample_format", ["mulaw", "alaw"])
def test_telephone_formats(sample_format):
    import av

    samples = voice(4000)[:, 0]
    encoder = av.CodecContext.create(f"pcm_{sample_format}", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = 8000
    data = b"".join(bytes(packet) for packet in encoder.encode(frame))
    (found,) = pushed(PushedAudio(8000, sample_format=sample_format), cut(data, [100, 1]))
    wanted = read_audio(samples, input_rate=8000)
    assert len(found) == len(wanted)
    assert np.abs(found - wanted).max() < 0.05


def test_24_bits():
    samples = voice(400)[:, 0].astype("<i4") << 16
    data = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    (found,) = pushed(PushedAudio(16000, sample_format="s24le"), [data])
    assert np.array_equal(found, (samples / 2**31).astype(np.float32))


def test_a_piece_with_its_rate():
    audio = PushedAudio()
    samples = voice(1600)[:, 0]
    assert len(audio.push((samples, 16000))[0]) == 1600
    assert len(audio.push(samples)[0]) == 1600  # as before
    with pytest.raises(AudioError, match="16000 Hz, this is of 8000 Hz"):
        audio.push((8000, samples))
    assert len(audio.push(samples, 16000)[0]) == 1600


def test_the_rate_must_be_told():
    with pytest.raises(AudioError, match="input_rate= is required"):
        PushedAudio().push(b"1234")


@pytest.mark.parametrize("piece", ["text", None, 3.5, [1, 2, 3]])
def test_what_is_no_sound(piece):
    with pytest.raises(AudioError, match="pushed as bytes"):
        PushedAudio(16000).push(piece)


def test_arrays_of_other_shapes():
    audio = PushedAudio(16000, n_channels=2)
    for shape in [(10,), (2, 10), (10, 3), (1, 10, 2)]:
        with pytest.raises(AudioError, match=r"is not \[n, 2\]"):
            audio.push(np.zeros(shape, np.float32))
    assert len(audio.push(np.zeros((2, 2), np.float32))[0]) == 2
    assert len(PushedAudio(16000).push(np.zeros((5, 1), np.int16))[0]) == 5


def test_nan_and_integers_in_floats_are_refused_and_others_follow():
    audio = PushedAudio(16000)
    with pytest.raises(AudioError, match="NaN"):
        audio.push(np.array([0, np.nan], np.float32))
    with pytest.raises(AudioError, match="within ±1"):
        audio.push(np.array([0, 3000], np.float32))
    assert len(audio.push(np.zeros(7, np.float32))[0]) == 7


@pytest.mark.parametrize("sample_format", ["f32le", "f64be"])
def test_floats_as_bytes_are_checked_as_well(sample_format):
    audio = PushedAudio(16000, sample_format=sample_format)
    dtype = NUMPY[sample_format]
    with pytest.raises(AudioError, match="NaN"):
        audio.push(np.array([0, np.nan, 1], dtype).tobytes())
    with pytest.raises(AudioError, match="infinity"):
        audio.push(np.array([0, np.inf, 1], dtype).tobytes() + b"1")
    rest = np.full(5, 0.5, dtype).tobytes()
    assert len(audio.push(rest)[0]) == 5


def test_quiet_pieces_of_32_bits_are_no_mistake():
    assert len(PushedAudio(16000).push(np.ones(100, np.int32))[0]) == 100


def test_nothing_is_nothing():
    audio = PushedAudio(16000)
    assert [len(part) for part in (*audio.push(b""), *audio.push(np.empty(0, np.float32)))] == [
        0,
        0,
    ]
    assert len(audio.finish()[0]) == 0


def test_half_a_sample_at_the_end_is_told():
    audio = PushedAudio(16000, n_channels=2)
    audio.push(b"12345")
    with pytest.warns(AudioWarning, match="1 bytes are left over"):
        audio.finish()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.finish()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_format": "bluray"}, "must be one of s16le"),
        ({"n_channels": 0}, "must be 1 to 8"),
        ({"n_channels": 9}, "must be 1 to 8"),
        ({"input_rate": 10}, "rate in Hz"),
    ],
)
def test_what_there_is_not(arguments, message):
    with pytest.raises(AudioError, match=message):
        PushedAudio(**arguments)


def test_kinds_may_change():
    audio = PushedAudio(8000)
    samples = voice(8000)[:, 0]
    first = audio.push(samples[:4000].tobytes())
    second = audio.push(samples[4000:].astype(np.float32) / 32768)
    found = np.concatenate([*first, *second, *audio.finish()])
    wanted = read_audio(samples, input_rate=8000)
    assert abs(len(found) - len(wanted)) <= 2
    assert np.abs(found[:7000] - wanted[:7000]).max() < 1e-4


def test_all_formats_are_tested():
    assert set(SAMPLE_FORMATS) == {*NUMPY, "mulaw", "alaw", "s24le", "s24be"}
