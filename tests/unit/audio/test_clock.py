"""Sound by the file's own clock: late starts, gaps, lost packets, and clocks that lie."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio import SAMPLE_RATE, duration_s, iter_audio, read_audio
from gigaam.audio.clock import LONGEST_SILENCE_S, RESET_S, TOLERANCE_S, Clock
from gigaam.errors import AudioWarning
from tests.unit.audio.test_audio import encoded

FRAME_S = 0.02
RATE = 48_000


def stamped(
    container: str,
    codec: str,
    stamps: Iterable[tuple[float, float]],
    *,
    video_s: float = 0.0,
    channels: int = 1,
) -> bytes:
    """A file of four seconds of noise whose packets were moved.

    Args:
        container: FFmpeg's name.
        codec: Likewise.
        stamps: From which second on packets come how many seconds later, in order.
        video_s: Length of a video from the start on; none if 0.
        channels: Of the noise.
    """
    file = io.BytesIO()
    layout = ("mono", "stereo")[channels - 1]
    noise = np.random.default_rng(0).normal(0, 4000, (1, 4 * RATE * channels)).astype(np.int16)
    with av.open(file, "w", format=container) as output:
        video: Any = output.add_stream("mpeg4", rate=10) if video_s else None
        audio: Any = output.add_stream(codec, rate=RATE, layout=layout)
        if video is not None:
            video.width = video.height = 32
            for _ in range(round(video_s * 10)):
                output.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
            output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(noise, "s16", layout)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
        resampler = av.AudioResampler(audio.format, layout, RATE, audio.frame_size or 960)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in audio.encode(part):
                at_s = float(packet.pts * packet.time_base)
                later_s = [late_s for from_s, late_s in stamps if at_s >= from_s - 1][-1]
                packet.pts += round(later_s / packet.time_base)
                packet.dts = packet.pts
                output.mux(packet)
    return file.getvalue()


def silences(samples: np.ndarray) -> list[tuple[float, float]]:
    """Where the noise pauses for over 50 ms, seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.01) / SAMPLE_RATE
    edges = [0.0, *loud, len(samples) / SAMPLE_RATE]
    return [(start, end) for start, end in pairwise(edges) if end - start > 0.05]


WHOLE = [(0.0, 0.0)]
CONTAINERS = [
    ("mp4", "aac"),
    ("mpegts", "aac"),
    ("matroska", "aac"),
    ("webm", "libopus"),
    ("matroska", "flac"),
    ("flv", "aac"),
]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_a_gap_is_silence(container: str, codec: str) -> None:
    data = stamped(container, codec, [(0, 0), (3, 5.0)])
    samples = read_audio(data)  # without a warning, which would be an error
    ((start, end),) = silences(samples)
    assert start == pytest.approx(2, abs=0.1)
    assert end - start == pytest.approx(5, abs=0.05)
    assert samples.size / SAMPLE_RATE == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), CONTAINERS[:3])
def test_sound_that_begins_after_the_picture(container: str, codec: str) -> None:
    data = stamped(container, codec, [(0, 3.0)], video_s=8)
    samples = read_audio(data)
    assert silences(samples) == [(0, pytest.approx(3, abs=0.08))]
    stated_s = duration_s(data)
    assert stated_s is None or stated_s == pytest.approx(samples.size / SAMPLE_RATE, abs=1.2)


@pytest.mark.parametrize("start_s", [0.05, 7.0, 90_000.0])
def test_the_clock_counts_from_the_start_of_the_file(start_s: float) -> None:
    for container, codec in (("matroska", "aac"), ("mpegts", "aac"), ("webm", "libopus")):
        moved = read_audio(stamped(container, codec, [(0, start_s)]))
        np.testing.assert_array_equal(moved, read_audio(stamped(container, codec, WHOLE)))


