"""Pieces of speech of one person each, and what their voices are like, while sound comes.

Legend: n samples, D dimensions of a voice (192).
"""

from __future__ import annotations

import math
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.onnx.engine import onnxruntime
from gigaam.speakers.features import kaldi_mel
from gigaam.speakers.segmentation import FRAME_SAMPLES, Frames, sample_of

__all__ = ["DIMENSIONS", "FRAME_S", "Piece", "VoiceStream", "voice_of"]

DIMENSIONS = 192
FRAME_S = FRAME_SAMPLES / 16_000

_LONGEST_FRAMES = round(2.0 / FRAME_S)
_MOST_OPEN_FRAMES = 4 * _LONGEST_FRAMES
_MOST_WAITING = 64
_SHORTEST_S = 0.35  # of what tells anything of a voice


@dataclass(frozen=True)
class Piece:
    """A stretch in which one person speaks.

    Attributes:
        first: Its first frame.
        end: The frame after its last one.
        voice: What it sounds like, float32 [D] of length 1; None if it is too short to tell.
    """

    first: int
    end: int
    voice: NDArray[np.float32] | None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.first) * FRAME_S


def voice_of(
    net: onnxruntime.InferenceSession, samples: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """What speech [n] of one person sounds like, float32 [D]; None if it is too short to tell."""
    if len(samples) < _SHORTEST_S * 16_000:
        return None
    features = kaldi_mel(samples)
    found = net.run(None, {"features": (features - features.mean(axis=0))[None]})[0][0]
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-9), np.float32)


class VoiceStream:
    """Cuts the speech of a recording into pieces, and has the net listen to each meanwhile."""

    def __init__(self, net: onnxruntime.InferenceSession) -> None:
        """A recording of which nothing was heard yet.

        Args:
            net: Gives voices; it is run by several threads.
        """
        self._net = net
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, 8), "gigaam-voices")
        self._pieces: list[tuple[int, int, Future[NDArray[np.float32] | None]]] = []
        self._samples = np.zeros(0, np.float32)
        self._n_dropped = 0
        self._n_frames = 0
        self._first: int | None = None  # of the stretch that is open

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Keep samples, float32 [n], until their frames are certain."""
        self._samples = np.concatenate([self._samples, samples])

    def hear(self, frames: Frames) -> None:
        """Cut what ends in the next frames."""
        for speakers, changes in zip(frames.n_speakers, frames.changes, strict=True):
            if self._first is not None and (speakers != 1 or changes):
                self._cut(self._n_frames)
            if speakers == 1 and self._first is None:
                self._first = self._n_frames
            self._n_frames += 1
            if self._first is not None and self._n_frames - self._first >= _MOST_OPEN_FRAMES:
                self._cut(self._n_frames)
        self._forget()

    def finish(self) -> list[Piece]:
        """All pieces in order; the recording has ended."""
        if self._first is not None:
            self._cut(self._n_frames)
        with self._threads:
            return [Piece(first, end, voice.result()) for first, end, voice in self._pieces]

    def _cut(self, end: int) -> None:
        assert self._first is not None
        first, self._first = self._first, None
        count = math.ceil((end - first) / _LONGEST_FRAMES)
        edges = np.linspace(first, end, count + 1).astype(int)
        for left, right in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            start, stop = (sample_of(frame) - self._n_dropped for frame in (left, right))
            voice = self._threads.submit(voice_of, self._net, self._samples[start:stop].copy())
            self._pieces.append((left, right, voice))
            if len(self._pieces) > _MOST_WAITING:  # they hold their samples
                self._pieces[-_MOST_WAITING][2].result()

    def _forget(self) -> None:
        """Samples of which nothing more is needed."""
        needed = sample_of(self._n_frames if self._first is None else self._first)
        self._samples = self._samples[max(0, needed - self._n_dropped) :]
        self._n_dropped = max(self._n_dropped, needed)
