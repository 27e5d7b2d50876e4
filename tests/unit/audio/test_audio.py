"""Audio in: every kind of source, what is refused, and what a damaged recording gives."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gigaam.audio import SAMPLE_RATE, channel_count, duration_s, iter_audio, read_audio
from gigaam.errors import (
    AudioDecodingError,
    AudioError,
    AudioFileNotFoundError,
    AudioWarning,
)
from tests.examples import examples

# ---------------------------------------------------------------------------- recordings


def speechlike(seconds: float, rate: int = SAMPLE_RATE, channels: int = 1) -> np.ndarray:
    """int16 [n, c]: tones that move, other in every channel, and a little noise."""
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * (300 + 90 * c) * time + np.sin(5 * time)) for c in range(channels)]
    signal = 0.3 * np.stack(tones, 1) + 0.02 * random.standard_normal((len(time), channels))
    return np.rint(32767 * signal.clip(-1, 1)).astype(np.int16)


def wav(samples: np.ndarray, rate: int = SAMPLE_RATE) -> bytes:
    """The bytes of a PCM file with int16 samples [n, c]."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def encoded(
    container: str,
    codec: str,
    samples: np.ndarray,
    rate: int = SAMPLE_RATE,
    *,
    video_frames: int = 0,
    options: dict[str, str] | None = None,
) -> bytes:
    """The bytes of a file with samples [n, c] (mono or stereo), and a picture if asked for."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        video: Any = output.add_stream("mpeg4", rate=10) if video_frames else None
        audio: Any = None
        if samples.size:
            audio = output.add_stream(
                codec, rate=rate, layout=("mono", "stereo")[samples.shape[1] - 1]
            )
        if video is not None:
            video.width = video.height = 32
            for _ in range(video_frames):
                output.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
            output.mux(video.encode(None))
        if audio is not None:
            layout = audio.codec_context.layout.name
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            resampler = av.AudioResampler(audio.format, layout, rate, audio.frame_size or None)
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                output.mux(audio.encode(part))
    return file.getvalue()


class Pipe:
    """A stream that can only be read, in pieces of its own choice."""

    def __init__(self, data: bytes, most: int = 3001) -> None:
        self._file = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._most))


MONO = speechlike(1.5)
MONO_FLOATS = MONO[:, 0].astype(np.float32) / 32768


# ---------------------------------------------------------------------------- kinds of source


def test_all_kinds_of_source_give_the_same_samples(tmp_path: Path) -> None:
    data = wav(MONO)
    path = tmp_path / "recording.wav"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources: list[Any] = [path, str(path), data, bytearray(data), io.BytesIO(data), Pipe(data)]
        for source in [*sources, file]:
            samples = read_audio(source)
            assert samples.dtype == np.float32
            assert samples.flags.writeable
            np.testing.assert_array_equal(samples, MONO_FLOATS)
        assert not file.closed
    for array in (MONO, MONO[:, 0], MONO_FLOATS, MONO_FLOATS.astype(">f8"), MONO.astype(">i2")):
        np.testing.assert_array_equal(read_audio(array, input_rate=SAMPLE_RATE), MONO_FLOATS)


@pytest.mark.parametrize("as_pipe", [False, True])
@pytest.mark.parametrize(
    ("container", "codec", "video_frames"),
    [
        ("flac", "flac", 0),
        ("mp3", "libmp3lame", 0),
        ("ogg", "libopus", 0),
        ("mp4", "aac", 0),
        ("mp4", "aac", 15),
        ("matroska", "libopus", 15),
    ],
)
def test_codecs_and_containers(
    container: str, codec: str, video_frames: int, as_pipe: bool
) -> None:
    stereo = speechlike(1.5, 48_000, 2)
    data = encoded(container, codec, stereo, 48_000, video_frames=video_frames)
    samples = read_audio(Pipe(data) if as_pipe else data)  # type: ignore[arg-type]
    wanted = read_audio(stereo, input_rate=48_000)
    assert abs(samples.size - wanted.size) < 0.1 * SAMPLE_RATE
    common = min(samples.size, wanted.size)
    shift = np.argmax([np.dot(samples[s:common], wanted[: common - s]) for s in range(32)])
    error = samples[shift:common] - wanted[: common - shift]
    assert np.sqrt(np.mean(error[800:-800] ** 2)) < 0.02


def test_file_object_is_read_from_where_it_stands() -> None:
    for data in (wav(MONO), encoded("mp4", "aac", MONO), encoded("mp3", "libmp3lame", MONO)):
        file = io.BytesIO(b"header of another format" + data)
        file.seek(24)
        np.testing.assert_array_equal(read_audio(file), read_audio(data))
        assert not file.closed


def test_file_with_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("http:call.wav").write_bytes(wav(MONO))
    assert read_audio("http:call.wav").size == len(MONO)


def test_tags_in_an_old_encoding() -> None:
    title = "Привет".encode("cp1251")
    info = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    data = wav(MONO)
    at = data.index(b"data")
    data = data[:at] + b"LIST" + len(info).to_bytes(4, "little") + info + data[at:]
    assert read_audio(data).size == len(MONO)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(wav(MONO),))
    writer.start()
    np.testing.assert_array_equal(read_audio(path), MONO_FLOATS)
    writer.join()


def test_format_may_change_within_a_file() -> None:
    bare = {"write_xing": "0", "id3v2_version": "0"}
    parts = [
        encoded("mp3", "libmp3lame", speechlike(1, rate, channels), rate, options=bare)
        for rate, channels in ((16_000, 1), (44_100, 2))
    ]
    assert read_audio(b"".join(parts)).size == pytest.approx(2 * SAMPLE_RATE, rel=0.1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rates_and_channels(rate: int, channels: int) -> None:
    samples = speechlike(0.5, rate, channels)
    from_file = read_audio(wav(samples, rate))
    assert from_file.size == SAMPLE_RATE // 2
    np.testing.assert_array_equal(read_audio(samples, input_rate=rate), from_file)
    from_floats = read_audio(samples / 32768, input_rate=rate)
    np.testing.assert_allclose(from_floats, from_file, atol=6 / 32768)


@pytest.mark.parametrize("channel", [-1, 2])
@pytest.mark.parametrize("as_file", [True, False])
def test_channel_that_is_not_there(channel: int, as_file: bool) -> None:
    samples = speechlike(0.5, channels=2)
    source, rate = (wav(samples), None) if as_file else (samples, SAMPLE_RATE)
    with pytest.raises(AudioError, match=f"channel={channel}, but the recording has 2"):
        iter_audio(source, input_rate=rate, channel=channel)


def test_target_rate() -> None:
    assert read_audio(wav(MONO), sample_rate=8_000).size == len(MONO) // 2
    np.testing.assert_array_equal(read_audio(wav(MONO, 8_000), sample_rate=8_000), MONO_FLOATS)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("length", [1, 2, 7, 400])
def test_very_short_recordings_keep_a_sample(length: int, rate: int) -> None:
    samples = np.full((length, 1), 1000, np.int16)
    assert read_audio(wav(samples, rate)).size >= 1
    assert read_audio(samples[:, 0], input_rate=rate).size >= 1


def test_loud_floats_are_not_clipped() -> None:
    samples = np.array([3.5, -2, 1e-7] * 300)
    np.testing.assert_array_equal(
        read_audio(samples, input_rate=16_000), samples.astype(np.float32)
    )


def test_eight_threads() -> None:
    files = [
        encoded("mp3", "libmp3lame", speechlike(1 + i / 8, 44_100, 2), 44_100) for i in range(8)
    ]
    alone = [read_audio(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_audio, files * 4))
    for samples, wanted in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(samples, wanted)


# ---------------------------------------------------------------------------- blocks, duration


@settings(max_examples=examples(30))
@given(block_s=st.floats(0.002, 3), rate=st.sampled_from([8_000, 16_000, 44_100]))
def test_blocks_join_to_the_whole(block_s: float, rate: int) -> None:
    data = wav(MONO, rate)
    blocks = list(iter_audio(data, block_s=block_s))
    size = round(block_s * SAMPLE_RATE)
    assert {block.size for block in blocks[:-1]} <= {size}
    assert 0 < blocks[-1].size <= size
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(data))


def test_blocks_come_before_the_end_of_a_stream() -> None:
    class Endless(Pipe):
        def __init__(self) -> None:
            super().__init__(wav(MONO)[:44])
            self.given = 0

        def read(self, size: int = -1) -> bytes:
            data = super().read(size) or bytes(size)
            self.given += len(data)
            return data

    stream = Endless()
    header = bytearray(wav(MONO)[:44])
    header[4:8] = header[40:44] = b"\xff" * 4  # what ffmpeg writes into a pipe
    stream._file = io.BytesIO(bytes(header))
    blocks = iter_audio(stream, block_s=1)  # type: ignore[arg-type]
    for _ in range(3):
        assert next(blocks).size == SAMPLE_RATE
    assert stream.given < 2 * 4 * SAMPLE_RATE + (1 << 20)
    blocks.close()  # type: ignore[attr-defined]


def test_arguments_are_checked_before_the_first_block(tmp_path: Path) -> None:
    with pytest.raises(AudioFileNotFoundError):
        iter_audio(tmp_path / "missing.wav")
    for block_s in (0, -1, float("nan"), float("inf")):
        with pytest.raises(AudioError, match="block_s"):
            iter_audio(wav(MONO), block_s=block_s)


def test_duration(tmp_path: Path) -> None:
    data = wav(MONO)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    file = io.BytesIO(b"12345" + data)
    file.seek(5)
    assert [duration_s(source) for source in (path, data, file)] == [1.5] * 3
    assert file.tell() == 5
    assert duration_s(Pipe(data)) is None  # type: ignore[arg-type]
    assert duration_s(MONO, input_rate=8_000) == 3
    assert duration_s(encoded("mp3", "libmp3lame", MONO)) == pytest.approx(1.5, abs=0.1)
    untagged = encoded("mp3", "libmp3lame", MONO, options={"write_xing": "0"})
    assert duration_s(untagged) is None
    assert duration_s(encoded("adts", "aac", MONO)) is None


# ---------------------------------------------------------------------------- arrays

FLOATS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.integers(9, 64)),
    elements=st.floats(-4, 4, width=32),
)


@pytest.mark.filterwarnings("ignore:.*cancel each other out")  # such arrays are drawn, too
@settings(max_examples=examples(50))
@given(FLOATS, st.sampled_from([8_000, 16_000, 48_000]))
def test_both_layouts_mean_the_same(samples: np.ndarray, rate: int) -> None:
    before = samples.copy()
    one = read_audio(samples, input_rate=rate)
    other = read_audio(np.ascontiguousarray(samples.T), input_rate=rate)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(samples, before)
    assert not np.shares_memory(one, samples)


@given(
    st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]),
    st.lists(st.floats(-1, 1), min_size=1, max_size=50),
)
def test_integers_are_scaled_by_their_dtype(dtype: str, values: list[float]) -> None:
    bounds = np.iinfo(dtype)
    half = (int(bounds.max) - int(bounds.min) + 1) // 2
    middle = half if bounds.min == 0 else 0
    integers = [min(max(round(v * half) + middle, bounds.min), bounds.max) for v in values]
    integers[0] = bounds.max
    wanted = np.array([(i - middle) / half for i in integers])
    samples = read_audio(np.array(integers, dtype), input_rate=SAMPLE_RATE)
    np.testing.assert_allclose(samples, wanted, rtol=1e-6, atol=1e-7)


def test_stereo_is_averaged() -> None:
    left = np.linspace(-1, 1, 1000, dtype=np.float32)
    samples = read_audio(np.stack([left, np.zeros_like(left)]), input_rate=SAMPLE_RATE)
    np.testing.assert_allclose(samples, left / 2, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors(dtype: torch.dtype) -> None:
    tensor = (torch.from_numpy(MONO[:, 0]) / 32768).to(dtype)
    wanted = tensor.float().numpy()
    np.testing.assert_array_equal(read_audio(tensor, input_rate=SAMPLE_RATE), wanted)
    tensor.requires_grad_()
    np.testing.assert_array_equal(read_audio(tensor, input_rate=SAMPLE_RATE), wanted)
    integers = torch.from_numpy(MONO.T.copy())
    np.testing.assert_array_equal(read_audio(integers, input_rate=SAMPLE_RATE), MONO_FLOATS)


LONG = np.zeros(100, np.float32)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.array([0, np.nan] * 9), "NaN"),
        (np.array([0, -np.inf] * 9), "infinity"),
        (MONO.astype(np.float32), "integers in a float array"),
        (MONO.astype(np.int64), "64-bit"),
        (LONG.astype(bool), "bool"),
        (LONG.astype(complex), "complex"),
        (LONG.astype(object), "object"),
        (LONG[:0], "no samples"),
        (np.zeros((2, 0)), "no samples"),
        (np.zeros((2, 8)), "ambiguous"),
        (np.zeros((9, 9)), "channels"),
        (np.zeros((1, 2, 100)), "shape"),
        (np.zeros(()), "shape"),
    ],
)
def test_arrays_that_are_not_sound(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        read_audio(samples, input_rate=SAMPLE_RATE)


@pytest.mark.parametrize("rate", [None, 0, -16_000, 16_000.5, "16000", 10**9])
def test_rates_that_are_not_rates(rate: Any) -> None:
    with pytest.raises(AudioError, match="input_rate"):
        read_audio(LONG, input_rate=rate)
    if rate is not None:
        with pytest.raises(AudioError, match="sample_rate"):
            read_audio(wav(MONO), sample_rate=rate)


# ---------------------------------------------------------------------------- refused


def test_missing_files(tmp_path: Path) -> None:
    for source in (tmp_path / "no.wav", "", "nul\0", "http://127.0.0.1:1/a.wav", "x" * 5000):
        with pytest.raises(AudioFileNotFoundError) as caught:
            read_audio(source)
        assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(AudioFileNotFoundError, match="not fetched"):
        read_audio("https://example.com/a.wav")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="directory"):
        read_audio(tmp_path)


def test_text_in_a_wav_file(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("это не звук\n" * 500, "utf-8")
    with pytest.raises(AudioDecodingError, match=r"text\.wav") as caught:
        read_audio(path)
    assert isinstance(caught.value.__cause__, av.FFmpegError)
    for name in ("text.txt", "text.mp3", "text"):
        with pytest.raises(AudioDecodingError):
            read_audio(path.rename(tmp_path / name))
        path = tmp_path / name


@pytest.mark.parametrize("extension", [".mp3", ".aac", ".bin", ""])
def test_noise_is_not_a_recording(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"noise{extension}"
    path.write_bytes(hashlib.shake_256(b"seed").digest(3000))
    with pytest.raises(AudioDecodingError):
        read_audio(path)


def test_silent_video() -> None:
    with pytest.raises(AudioError, match="no audio stream"):
        read_audio(encoded("matroska", "", np.empty((0, 1), np.int16), video_frames=3))


def test_no_samples(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    for source in (empty, b"", io.BytesIO(), wav(MONO[:0]), io.BytesIO(wav(MONO[:0]))):
        with pytest.raises(AudioError, match="no samples"):
            read_audio(source)


@pytest.mark.parametrize("source", [None, 5, [0.1, 0.2], io.StringIO("text")])
def test_other_objects(source: Any) -> None:
    with pytest.raises(AudioError, match="binary"):
        read_audio(source)


def test_errors_of_a_file_object_come_through() -> None:
    class Broken(Pipe):
        def read(self, size: int = -1) -> bytes:
            if self._file.tell() > 9000:
                raise OSError("the cable is out")
            return super().read(size)

    with pytest.raises(OSError, match="the cable is out"):
        read_audio(Broken(wav(MONO)))  # type: ignore[arg-type]


def test_file_object_that_gives_too_much_is_stopped() -> None:
    class Generous(Pipe):
        def read(self, size: int = -1) -> bytes:
            return self._file.read()

    with pytest.raises(AudioError, match="when asked for"):
        read_audio(Generous(wav(MONO)))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- the network


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """The address of a server with a recording at every path, and the requests it saw."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(wav(MONO))

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