def test_both_channels_and_blocks() -> None:
    data = stamped("matroska", "aac", [(0, 0), (3, 5.0)], channels=2)
    mixed = read_audio(data)
    for channel in (0, 1):
        blocks = list(iter_audio(data, channel=channel, block_s=0.5))
        assert {block.size for block in blocks[:-1]} == {SAMPLE_RATE // 2}
        alone = np.concatenate(blocks)
        assert alone.size == mixed.size
        np.testing.assert_allclose(silences(alone), silences(mixed), atol=0.01)


def test_a_long_gap_takes_no_memory() -> None:
    data = stamped("matroska", "pcm_s16le", [(0, 0), (3, 2400.0)])
    tracemalloc.start()
    n_samples = sum(block.size for block in iter_audio(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_samples == pytest.approx(2404 * SAMPLE_RATE, rel=1e-4)
    assert peak < 20e6


def test_a_gap_of_many_hours_is_none() -> None:
    data = stamped("matroska", "aac", [(0, 0), (3, 2 * LONGEST_SILENCE_S)])
    with pytest.warns(AudioWarning, match="jumps by 8 hours"):
        samples = read_audio(data)
    assert samples.size == pytest.approx(4 * SAMPLE_RATE, rel=0.02)


def test_lost_packets_leave_their_time() -> None:
    data = bytearray(stamped("mp4", "aac", WHOLE))
    with av.open(io.BytesIO(bytes(data))) as file:
        for packet in file.demux(audio=0):
            if packet.size and 1 <= packet.pts * packet.time_base < 2:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    with pytest.warns(AudioWarning, match="damaged"):
        samples = read_audio(bytes(data))
    assert samples.size == pytest.approx(4 * SAMPLE_RATE, rel=0.02)
    ((start, end),) = silences(samples)
    assert (start, end) == (pytest.approx(1, abs=0.1), pytest.approx(2, abs=0.1))


def test_sound_missing_from_a_format_without_gaps_is_told() -> None:
    noise = np.random.default_rng(0).normal(0, 4000, (8 * SAMPLE_RATE, 1)).astype(np.int16)
    data = bytearray(encoded("flac", "flac", noise))
    middle = len(data) // 2
    data[middle : middle + 30_000] = bytes(30_000)
    with pytest.warns(AudioWarning, match="damaged"):
        samples = read_audio(bytes(data))
    assert samples.size == len(noise)


# ---------------------------------------------------------------------------- stamps alone


def frames_at(stamps_s: Sequence[float | None]) -> list[Any]:
    """Frames of 20 ms with these stamps."""
    frames = []
    for stamp_s in stamps_s:
        frame = av.AudioFrame("s16", "mono", 320)
        frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
        frame.pts = None if stamp_s is None else round(stamp_s * 16_000)
        frames.append(frame)
    return frames


def placed(stamps_s: Sequence[float | None], origin_s: float | None = 0.0) -> list[Any]:
    """Stamps as they come out, and the lengths of silence between them, seconds."""
    frames = frames_at(stamps_s)
    own = {id(frame): stamp for frame, stamp in zip(frames, stamps_s, strict=True)}
    out: list[Any] = []
    silence = 0
    for frame in Clock(origin_s).placed(iter(frames)):
        if id(frame) in own:
            out += [round(silence / 16_000, 3)] if silence else []
            out.append(own[id(frame)])
            silence = 0
        else:
            silence += frame.samples
    assert not silence
    return out


STEADY = [FRAME_S * i for i in range(50)]


@settings(max_examples=50)
@given(
    st.lists(st.floats(-TOLERANCE_S / 2, TOLERANCE_S / 2), min_size=50, max_size=50),
    st.sampled_from([None, 0.0]),
)
def test_jitter_changes_nothing(jitter: list[float], origin_s: float | None) -> None:
    stamps = [at_s + by_s for at_s, by_s in zip(STEADY, jitter, strict=True)]
    stamps[0] = 0.0
    assert placed(stamps, origin_s) == stamps


@settings(max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), max_size=60))
def test_no_sound_is_dropped_and_silence_is_bounded(stamps: list[float | None]) -> None:
    clock = Clock(0.0)
    sound = frames_at(stamps)
    length_s = sum(f.samples for f in clock.placed(iter(sound))) / 16_000
    assert length_s == pytest.approx(clock.position_s)
    assert length_s == pytest.approx(len(sound) * FRAME_S + clock.silence_s, abs=0.01)
    assert clock.silence_s <= LONGEST_SILENCE_S
    out = [stamp for stamp in placed(stamps) if stamp in stamps]
    assert len(out) >= len(stamps)


@pytest.mark.parametrize(
    "stamps",
    [
        [0.0] * 50,
        [None] * 50,
        [float(i % 2) * 3600 for i in range(50)],
        [*STEADY[:20], 5000.0, *STEADY[21:]],
        [*STEADY[:20], *[9000.0 + i for i in range(3)], *STEADY[23:]],
        [*STEADY, *STEADY, *STEADY],
        [*(2**33 / 90_000 - 1 + at_s for at_s in STEADY), *STEADY],
        [*STEADY[:-1], 3600.0],
    ],
    ids=["zero", "none", "alternating", "one", "three", "joined", "wrapped", "last"],
)
def test_clocks_that_lie_are_not_followed(stamps: list[float | None]) -> None:
    assert placed(stamps, None) == stamps


def test_noise_of_half_a_second_adds_no_more_than_that() -> None:
    random = np.random.default_rng(0)
    stamps = [FRAME_S * i + random.uniform(-0.5, 0.5) for i in range(2000)]
    clock = Clock(0.0)
    list(clock.placed(iter(frames_at(stamps))))
    assert clock.silence_s < 1


def test_a_gap_after_an_overlap_makes_up_for_it() -> None:
    overlapping = [*STEADY, *(at_s - 0.5 + 1.0 for at_s in STEADY), *(at_s + 4 for at_s in STEADY)]
    assert [item for item in placed(overlapping) if item not in overlapping] == [2.0]


def test_after_a_new_beginning_gaps_are_seen_again() -> None:
    again = [at_s + 40 for at_s in STEADY]
    stamps = [*again, *STEADY, *(at_s + 3 for at_s in STEADY)]
    assert RESET_S < 40
    assert placed(stamps, None) == [*again, *STEADY, 2.0, *stamps[100:]]
