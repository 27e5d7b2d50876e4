"""What happens to a recording on its way: noise, a telephone line; and sounds that are not speech.

Signals are float32 [n] in units of 16 bits, 16 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from recipes.speakers.speech import RATE, level_rms
from recipes.tiny.long_recordings import ROOM_LEVEL, music

Signal = NDArray[np.float32]

TELEPHONE_HZ = (300, 3400)
MU = 255


def room(rng: np.random.Generator, n: int) -> Signal:
    """The faint hiss that is everywhere."""
    return (ROOM_LEVEL * rng.standard_normal(n, dtype=np.float32)).astype(np.float32)


def pink_noise(rng: np.random.Generator, n: int) -> Signal:
    """Noise that falls by 3 dB an octave, as that of rooms and streets; its RMS is 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n, dtype=np.float32))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 40.0)), n)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def noisy(signal: Signal, snr_db: float, rng: np.random.Generator) -> Signal:
    """The signal with pink noise so many decibels below speech of the usual level."""
    rms = level_rms() * 10 ** (-snr_db / 20)
    return (signal + rms * pink_noise(rng, len(signal))).astype(np.float32)


def telephone(signal: Signal) -> Signal:
    """The signal after a telephone line: 300-3400 Hz, 8 kHz, 8 bits of μ-law."""
    narrow = resample_poly(signal, 1, 2)
    band = butter(4, TELEPHONE_HZ, "bandpass", fs=RATE // 2, output="sos")
    received = mu_law(sosfilt(band, narrow).astype(np.float32))
    return resample_poly(received, 2, 1).astype(np.float32)[: len(signal)]


def mu_law(signal: Signal) -> Signal:
    """The signal coded with μ-law in 8 bits and decoded again."""
    scaled = np.clip(signal / 32768, -1, 1)
    code = np.sign(scaled) * np.log1p(MU * np.abs(scaled)) / np.log1p(MU)
    code = np.round(code * 127) / 127
    decoded = np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU
    return (decoded * 32768).astype(np.float32)


def tones(rng: np.random.Generator, n: int) -> Signal:
    """Chords that change every half second, as loud as speech."""
    sound = music(rng, n)
    return (sound * level_rms() / np.sqrt(np.mean(sound**2))).astype(np.float32)
