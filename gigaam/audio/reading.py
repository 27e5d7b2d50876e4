"""Any recording as float32 mono samples: files, streams and arrays, through FFmpeg in-process.

Files end on the grid of 16-bit PCM, as ``ffmpeg -ac 1 -ar 16000 -f s16le`` would write them;
float arrays are neither quantised nor clipped. `gigaam.audio.recording` does the work.

Legend: n samples, c channels. Samples are float32 of full scale ±1, rates are in Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.audio.arrays import as_array, is_rated, without_rate
from gigaam.audio.recording import BLOCK_S, SAMPLE_RATE, AudioSource, Recording
from gigaam.audio.sources import is_pipe, is_seekable

__all__ = [
    "SAMPLE_RATE",
    "AudioSource",
    "channel_count",
    "duration_s",
    "is_rated",
    "iter_audio",
    "read_audio",
]


def read_audio(
    source: AudioSource,
    *,
    sample_rate: int = SAMPLE_RATE,
    input_rate: int | None = None,
    track: int | None = None,
) -> NDArray[np.float32]:
    """All samples of a recording, mono, at ``sample_rate``.

    They lie where the clock of the file puts them, which has its own rules: `gigaam.audio.clock`.

    Args:
        source: A path, the bytes of a file, a binary file object (read from its current position,
            never closed), or samples: a numpy array or torch tensor ``[n]``, ``[c, n]`` or
            ``[n, c]`` (the axis shorter than 9 is channels). Integers are scaled by their dtype.
            A pair of them and their rate, in either order, is taken too.
        sample_rate: The rate wanted.
        input_rate: The rate of an array; files state their own, and this is ignored for them.
        track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.

    Returns:
        float32 ``[n]``, at least one sample, owned by the caller.

    Raises:
        AudioFileNotFoundError: No such file (or a URL, which is never fetched).
        AudioDecodingError: FFmpeg finds no audio in the source or cannot decode it.
        AudioError: No samples, no such track, or what cannot be sound as it is.
    """
    joined = np.empty(0, np.float32)
    filled = 0
    for block in iter_audio(source, sample_rate=sample_rate, input_rate=input_rate, track=track):
        end = filled + block.size
        if end > joined.size:  # resize() reallocates in place: one copy of the audio in memory
            joined.resize(max(end, joined.size * 5 // 4), refcheck=False)
        joined[filled:end] = block
        filled = end
    joined.resize(filled, refcheck=False)
    return joined


def iter_audio(
    source: AudioSource,
    *,
    sample_rate: int = SAMPLE_RATE,
    input_rate: int | None = None,
    block_s: float = BLOCK_S,
    channel: int | None = None,
    track: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Blocks of a recording as they are decoded, in bounded memory; see `read_audio`.

    Args:
        source: As in `read_audio`.
        sample_rate: The rate wanted.
        input_rate: The rate of an array.
        block_s: Seconds in every block but the last, which may be shorter.
        channel: The only one to be heard, from 0; by default all are mixed.
        track: As in `read_audio`.

    Returns:
        An iterator of float32 ``[n]``. Arguments are checked, and a file is opened, before the
        first block is asked for; an error in the middle of a file comes in its place.
    """
    recording = Recording(source, input_rate=input_rate, track=track)
    if channel is not None:
        return recording.blocks_of_channel(channel, block_s, sample_rate=sample_rate)
    return recording.blocks(block_s, sample_rate=sample_rate)


def duration_s(
    source: AudioSource, *, input_rate: int | None = None, track: int | None = None
) -> float | None:
    """Length in seconds as the header states it, without decoding; None if it does not.

    Streams that cannot be rewound, and pipes, say None as well; others are left where they were.
    """
    if as_array(without_rate(source, input_rate)[0], track) is None and is_pipe(source):
        return None
    file: Any = source if hasattr(source, "read") else None
    if file is None:
        return _stated_s(source, input_rate, track)
    if not is_seekable(file):
        return None
    with _left_in_place(file):
        return _stated_s(file, input_rate, track)


def channel_count(source: AudioSource, *, track: int | None = None) -> int:
    """Channels of a recording, as its header states them.

    A stream that can be rewound is left where it was.
    """
    with _left_in_place(source), closing(Recording(source, track=track)) as recording:
        return recording.n_channels


@contextmanager
def _left_in_place(source: Any) -> Iterator[None]:
    """A stream that can be rewound is where it was afterwards."""
    position = source.tell() if hasattr(source, "read") and is_seekable(source) else None
    try:
        yield
    finally:
        if position is not None:
            source.seek(position)


def _stated_s(source: AudioSource, input_rate: int | None, track: int | None) -> float | None:
    with closing(Recording(source, input_rate=input_rate, track=track)) as recording:
        return recording.duration_s
