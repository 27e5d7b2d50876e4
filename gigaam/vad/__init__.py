"""Voice activity detection: where speech is in a recording.

`gigaam.vad.speech` says what a detector is; Silero's and pyannote's have a module each.
"""

from gigaam.vad.speech import (
    EverythingIsSpeech,
    Region,
    RegionBuilder,
    SpeechDetector,
    SpeechStream,
    Vad,
    VadOptions,
)

__all__ = [
    "EverythingIsSpeech",
    "Region",
    "RegionBuilder",
    "SpeechDetector",
    "SpeechStream",
    "Vad",
    "VadOptions",
]
