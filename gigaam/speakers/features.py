"""Mel features as Kaldi computes them, which the net of voices was trained on.

Legend: n samples, T frames of 25 ms every 10 ms, F mel bands.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_SAMPLES", "HOP_SAMPLES", "kaldi_mel"]

FRAME_SAMPLES, HOP_SAMPLES = 400, 160

_N_FFT = 512
_N_MELS = 80
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 8_000.0
_EMPHASIS = np.float32(0.97)
_FLOOR = np.float32(np.finfo(np.float32).eps)


def kaldi_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel energies float32 [T, 80] of samples [n] at 16 kHz; without dither."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    centred = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
    spectrum = np.fft.rfft((centred - _EMPHASIS * before) * _window(), _N_FFT)[:, :-1]
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energies: NDArray[np.float32] = np.log(np.maximum(power @ _mel_matrix(), _FLOOR))
    return energies


@cache
def _window() -> NDArray[np.float32]:
    """Povey's window: that of Hann to the power of 0.85."""
    return (np.hanning(FRAME_SAMPLES) ** 0.85).astype(np.float32)


@cache
def _mel_matrix() -> NDArray[np.float32]:
    """Triangles [256, F], equally wide in mels."""
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), _N_MELS + 2)
    bins = _mel(np.arange(_N_FFT // 2) * 16_000 / _N_FFT)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)
