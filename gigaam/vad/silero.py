"""Speech regions by Silero VAD: its ONNX file, run by onnxruntime, nothing else of it.

The ``silero_vad`` package carries the model but is never imported: importing it, also through
importlib.resources, loads torch and sets torch's threads to 1 for the whole process.

Legend: T frames of 512 samples (32 ms). Probabilities are of speech, float32 ``[T]``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.errors import MissingDependencyError
from gigaam.vad.speech import (
    Region,
    RegionBuilder,
    Samples,
    SpeechStream,
    VadOptions,
    checked_block,
)

if TYPE_CHECKING:
    from gigaam.onnx.engine import onnxruntime

__all__ = ["SileroDetector", "find_model"]

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64  # of the frame before, which the net sees in front of each frame
# Frames of one run, 8.2 s, unless there is no time to wait for them. The blocks always begin at
# multiples of it, however the recording was cut: rounding inside the net depends on their length.
# 64 frames take 1.7 times as long, 512 gain nothing.
BLOCK_FRAMES = 256
THRESHOLD = 0.3

# From the fastest: the whole block in one run (since silero-vad 6.2.3), or frame by frame.
_SEQUENCE_MODEL = "silero_vad_16k_sequence.onnx"
_FRAME_MODEL = "silero_vad.onnx"


def find_model() -> Path:
    """The model file of the installed ``silero-vad`` wheel."""
    try:
        spec = importlib.util.find_spec("silero_vad")
    except ValueError:  # somebody put a module without a spec in its place
        spec = None
    folders = list(spec.submodule_search_locations or []) if spec else []
    for name in (_SEQUENCE_MODEL, _FRAME_MODEL):
        for folder in folders:
            path = Path(folder) / "data" / name
            if path.is_file():
                return path
    raise MissingDependencyError(
        "The speech detector needs the model file of the package silero-vad: "
        "pip install 'silero-vad>=6.2.3' (with --no-deps if torch is not to come along)"
    )


class _Net(Protocol):
    def __call__(
        self, frames: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities ``[T]`` of frames ``[T, 576]``, and the state ``[2, 1, 128]`` after."""


class SileroDetector:
    """Finds speech with Silero VAD. Holds only the net, so threads may share it."""

    def __init__(
        self, options: VadOptions | None = None, model_path: str | Path | None = None
    ) -> None:
        """A detector.

        Args:
            options: Thresholds, durations, threads.
            model_path: An ONNX file of Silero VAD; None: of the installed package.
        """
        self._options = options or VadOptions()
        self._options.thresholds(THRESHOLD)  # complain here, not at the first recording
        self._net = _load_net(Path(model_path or find_model()), self._options.threads)

    def stream(self) -> SpeechStream:
        """A stream for one recording."""
        return _SileroStream(ProbabilityStream(self._net), self._options)

    def prompt_stream(self, latency_s: float) -> SpeechStream:
        """A stream for one recording whose frames are judged at least every ``latency_s``.

        Shorter runs of the net cost more, and round otherwise: a frame at the very threshold may be
        judged otherwise than by `stream`.
        """
        n_frames = min(max(int(latency_s * SAMPLE_RATE / FRAME_SAMPLES), 1), BLOCK_FRAMES)
        return _SileroStream(ProbabilityStream(self._net, n_frames), self._options)

    def probabilities(self, waveform: Samples) -> NDArray[np.float32]:
        """The probability of speech in each frame, float32 ``[T]``, of samples ``[n]``."""
        stream = ProbabilityStream(self._net)
        return np.concatenate([stream.push(waveform), stream.finish()])