def playlists(target: str) -> dict[str, str]:
    """Files of all kinds that make a player open ``target``."""
    return {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=audio 5004 RTP/AVP 0\n",
        "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="audio/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "a.m3u": f"{target}\n",
        "a.pls": f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    }


@pytest.mark.parametrize("name", playlists(""))
@pytest.mark.parametrize("local", [False, True])
def test_nothing_is_fetched_or_followed(
    tmp_path: Path, web: tuple[str, list[str]], name: str, local: bool
) -> None:
    address, requests = web
    target = "secret.wav" if local else f"{address}/secret.wav"
    (tmp_path / "secret.wav").write_bytes(wav(MONO))
    text = playlists(target)[name]
    for path in (tmp_path / name, tmp_path / "renamed.wav", tmp_path / "renamed.mp3"):
        path.write_text(text)
        with path.open("rb") as file:
            for source in (path, file, text.encode()):
                with pytest.raises(AudioError):
                    read_audio(source)
    assert requests == []


def test_urls_are_not_opened(web: tuple[str, list[str]]) -> None:
    address, requests = web
    for scheme in ("", "file:", "cache:", "async:", "crypto+", "concat:", "subfile,,:", "data:"):
        with pytest.raises(AudioError):
            read_audio(f"{scheme}{address}/a.wav")
    file = io.BytesIO(b"#EXTM3U\n")
    file.name = f"{address}/a.m3u8"  # type: ignore[attr-defined]
    with pytest.raises(AudioError):
        read_audio(file)
    assert requests == []


