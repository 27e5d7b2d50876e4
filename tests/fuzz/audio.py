"""Damaged recordings in many containers, given as a path, bytes and a file object alike."""

import io
import math
import struct
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np

import gigaam
from gigaam.errors import GigaAMError
from tests.fuzz.cases import BrokenPromiseError, Case
from tests.fuzz.mutations import mutated
from tests.nets import random_asr

EXAMPLE = Path(gigaam.__file__).parent / "assets" / "example.wav"
SECONDS = 1.0

# Container, codec, its file's ending, sample rate, layout.
FORMATS = (
    ("wav", "pcm_s16le", "wav", 16000, "mono"),
    ("wav", "pcm_u8", "wav", 8000, "mono"),
    ("wav", "pcm_s24le", "wav", 44100, "stereo"),
    ("wav", "pcm_s32le", "wav", 192000, "mono"),
    ("wav", "pcm_f32le", "wav", 48000, "5.1"),
    ("wav", "pcm_f64le", "wav", 11025, "mono"),
    ("wav", "pcm_mulaw", "wav", 8000, "stereo"),
    ("wav", "adpcm_ms", "wav", 16000, "mono"),
    ("wav", "adpcm_ima_wav", "wav", 22050, "stereo"),
    ("w64", "pcm_s16le", "w64", 32000, "mono"),
    ("aiff", "pcm_s16be", "aiff", 16000, "stereo"),
    ("au", "pcm_s16be", "au", 7001, "mono"),
    ("caf", "pcm_s16le", "caf", 16000, "quad"),
    ("flac", "flac", "flac", 16000, "mono"),
    ("flac", "flac", "flac", 96000, "stereo"),
    ("mp3", "libmp3lame", "mp3", 16000, "mono"),
    ("mp3", "libmp3lame", "mp3", 44100, "stereo"),
    ("mp2", "mp2", "mp2", 44100, "mono"),
    ("ogg", "vorbis", "ogg", 44100, "stereo"),
    ("ogg", "libopus", "ogg", 48000, "stereo"),
    ("mp4", "aac", "m4a", 16000, "mono"),
    ("mp4", "aac", "m4a", 44100, "stereo"),
    ("mov", "alac", "mov", 44100, "mono"),
    ("matroska", "libopus", "mkv", 48000, "mono"),
    ("matroska", "pcm_s16le", "mka", 16000, "7.1"),
    ("webm", "libopus", "webm", 48000, "mono"),
    ("mpegts", "aac", "ts", 48000, "mono"),
    ("mpegts", "mp2", "ts", 48000, "stereo"),
    ("adts", "aac", "aac", 24000, "mono"),
    ("avi", "libmp3lame", "avi", 22050, "mono"),
    ("flv", "aac", "flv", 44100, "mono"),
    ("ac3", "ac3", "ac3", 48000, "5.1"),
    ("tta", "tta", "tta", 16000, "mono"),
    ("wv", "wavpack", "wv", 44100, "mono"),
)


@cache
def net() -> gigaam.GigaAMASR:
    """A recogniser so small that cases take no time."""
    return random_asr("v3_ctc")


@cache
def speech() -> np.ndarray:
    """The start of the packaged recording, int16 [n] at 16 kHz."""
    with wave.open(str(EXAMPLE), "rb") as file:
        return np.frombuffer(file.readframes(round(SECONDS * file.getframerate())), "<i2")


@cache
def encoded(container: str, codec: str, rate: int, layout: str, tracks: int = 1) -> bytes:
    """A recording in a file of that kind; b"" where this FFmpeg cannot write one."""
    target = io.BytesIO()
    try:
        with av.open(target, "w", format=container) as output:
            streams = [output.add_stream(codec, rate=rate) for _ in range(tracks)]
            for stream in streams:
                stream.layout = layout
                stream.codec_context.options = {"strict": "experimental"}  # FFmpeg's own Vorbis
            for stream in streams:
                for packet in _packets(stream):
                    output.mux(packet)
    except (av.FFmpegError, ValueError):
        return b""
    return target.getvalue()


def _packets(stream: Any) -> list[Any]:
    frame = av.AudioFrame.from_ndarray(speech()[None], format="s16", layout="mono")
    frame.sample_rate = 16_000
    resampler = av.AudioResampler(
        stream.codec_context.format, stream.layout, stream.rate, stream.codec_context.frame_size
    )
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return [packet for each in (*frames, None) for packet in stream.encode(each)]


def _whole(rng: Random) -> tuple[bytes, str, str]:
    """A file, its name's ending, and what it is."""
    while True:
        container, codec, suffix, rate, layout = rng.choice(FORMATS)
        tracks = rng.choice((1, 1, 1, 2, 3))
        content = encoded(container, codec, rate, layout, tracks)
        if content:
            return content, suffix, f"{codec} in {container}, {rate} Hz {layout} x {tracks}"