class ProbabilityStream:
    """Probabilities of a recording's frames, whole blocks of them at a time."""

    def __init__(self, net: _Net, block_frames: int = BLOCK_FRAMES) -> None:
        self._net = net
        self._block_frames = block_frames
        self._state = np.zeros((2, 1, 128), np.float32)
        self._buffer = np.zeros(CONTEXT_SAMPLES + block_frames * FRAME_SAMPLES, np.float32)
        self._filled = 0
        self.n_samples = 0

    def push(self, block: Samples) -> NDArray[np.float32]:
        """Probabilities of the frames that are complete, float32 ``[T]``."""
        samples = checked_block(block)
        found = [np.empty(0, np.float32)]
        capacity = self._block_frames * FRAME_SAMPLES
        while samples.size:
            head, samples = np.split(samples, [capacity - self._filled])
            start = CONTEXT_SAMPLES + self._filled
            self._buffer[start : start + head.size] = head
            self._filled += head.size
            self.n_samples += head.size
            if self._filled == capacity:
                found.append(self._run(self._block_frames))
        return np.concatenate(found)

    def finish(self) -> NDArray[np.float32]:
        """Probabilities of the last frames; zeros complete the very last."""
        n_frames = -(-self._filled // FRAME_SAMPLES)
        self._buffer[CONTEXT_SAMPLES + self._filled :] = 0
        return self._run(n_frames) if n_frames else np.empty(0, np.float32)

    def _run(self, n_frames: int) -> NDArray[np.float32]:
        width = CONTEXT_SAMPLES + FRAME_SAMPLES
        views = np.lib.stride_tricks.sliding_window_view(self._buffer, width)[::FRAME_SAMPLES]
        frames = np.ascontiguousarray(views[:n_frames])
        probabilities, self._state = self._net(frames, self._state)
        self._buffer[:CONTEXT_SAMPLES] = self._buffer[-CONTEXT_SAMPLES:]
        self._filled = 0
        return probabilities


class _SileroStream:
    def __init__(self, probabilities: ProbabilityStream, options: VadOptions) -> None:
        self._probabilities = probabilities
        self._onset, self._offset = options.thresholds(THRESHOLD)
        self._builder = RegionBuilder(options)
        self._position = 0  # samples of the frames judged
        self._speech_start: int | None = None

    @property
    def decided(self) -> int:
        return self._builder.decided

    def push(self, block: Samples) -> list[Region]:
        return self._judge(self._probabilities.push(block))

    def finish(self) -> list[Region]:
        regions = self._judge(self._probabilities.finish())
        n_samples = self._probabilities.n_samples
        if self._speech_start is not None:
            regions += self._builder.add(Region(self._speech_start, n_samples))
            self._speech_start = None
        return regions + self._builder.finish(n_samples)

    def _judge(self, probabilities: NDArray[np.float32]) -> list[Region]:
        """Regions made final by further frames."""
        regions: list[Region] = []
        for probability in probabilities.tolist():
            if self._speech_start is None:
                if probability >= self._onset:
                    self._speech_start = self._position
            elif probability < self._offset:
                regions += self._builder.add(Region(self._speech_start, self._position))
                self._speech_start = None
            self._position += FRAME_SAMPLES
        if self._speech_start is None:
            return regions + self._builder.settle(self._position)
        # Speech goes on: as far as it is known, so that a long region is reported in pieces.
        return regions + self._builder.add(Region(self._speech_start, self._position))


def _load_net(path: Path, threads: int) -> _Net:
    from gigaam.onnx.sessions import open_session

    session = open_session(path, threads=threads)
    is_sequence = "h" in {each.name for each in session.get_inputs()}
    return _SequenceNet(session) if is_sequence else _FrameNet(session)


class _SequenceNet:
    """The model that takes a block of frames in one run."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def __call__(
        self, frames: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        feed = {"input": frames, "h": state[:1], "c": state[1:]}
        probabilities, h, c = self._session.run(["speech_probs", "hn", "cn"], feed)
        return np.reshape(probabilities, -1), np.concatenate([h, c])


class _FrameNet:
    """The model that takes one frame in one run."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._rate = np.array(16_000, np.int64)

    def __call__(
        self, frames: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities = np.empty(len(frames), np.float32)
        for index in range(len(frames)):
            feed = {"input": frames[index : index + 1], "state": state, "sr": self._rate}
            output, state = self._session.run(["output", "stateN"], feed)
            probabilities[index] = output[0, 0]
        return probabilities, state
