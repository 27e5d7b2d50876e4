"""Recordings of tones that stand for letters, with manifests: what toy nets learn from."""

import wave
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000
HZ = {"a": 300.0, "b": 900.0, "c": 2000.0, "d": 4000.0, "Ы": 6000.0}
LETTER_S = 0.3


def spell(text: str, rng: np.random.Generator) -> np.ndarray:
    """A text as int16 samples: a tone for each letter, a little noise."""
    t = np.arange(round(LETTER_S * SAMPLE_RATE)) / SAMPLE_RATE
    tones = [0.3 * np.sin(2 * np.pi * HZ[letter] * t) for letter in text]
    noise = 0.01 * rng.standard_normal(len(t) * len(text))
    return (32768 * (np.concatenate(tones) + noise)).astype("<i2")


def write_manifest(
    path: Path, texts: list[str], column: str = "transcription", values: list[str] | None = None
) -> Path:
    """A manifest of these texts with one WAV file for all; `values` stand in the column instead."""
    rng = np.random.default_rng(len(texts))
    recordings = [spell(text, rng) for text in texts]
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.concatenate(recordings).tobytes())
    rows = [f"path\tduration\toffset\t{column}"]
    first = 0
    for samples, value in zip(recordings, values or texts, strict=True):
        seconds = len(samples) / SAMPLE_RATE, first / SAMPLE_RATE
        rows.append(f"{path.stem}.wav\t{seconds[0]:.6f}\t{seconds[1]:.6f}\t{value}")
        first += len(samples)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def words(n: int, letters: str = "abcd", seed: int = 0) -> list[str]:
    """Random words of three different letters."""
    rng = np.random.default_rng(seed)
    return ["".join(rng.permutation(list(letters))[:3]) for _ in range(n)]
