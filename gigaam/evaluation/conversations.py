"""A recogniser over conversations: words and the diarizer's turns, of one hearing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.decoding import DecodingOptions
from gigaam.recognition import SpeechRecognition
from gigaam.speakers.turns import DiarizationStream, SpeakerCount, SpeakerDiarizer, Turn
from gigaam.types import Word

__all__ = ["Conversation", "hear_conversation"]


@dataclass(frozen=True)
class Conversation:
    """What was heard in a recording.

    Attributes:
        text: All of its text.
        words: Its words in their order, each with its speaker; None where there are no turns.
        turns: Who speaks when.
    """

    text: str
    words: Sequence[Word]
    turns: Sequence[Turn]

    @property
    def n_speakers(self) -> int:
        """How many people were heard."""
        return len({turn.speaker for turn in self.turns})


def hear_conversation(
    model: SpeechRecognition,
    samples: NDArray[np.float32],
    speakers: tuple[SpeakerDiarizer, SpeakerCount],
    batch_size: int,
    decoding: DecodingOptions | None,
) -> Conversation:
    """What a recogniser and a diarizer hear in a recording.

    Args:
        model: The recogniser.
        samples: float32 [n], mono, 16 kHz.
        speakers: What tells them apart, and how many there are.
        batch_size: Chunks per pass of the encoder.
        decoding: How tokens are searched for.
    """
    diarizer, count = speakers
    keeping = _Keeping(diarizer)
    result = model.transcribe_longform(
        samples,
        word_timestamps=True,
        batch_size=batch_size,
        input_rate=SAMPLE_RATE,
        decoding=decoding,
        speakers=(keeping, count),
    )
    words = [word for segment in result for word in segment.words or ()]
    return Conversation(result.text, words, keeping.turns)


class _Keeping:
    """A diarizer of one recording that keeps its turns: the long form gives words alone."""

    def __init__(self, diarizer: SpeakerDiarizer) -> None:
        self._diarizer = diarizer
        self.turns: Sequence[Turn] = ()

    def stream(self, count: SpeakerCount) -> DiarizationStream:
        """Hear the recording from its start on."""
        return _KeepingStream(self._diarizer.stream(count), self)


class _KeepingStream:
    def __init__(self, stream: DiarizationStream, keeping: _Keeping) -> None:
        self._stream = stream
        self._keeping = keeping

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples."""
        self._stream.feed(samples)

    def finish(self) -> list[Turn]:
        """All turns; the recording has ended."""
        turns = self._stream.finish()
        self._keeping.turns = turns
        return turns
