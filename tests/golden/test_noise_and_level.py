"""Noise makes no words, and what is said quietly after something loud is not lost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam import ChunkingOptions, GigaAMASR
from gigaam.audio import read_audio

RATE = 16_000
END = "сколько войн ты проиграл"


def pink(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with as much power in each octave, of full scale 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), n)
    return noise / np.std(noise)


def clicks(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Short bursts, four a second."""
    sound = np.zeros(n)
    for start in rng.integers(0, n - 200, 4 * n // RATE):
        sound[start : start + 160] += rng.standard_normal(160) * np.exp(-np.arange(160) / 40) * 5
    return sound


@pytest.mark.parametrize("noise", [pink, clicks])
@pytest.mark.parametrize("name", ["packaged_model", "packaged_transducer"])
def test_noise_makes_few_words_and_none_if_it_is_not_decoded(
    name: str, noise, example, request: pytest.FixtureRequest, rng: np.random.Generator
) -> None:
    model: GigaAMASR = request.getfixturevalue(name)
    speech = read_audio(example)
    sound = np.clip(noise(40 * RATE, rng) * 10 ** (-30 / 20), -1, 1).astype(np.float32)
    recording = np.concatenate([speech, sound, speech])

    def words_of_noise(chunking: ChunkingOptions | None) -> int:
        result = model.transcribe_longform(
            recording, input_rate=RATE, vad="silero", chunking=chunking, word_timestamps=True
        )
        assert result.text.count(END) == 2
        return sum(8 < word.start < 46 for word in result.words)

    assert words_of_noise(ChunkingOptions(gap_min_confidence=0, gap_sure_confidence=0)) > 1
    assert words_of_noise(None) <= 1
    assert words_of_noise(ChunkingOptions(decode_loud_gaps=False)) == 0


@pytest.mark.parametrize("vad", ["none", "silero"])
@pytest.mark.parametrize("fall_db", [20, 30])
@pytest.mark.parametrize("times", [1, 3])
def test_quiet_speech_after_loud_speech_is_not_lost(
    packaged_model: GigaAMASR, example, vad: str, fall_db: int, times: int
) -> None:
    speech = read_audio(example)
    quiet = (np.round(speech * 10 ** (-fall_db / 20) * 32768) / 32768).astype(np.float32)
    for first, second in ((speech, quiet), (quiet, speech)):
        recording = np.concatenate([*[first] * times, *[second] * times])
        result = packaged_model.transcribe_longform(recording, input_rate=RATE, vad=vad)
        assert result.text.count(END) == 2 * times
