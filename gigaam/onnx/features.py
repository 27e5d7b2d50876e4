"""The log-mel front-end in numpy, from the window and mel matrix of the checkpoint.

Shapes: n samples, F mel bands, T frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gigaam.onnx.metadata import FrontEnd

MEL_FLOOR, MEL_CEILING = 1e-9, 1e9

_BLOCK_FRAMES = 512  # spectra of more would leave the cache


def log_mel(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Log-mel features float32 [F, T] of one recording, float32 [n]."""
    n_fft, hop = front_end.n_fft, front_end.hop_length
    if front_end.center:
        samples = _continued_by_reflection(samples, n_fft // 2)
    samples = np.pad(samples, (0, max(n_fft - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop]
    margin = n_fft - len(front_end.window)
    window = np.pad(front_end.window, (margin // 2, margin - margin // 2))
    features = np.empty((front_end.mel_matrix.shape[1], len(frames)), np.float32)
    for first in range(0, len(frames), _BLOCK_FRAMES):
        spectrum = np.fft.rfft(frames[first : first + _BLOCK_FRAMES] * window)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        features[:, first : first + _BLOCK_FRAMES] = (power @ front_end.mel_matrix).T
    np.clip(features, MEL_FLOOR, MEL_CEILING, out=features)
    return np.log(features, out=features)


def _continued_by_reflection(samples: NDArray[np.float32], margin: int) -> NDArray[np.float32]:
    """``margin`` mirrored samples before and after; a recording too short first gets zeros."""
    samples = np.pad(samples, (0, max(margin + 1 - len(samples), 0)))
    return np.pad(samples, margin, mode="reflect")