def _odd_wav(rng: Random) -> tuple[bytes, str, str]:
    """A WAV file whose header states anything."""
    odd = (0, 1, 2, 3, 7, 255, 4096, 65535)
    tag = rng.choice((1, 2, 3, 6, 7, 0x11, 0x31, 0x45, 0x55, 0xFF, 0xFFFE, rng.getrandbits(16)))
    channels, bits = rng.choice((1, 2, *odd)), rng.choice((8, 16, 24, 32, 64, *odd))
    rate = rng.choice((0, 1, 50, 999, 8000, 16000, 44100, 10**6, 10**8, 2**31, 2**32 - 1))
    align = rng.choice((channels * bits // 8, *odd)) & 0xFFFF
    form = struct.pack("<HHIIHH", tag, channels, rate, (rate * align) & 0xFFFFFFFF, align, bits)
    samples = speech().tobytes()
    size = rng.choice((len(samples), len(samples), 0, 1, 10, 2**31, 2**32 - 1))
    head = b"RIFF" + struct.pack("<I", rng.choice((36 + len(samples), 0, 2**32 - 1))) + b"WAVE"
    chunks = [b"fmt " + struct.pack("<I", 16) + form]
    if rng.random() < 0.3:
        chunks.insert(rng.randrange(2), b"LIST" + struct.pack("<I", 10) + bytes(10))
    content = head + b"".join(chunks) + b"data" + struct.pack("<I", size) + samples
    what = f"WAV: tag {tag}, {channels} channels, {bits} bits, {rate} Hz, align {align}, {size} B"
    return content, "wav", what


def _odd_floats(rng: Random) -> tuple[bytes, str, str]:
    """A WAV file of floats that are not what samples are."""
    floats = (speech() / 32768).astype("<f4")
    value = rng.choice((math.nan, math.inf, -math.inf, 1e30, 3e38, 1e-40, 1000.0))
    first = rng.choice((0, len(floats) // 2))
    floats[first : first + rng.choice((1, 100, len(floats)))] = value
    channels = rng.choice((1, 2))
    form = struct.pack("<HHIIHH", 3, channels, 16000, 64000 * channels, 4 * channels, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form
    body += b"data" + struct.pack("<I", floats.nbytes) + floats.tobytes()
    content = b"RIFF" + struct.pack("<I", len(body)) + body
    return content, "wav", f"WAV of floats with {value} from {first} on, {channels} channels"


def make(rng: Random, folder: Path) -> Case:
    """A file and one way to recognise it, from each of the three kinds of source."""
    maker = rng.choice((_whole, _whole, _whole, _whole, _whole, _whole, _odd_wav, _odd_floats))
    content, suffix, what = maker(rng)
    if maker is _whole and rng.random() < 0.95:
        content, damage = mutated(content, rng)
        what += f": {damage}"
    path = folder / f"recording.{suffix}"
    path.write_bytes(content)
    call = rng.choice((_short, _short, _long, _long, _split))
    return Case(f"{what}; {call.__name__.strip('_')}", lambda: _compared(call, path))


def _compared(call: Callable[[Any], str], path: Path) -> str:
    """The outcome of a call, which must be the same for a path and a file, for bytes and BytesIO.

    Those with a name may do better than those without: some formats are known by it alone.
    """
    with path.open("rb") as file:
        named = [_outcome(call, path), _outcome(call, file)]
    content = path.read_bytes()
    nameless = [_outcome(call, content), _outcome(call, io.BytesIO(content))]
    for pair, what in ((named, "path and file"), (nameless, "bytes and BytesIO")):
        results = [text if error is None else type(error).__name__ for text, error in pair]
        if len(set(results)) > 1:
            raise BrokenPromiseError(f"{what} differ: {results}")
    text, error = named[0]
    if error is not None:
        raise error
    return "text" if text.strip("|") else "empty text"


def _outcome(call: Callable[[Any], str], source: Any) -> tuple[str, GigaAMError | None]:
    try:
        return call(source), None
    except GigaAMError as error:
        return "", error


def _short(source: Any) -> str:
    return str(net().transcribe(source))


def _long(source: Any) -> str:
    return _checked(net().transcribe_longform(source, word_timestamps=True, vad="none"))


def _split(source: Any) -> str:
    return _checked(net().transcribe_longform(source, vad="none", channels="split"))


def _checked(result: gigaam.LongformTranscriptionResult) -> str:
    """The text of a result whose times are in order."""
    for segment in result:
        if not 0 <= segment.start <= segment.end < math.inf:
            raise BrokenPromiseError(f"a segment from {segment.start} to {segment.end}")
        for word in segment.words or ():
            if not segment.start - 0.1 <= word.start <= word.end <= segment.end + 0.1:
                raise BrokenPromiseError(f"{word} in {segment.start} to {segment.end}")
    return "|".join(segment.text for segment in result)
