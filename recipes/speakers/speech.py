"""Where in a recording somebody speaks, by its energy; and how loud the speech is.

Samples are int16 [n], 16 kHz; stretches are pairs (first sample, sample after the last).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
HOP = RATE // 100
RANGE_DB = 35.0  # below the loud frames: quieter ones are pauses
LEAST_RANGE_DB = 20.0
FLOOR_PERCENT, OVER_FLOOR_DB = 5.0, 8.0
SHORT_PAUSE_S = 0.2  # closures of stops and hesitations are part of the speech
TURN_PAUSE_S = 0.5
CLICK_S = 0.05
LEVEL_DB = -26.0  # RMS of speech against full scale, as ITU-T P.56 test material has it

Stretch = tuple[int, int]


def frame_power(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Mean square of each 10 ms, float64 [n // 160]."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float64)
    return np.mean(frames**2, axis=1)


def stretches(samples: NDArray[np.int16], range_db: float = RANGE_DB) -> list[Stretch]:
    """Where somebody speaks; pauses up to 0.2 s are bridged, clicks left out.

    Args:
        samples: An utterance.
        range_db: What is so much quieter than its loud parts is no speech.
    """
    power = frame_power(samples)
    if not len(power) or not power.any():
        return []
    threshold = np.percentile(power, 95) * 10 ** (-range_db / 10)
    edges = np.flatnonzero(np.diff(np.r_[False, power > threshold, False].astype(np.int8)))
    spoken = [(int(a) * HOP, int(b) * HOP) for a, b in edges.reshape(-1, 2)]
    bridged = merge(spoken, SHORT_PAUSE_S)
    return [(a, b) for a, b in bridged if b - a > CLICK_S * RATE]


def dynamic_range(recordings: Sequence[NDArray[np.int16]]) -> float:
    """How much quieter than the loud parts, in decibels, the pauses of a voice begin.

    35 dB, or less where the noise of the recordings is louder than that: 8 dB above it.
    """
    levels = []
    for power in map(frame_power, recordings):
        if power.any():
            levels.append(10 * np.log10((power + 1e-3) / np.percentile(power, 95)))
    if not levels:
        return RANGE_DB
    floor = np.percentile(np.concatenate(levels), FLOOR_PERCENT)
    return float(np.clip(-floor - OVER_FLOOR_DB, LEAST_RANGE_DB, RANGE_DB))


def merge(parts: Iterable[Stretch], pause_s: float) -> list[Stretch]:
    """The stretches in order, those at most `pause_s` apart joined to one."""
    merged: list[Stretch] = []
    for start, end in sorted(parts):
        if merged and start - merged[-1][1] <= pause_s * RATE:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def trim(samples: NDArray[np.int16], range_db: float = RANGE_DB) -> NDArray[np.int16]:
    """The recording from its first to its last speech; empty if there is none."""
    spoken = stretches(samples, range_db)
    return samples[spoken[0][0] : spoken[-1][1]] if spoken else samples[:0]


def gain_to_level(recordings: Sequence[NDArray[np.int16]]) -> float:
    """The factor that brings the speech in some recordings to `LEVEL_DB` on average."""
    powers = [frame_power(r[a:b]) for r in recordings for a, b in stretches(r)]
    if not powers:
        return 1.0
    return float(level_rms() / np.sqrt(np.mean(np.concatenate(powers))))


def level_rms() -> float:
    """`LEVEL_DB` in units of 16 bits."""
    return float(32768 * 10 ** (LEVEL_DB / 20))
