"""Any source of sound → float32 mono samples at 16 kHz: files, streams and arrays.

`gigaam.audio.reading` is the entrance; the other modules open containers, follow their clocks,
resample.
"""

from gigaam.audio.reading import (
    SAMPLE_RATE,
    AudioSource,
    channel_count,
    duration_s,
    is_rated,
    iter_audio,
    read_audio,
)

__all__ = [
    "SAMPLE_RATE",
    "AudioSource",
    "channel_count",
    "duration_s",
    "is_rated",
    "iter_audio",
    "read_audio",
]
