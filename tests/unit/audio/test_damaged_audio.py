"""Recordings that fuzzing found: headers that lead nowhere, or tell of no channels."""

import io
import struct

import av
import numpy as np
import pytest

from gigaam.audio import channel_count, iter_audio, read_audio
from gigaam.errors import AudioDecodingError, AudioError


def encoded(container: str, codec: str, seconds: float = 0.5) -> bytes:
    target = io.BytesIO()
    t = np.arange(round(16_000 * seconds)) / 16_000
    tone = (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for each in (frame, None):
            for packet in stream.encode(each):
                output.mux(packet)
    return target.getvalue()


@pytest.mark.filterwarnings("ignore::gigaam.errors.AudioWarning")
@pytest.mark.parametrize(("container", "codec"), [("w64", "pcm_s16le"), ("caf", "pcm_s16le")])
def test_what_follows_the_samples_may_name_any_place(container, codec, tmp_path):
    whole = encoded(container, codec)
    # Read as the header of one more chunk, this tells of a size that leads out of every file.
    path = tmp_path / f"recording.{container}"
    path.write_bytes(whole + b"\x7f" * 1000)
    expected = read_audio(whole)
    assert np.array_equal(read_audio(path.read_bytes())[: len(expected)], expected)
    assert np.array_equal(read_audio(path)[: len(expected)], expected)
    with path.open("rb") as file:
        assert np.array_equal(read_audio(file)[: len(expected)], expected)


def test_a_file_object_that_fails_to_move_is_still_heard_of(tmp_path):
    class Failing(io.BytesIO):
        def seek(self, offset, whence=0, /):
            if offset > 100_000:
                raise OSError(5, "the disk is broken")
            return super().seek(offset, whence)

    long = encoded("mp4", "aac", 60.0)  # its index stands at the end
    assert len(long) > 200_000
    with pytest.raises(OSError, match="the disk is broken"):
        read_audio(Failing(long))


def test_a_header_without_channels_is_an_error_for_those_who_ask_for_one():
    form = struct.pack("<HHIIHH", 7, 0, 8000, 8000, 1, 8)
    body = (
        b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 800) + bytes(800)
    )
    content = b"RIFF" + struct.pack("<I", len(body)) + body
    with pytest.raises(AudioError, match="does not tell how many channels"):
        channel_count(content)
    with pytest.raises(AudioError, match="does not tell how many channels"):
        next(iter_audio(content, channel=0))
    with pytest.raises(AudioDecodingError):
        read_audio(content)
