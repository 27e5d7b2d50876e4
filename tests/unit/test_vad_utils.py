"""The published functions that cut long recordings."""

import numpy as np
import pytest
import torch

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.errors import AudioError
from gigaam.example_recording import EXAMPLE
from gigaam.vad_utils import segment_audio, segment_audio_file

SPEECH = read_audio(EXAMPLE)
PAUSE = np.zeros(2 * SAMPLE_RATE, np.float32)
LONG = np.concatenate([part for _ in range(12) for part in (PAUSE, SPEECH)])


def test_segments_are_what_lies_between_their_boundaries() -> None:
    segments, boundaries = segment_audio(torch.from_numpy(LONG), SAMPLE_RATE)
    assert len(segments) == len(boundaries) > 1
    assert boundaries == sorted(boundaries)
    for segment, (start, end) in zip(segments, boundaries, strict=True):
        assert 0 < end - start <= 30
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        assert torch.equal(segment, torch.from_numpy(LONG[first:last]))
    energy = sum(float((segment**2).sum()) for segment in segments)
    assert energy >= 0.99 * float((LONG**2).sum())


def test_limits_are_kept() -> None:
    _, boundaries = segment_audio(
        LONG, SAMPLE_RATE, max_duration=8.0, min_duration=1.0, strict_limit_duration=9.0
    )
    assert max(end - start for start, end in boundaries) <= 9.0


def test_file_at_another_rate() -> None:
    segments, boundaries = segment_audio_file(EXAMPLE, 8_000, device="cpu", vad="silero")
    assert [len(s) for s in segments] == [
        round(end * 8_000) - round(start * 8_000) for start, end in boundaries
    ]
    assert 0.5 < sum(len(s) for s in segments) / 8_000 <= len(SPEECH) / SAMPLE_RATE


def test_nothing_is_cut_from_silence_and_no_samples_are_an_error() -> None:
    assert segment_audio(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE) == ([], [])
    with pytest.raises(AudioError):
        segment_audio(np.zeros(0, np.float32), SAMPLE_RATE)
