"""Who speaks when: turns of speakers, and the words of each.

`transcribe_longform` takes ``speakers``; `diarize` gives turns alone.
"""

from gigaam.speakers.graphs import load
from gigaam.speakers.listening import SpeakerListener, Speakers, diarize, diarizer_of
from gigaam.speakers.local import LocalDiarizer
from gigaam.speakers.turns import DiarizationStream, SpeakerCount, SpeakerDiarizer, Turn

__all__ = [
    "DiarizationStream",
    "LocalDiarizer",
    "SpeakerCount",
    "SpeakerDiarizer",
    "SpeakerListener",
    "Speakers",
    "Turn",
    "diarize",
    "diarizer_of",
    "load",
]
