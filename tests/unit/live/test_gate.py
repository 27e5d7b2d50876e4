"""Where utterances begin and end, with detectors of all kinds."""

from __future__ import annotations

import numpy as np
import pytest

from gigaam.audio import read_audio
from gigaam.example_recording import EXAMPLE
from gigaam.live.gate import HOP_SAMPLES, Gate
from gigaam.vad import VadOptions
from gigaam.vad.silero import SileroDetector
from tests.unit.live.test_session import (
    TALK,
    WORDS,
    LaggingDetector,
    finals,
    heard,
    pieces,
    session,
    silence,
    text,
)
from tests.unit.recognition.test_longform import RATE


def endings(gate: Gate, sound: np.ndarray) -> tuple[int, list[int]]:
    """How many hops were within utterances, and where those ended."""
    within, ends = 0, []
    for start in range(0, len(sound) - HOP_SAMPLES, HOP_SAMPLES):
        if gate.push(sound[start : start + HOP_SAMPLES]):
            gate.end_utterance()
            ends.append(gate.certain_to)
        within += gate.speech_start is not None
    return within, ends


@pytest.mark.parametrize("pad_s", [0.0, 0.1, 0.35, 1.0])
def test_padding_does_not_matter(pad_s: float) -> None:
    detector = SileroDetector(VadOptions(speech_pad_s=pad_s, min_silence_s=0.2))
    endpoint_s = max(0.5, 2 * pad_s)

    def gate() -> Gate:
        return Gate(
            detector.prompt_stream(HOP_SAMPLES / RATE),
            pad_samples=round(pad_s * RATE),
            endpoint_samples=round(endpoint_s * RATE),
            is_prompt=True,
        )

    assert endings(gate(), silence(20)) == (0, [])
    voice = read_audio(EXAMPLE)
    within, (*_, end) = endings(gate(), np.concatenate([voice, silence(10)]))
    spoken_s = len(voice) / RATE
    assert within * HOP_SAMPLES / RATE < spoken_s + endpoint_s + 0.2
    assert spoken_s - 1.0 < end / RATE < spoken_s + endpoint_s


class BlockDetector(LaggingDetector):
    """Looks at its sound a block at a time."""

    def __init__(self, block_s: float) -> None:
        super().__init__()
        self.block = round(block_s * RATE)

    def stream(self):
        return _BlockStream(super().stream(), self.block)


class _BlockStream:
    def __init__(self, stream, block: int) -> None:
        self.stream, self.block = stream, block
        self.rest = np.empty(0, np.float32)

    @property
    def decided(self) -> int:
        return self.stream.decided

    def push(self, samples):
        self.rest = np.concatenate([self.rest, samples])
        whole = len(self.rest) // self.block * self.block
        head, self.rest = np.split(self.rest, [whole])
        return self.stream.push(head)

    def finish(self):
        return self.stream.push(self.rest) + self.stream.finish()


@pytest.mark.parametrize("block_s", [0.1, 0.3, 0.5, 1.0, 3.0])
def test_detectors_that_answer_late_are_only_later(block_s: float) -> None:
    sound = np.concatenate([TALK, silence(10)])
    events = heard(session(detector=BlockDetector(block_s)), pieces(sound))
    assert text(events) == WORDS
    assert [final.reason for final in finals(events)][-1] == "silence"


def test_detectors_that_answer_late_decode_no_silence() -> None:
    def fails(waveforms):
        raise AssertionError("silence was decoded")

    assert heard(session(fails, BlockDetector(0.5)), pieces(silence(20))) == []
