"""What both nets say of a recording while it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.onnx.engine import onnxruntime
from gigaam.speakers.segmentation import Frames, SegmentationStream
from gigaam.speakers.voices import Piece, VoiceStream

__all__ = ["SpeakerNets", "SpeechStream"]


@dataclass(frozen=True)
class SpeakerNets:
    """The sessions of both nets. Threads may share it.

    Attributes:
        segmentation: Who speaks when within ten seconds.
        embedding: What a voice is like.
    """

    segmentation: onnxruntime.InferenceSession
    embedding: onnxruntime.InferenceSession


class SpeechStream:
    """One recording that is being heard.

    Attributes:
        n_speakers: How many speak, for each `Frames` that were certain at once, int8 [T].
    """

    def __init__(self, nets: SpeakerNets) -> None:
        """A recording of which nothing was heard yet.

        Args:
            nets: Hear it.
        """
        self.n_speakers: list[NDArray[np.int8]] = []
        self._segmentation = SegmentationStream(nets.segmentation)
        self._voices = VoiceStream(nets.embedding)

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples, float32 [n], mono, 16 kHz."""
        self._voices.feed(samples)
        self._take(self._segmentation.feed(samples))

    def finish(self) -> list[Piece]:
        """Speech of one person each, in order; the recording has ended."""
        self._take(self._segmentation.finish())
        return self._voices.finish()

    def _take(self, certain: Sequence[Frames]) -> None:
        for frames in certain:
            self.n_speakers.append(frames.n_speakers.astype(np.int8))
            self._voices.hear(frames)
