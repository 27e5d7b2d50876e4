"""How many people speak, frame by frame, and where one goes over to another, while sound comes.

The net looks at windows of ten seconds, every five. Its speakers are those of a window; who they
are is found by their voices, see `gigaam.speakers.voices`.

Legend: n samples, T frames of 16.875 ms, S speakers of a window (three).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.onnx.engine import onnxruntime

__all__ = ["FRAME_SAMPLES", "Frames", "SegmentationStream", "sample_of"]

FRAME_SAMPLES = 270

_WINDOW_SAMPLES = 160_000
_WINDOW_FRAMES = 589
_STEP_FRAMES = 296
_FIRST_CENTRE = 495  # of a frame, which sees 991 samples

# Sets of speakers, by class of the net.
_CLASSES = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool
)


def sample_of(frame: int) -> int:
    """Where a frame begins in a recording."""
    return max(0, frame * FRAME_SAMPLES + _FIRST_CENTRE - FRAME_SAMPLES // 2)


@dataclass(frozen=True)
class Frames:
    """The next frames of a recording.

    Attributes:
        n_speakers: How many speak, int64 [T].
        changes: Whether somebody else speaks than before, bool [T].
    """

    n_speakers: NDArray[np.int64]
    changes: NDArray[np.bool_]


class SegmentationStream:
    """One recording that is being heard."""

    def __init__(self, net: onnxruntime.InferenceSession) -> None:
        """A recording of which nothing was heard yet.

        Args:
            net: Gives classes of windows.
        """
        self._net = net
        self._waiting = np.zeros(0, np.float32)
        self._n_windows = 0
        # Of the frames that are not certain yet: speakers, windows, and changes in any of them.
        self._open = np.zeros((3, _WINDOW_FRAMES))

    def feed(self, samples: NDArray[np.float32]) -> list[Frames]:
        """The frames that are certain after the next samples, float32 [n]."""
        self._waiting = np.concatenate([self._waiting, samples])
        found = []
        while len(self._waiting) >= _WINDOW_SAMPLES:
            found.append(self._look_at(self._waiting[:_WINDOW_SAMPLES]))
            self._waiting = self._waiting[_STEP_FRAMES * FRAME_SAMPLES :]
        return found

    def finish(self) -> list[Frames]:
        """The last frames; the recording has ended."""
        n_seen = _WINDOW_SAMPLES - _STEP_FRAMES * FRAME_SAMPLES if self._n_windows else 0
        found = []
        if len(self._waiting) > n_seen:
            padded = np.pad(self._waiting, (0, _WINDOW_SAMPLES - len(self._waiting)))
            found.append(self._look_at(padded))
        return [*found, self._certain(_WINDOW_FRAMES)]

    def _look_at(self, samples: NDArray[np.float32]) -> Frames:
        classes = self._net.run(None, {"samples": samples[None]})[0][0].argmax(axis=1)
        active = _CLASSES[classes]
        self._open += np.stack([active.sum(axis=1), np.ones(_WINDOW_FRAMES), _changes(active)])
        self._n_windows += 1
        return self._certain(_STEP_FRAMES)

    def _certain(self, n_frames: int) -> Frames:
        """The first frames, which no further window holds."""
        speakers, windows, changes = self._open[:, :n_frames]
        self._open = np.pad(self._open[:, n_frames:], ((0, 0), (0, n_frames)))
        mean = speakers / np.maximum(windows, 1)
        return Frames(np.floor(mean + 0.5).astype(np.int64), changes > 0)


def _changes(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames in which, and between which and it, one speaker goes over to another, bool [T]."""
    alone = np.flatnonzero(active.sum(axis=1) == 1)
    speakers = active[alone].argmax(axis=1)
    others = np.flatnonzero(np.diff(speakers))
    found = np.zeros(len(active), bool)
    found[alone[others + 1]] = True
    found[(alone[others] + alone[others + 1]) // 2] = True
    return found
