"""Any source of sound → float32 mono samples at 16 kHz: files, streams and arrays.

`gigaam.audio.reading` is the entrance, `gigaam.audio.recording` a source that was opened; the other
modules open containers, follow their clocks, resample.
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
from gigaam.audio.recording import Recording

__all__ = [
    "SAMPLE_RATE",
    "AudioSource",
    "Recording",
    "channel_count",
    "duration_s",
    "is_rated",
    "iter_audio",
    "read_audio",
]
