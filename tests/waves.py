"""Recordings as WAV files."""

import wave
from pathlib import Path

import numpy as np


def pcm(samples: np.ndarray) -> bytes:
    """Float samples as raw 16-bit ones."""
    return np.round(samples * 32767).astype("<i2").tobytes()


def write_wav(path: Path, *channels: np.ndarray) -> Path:
    """A file of 16 kHz with float samples [n] on each channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm(np.stack(channels, axis=1)))
    return path