# ---------------------------------------------------------------------------- damaged


@pytest.mark.parametrize("xing", ["0", "1"])
@pytest.mark.parametrize("kept", [0.5, 0.613])
def test_truncated_mp3(xing: str, kept: float) -> None:
    whole = encoded(
        "mp3", "libmp3lame", speechlike(4, 44_100), 44_100, options={"write_xing": xing}
    )
    with pytest.warns(AudioWarning, match="cut short"):
        samples = read_audio(whole[: int(kept * len(whole))])
    assert samples.size == pytest.approx(kept * 4 * SAMPLE_RATE, rel=0.05)
    read_audio(whole)  # and no warning, which would be an error


def test_truncated_wav_and_flac() -> None:
    for whole in (wav(MONO), encoded("flac", "flac", np.tile(MONO, (4, 1)))):
        with pytest.warns(AudioWarning, match="cut short"):
            part = read_audio(whole[: len(whole) * 2 // 3])
        np.testing.assert_array_equal(part, read_audio(whole)[: part.size])


@pytest.mark.parametrize("as_pipe", [False, True])
def test_wav_that_was_written_to_a_pipe_is_whole(as_pipe: bool) -> None:
    data = bytearray(wav(MONO))
    data[4:8] = data[40:44] = b"\xff" * 4
    source: Any = Pipe(bytes(data)) if as_pipe else bytes(data)
    np.testing.assert_array_equal(read_audio(source), MONO_FLOATS)


def test_ogg_without_its_end() -> None:
    whole = encoded("ogg", "libopus", speechlike(3, 48_000), 48_000)
    last_page = whole.rindex(b"OggS")
    samples = read_audio(whole[:last_page])
    assert samples.size > SAMPLE_RATE
    settled = samples.size - 200  # the resampler sees another end
    np.testing.assert_array_equal(samples[:settled], read_audio(whole)[:settled])


def test_damage_in_the_middle_costs_only_what_it_hit() -> None:
    data = bytearray(encoded("flac", "flac", speechlike(8)))
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    with pytest.warns(AudioWarning):
        assert read_audio(bytes(data)).size > 6 * SAMPLE_RATE


def test_decoding_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoded("mp3", "libmp3lame", speechlike(2))
    with pytest.warns(AudioWarning):
        read_audio(whole[: len(whole) // 2])
    with pytest.raises(AudioError):
        read_audio(bytes(range(256)) * 40)
    assert capfd.readouterr() == ("", "")


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, numpy; from gigaam.audio import read_audio;"
        "read_audio(numpy.zeros(50), input_rate=8000); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("rate", [8000, np.int64(8000)])
def test_samples_may_come_with_their_rate_in_either_order(rate: Any) -> None:
    stereo = np.random.default_rng(5).normal(0, 0.1, (2, 4000)).astype(np.float32)
    expected = read_audio(stereo, input_rate=8000)
    for source in ((stereo, rate), (rate, stereo), (rate, torch.from_numpy(stereo))):
        np.testing.assert_array_equal(read_audio(source), expected)
        np.testing.assert_array_equal(read_audio(source, input_rate=8000), expected)
        assert duration_s(source) == 0.5
        assert channel_count(source) == 2
    with pytest.raises(AudioError, match="rate of 8000 Hz, input_rate=16000"):
        read_audio((stereo, rate), input_rate=16_000)


def test_other_pairs_are_no_samples_with_a_rate() -> None:
    samples = np.zeros(800, np.float32)
    for source in ((samples, samples), (8000, 8000), ("a.wav", 8000), (samples, 8000.0)):
        with pytest.raises(AudioError, match="audio is a path"):
            read_audio(source)  # type: ignore[arg-type]
