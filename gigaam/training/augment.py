"""Augmentation: recordings as they might have sounded elsewhere.

Every function takes its random generator, so the result is a pure function of its arguments.
Samples are float32 [n] at 16 kHz; arithmetic is kept cheap, as training may run on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE

Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentOptions:
    """Probabilities and ranges.

    Attributes:
        gain_db: Range of the change of level, in dB.
        noise: Probability of additive noise.
        snr_db: Range of the signal-to-noise ratio, in dB.
        telephone: Probability of a 300-3400 Hz band limit.
        reverberation: Probability of reverberation.
        frequency_masks: Number of masked bands per example.
        frequency_mask_bins: Widest masked band, in mel bins.
        time_masks_per_s: Masked stretches per second of audio.
        time_mask_s: Longest masked stretch, in seconds.
        full_from: Fraction of the training after which augmentation has its full strength, which
            it reaches gradually.
    """

    gain_db: tuple[float, float] = (-18.0, 6.0)
    noise: float = 0.4
    snr_db: tuple[float, float] = (5.0, 30.0)
    telephone: float = 0.1
    reverberation: float = 0.1
    frequency_masks: int = 2
    frequency_mask_bins: int = 10
    time_masks_per_s: float = 0.5
    time_mask_s: float = 0.15
    full_from: float = 0.3

    def at(self, progress: float) -> AugmentOptions:
        """Milder options early in training: networks find the alignment on clean speech first."""
        strength = min(1.0, progress / self.full_from) if self.full_from else 1.0
        return replace(
            self,
            noise=self.noise * strength,
            telephone=self.telephone * strength,
            reverberation=self.reverberation * strength,
            frequency_mask_bins=round(self.frequency_mask_bins * strength),
            time_masks_per_s=self.time_masks_per_s * strength,
        )


@dataclass(frozen=True)
class SpectrogramMasks:
    """Stretches of one example's log-mel to hide: pairs of first and one-past-last index."""

    bins: tuple[tuple[int, int], ...]
    frames: tuple[tuple[int, int], ...]


def change_speed(wav: Waveform, factor: float) -> Waveform:
    """The samples played `factor` times faster; pitch changes too (linear interpolation)."""
    if factor == 1.0:
        return wav
    n = max(1, int(len(wav) / factor))
    places = np.arange(n, dtype=np.float64) * factor
    left = np.minimum(places.astype(np.int64), len(wav) - 1)
    right = np.minimum(left + 1, len(wav) - 1)
    weight = (places - left).astype(np.float32)
    faster: Waveform = wav[left] * (1 - weight) + wav[right] * weight
    return faster


def augment(
    wav: Waveform,
    options: AugmentOptions,
    rng: np.random.Generator,
    babble: Callable[[np.random.Generator, int], Waveform],
) -> Waveform:
    """The recording as if made in another room, over another line, at another level.

    Args:
        wav: float32 [n].
        options: Probabilities and ranges.
        rng: The only source of randomness.
        babble: Returns n samples of other people speaking.
    """
    reverberant = rng.random() < options.reverberation
    telephone = rng.random() < options.telephone
    if reverberant:
        wav = convolve(wav, room_response(rng))
    if rng.random() < options.noise:
        wav = add_noise(wav, _noise(rng, len(wav), babble), rng.uniform(*options.snr_db))
    if telephone:
        wav = telephone_band(wav)
    gain = np.float32(10 ** (rng.uniform(*options.gain_db) / 20))
    louder: Waveform = np.clip(wav * gain, -1.0, 1.0)
    return louder


def add_noise(wav: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Signal plus noise, the noise's mean power `snr_db` below the signal's."""
    signal_power, noise_power = float(np.mean(wav**2)), float(np.mean(noise**2))
    if signal_power == 0.0 or noise_power == 0.0:
        return wav
    level = np.float32(np.sqrt(signal_power / noise_power / 10 ** (snr_db / 10)))
    noisy: Waveform = wav + noise * level
    return noisy


def _noise(
    rng: np.random.Generator, n: int, babble: Callable[[np.random.Generator, int], Waveform]
) -> Waveform:
    kind = rng.integers(3)
    if kind == 0:
        return rng.standard_normal(n, dtype=np.float32)
    if kind == 1:
        return pink_noise(rng, n)
    return babble(rng, n)


def background(rng: np.random.Generator, n: int) -> Waveform:
    """The background where nobody speaks, float32 [n]: silence, noise or tones.

    Stretches under half a second, such as pauses between sentences, are silent.
    """
    kind = rng.integers(3)
    if n < SAMPLE_RATE // 2 or kind == 0:
        return np.zeros(n, np.float32)
    sound = pink_noise(rng, n) if kind == 1 else tones(rng, n)
    level = rng.uniform(0.003, 0.06) / (float(np.sqrt(np.mean(sound**2))) + 1e-9)
    ramp = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.05 * SAMPLE_RATE))
    return (sound * level * ramp).astype(np.float32)


def tones(rng: np.random.Generator, n: int) -> Waveform:
    """Chords of harmonic tones that change and decay, float32 [n]."""
    sound = np.zeros(n, np.float32)
    first = 0
    while first < n:
        t = np.arange(min(int(rng.uniform(0.15, 1.0) * SAMPLE_RATE), n - first)) / SAMPLE_RATE
        chord = np.zeros(len(t))
        for root in rng.uniform(80, 700, size=rng.integers(1, 5)):
            for partial in range(1, int(rng.integers(2, 7))):
                chord += np.sin(2 * np.pi * root * partial * t) / partial
        sound[first : first + len(t)] = chord * np.exp(-rng.uniform(0, 6) * t)
        first += len(t)
    return sound


def pink_noise(rng: np.random.Generator, n: int) -> Waveform:
    """Noise whose power falls with frequency by a random 3 to 6 dB per octave, float32 [n]."""
    size = _fast_size(n)
    spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    exponent = rng.uniform(0.5, 1.0)
    spectrum[1:] *= np.arange(1, len(spectrum)) ** -exponent
    spectrum[0] = 0
    return np.fft.irfft(spectrum, size)[:n].astype(np.float32)


def room_response(rng: np.random.Generator) -> Waveform:
    """A direct sound followed by exponentially decaying noise: a small to medium-sized room."""
    decay_s = rng.uniform(0.1, 0.5)  # time to fall by 60 dB
    t = np.arange(int(decay_s * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(len(t), dtype=np.float32) * 10 ** (-3 * t / decay_s)
    tail *= 10 ** (-rng.uniform(0.0, 12.0) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolve(wav: Waveform, response: Waveform) -> Waveform:
    """The recording convolved with a response, its length unchanged."""
    size = _fast_size(len(wav) + len(response))
    product = np.fft.rfft(wav, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(wav)].astype(np.float32)


def telephone_band(wav: Waveform) -> Waveform:
    """The recording as an analogue telephone line passes it: 300-3400 Hz with soft edges."""
    size = _fast_size(len(wav))
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    response = np.clip((hz - 200) / 150, 0, 1) * np.clip((3800 - hz) / 500, 0, 1)
    return np.fft.irfft(np.fft.rfft(wav, size) * response, size)[: len(wav)].astype(np.float32)


def draw_masks(
    options: AugmentOptions, rng: np.random.Generator, n_bins: int, duration_s: float
) -> SpectrogramMasks:
    """Random masks for an example's log-mel (SpecAugment)."""
    bins = []
    for _ in range(options.frequency_masks):
        width = int(rng.integers(options.frequency_mask_bins + 1))
        first = int(rng.integers(n_bins - width + 1))
        bins.append((first, first + width))
    n_frames = int(duration_s * 100)
    frames = []
    for _ in range(rng.poisson(options.time_masks_per_s * duration_s)):
        width = int(rng.integers(int(options.time_mask_s * 100) + 1))
        first = int(rng.integers(max(1, n_frames - width)))
        frames.append((first, first + width))
    return SpectrogramMasks(tuple(bins), tuple(frames))


def _fast_size(n: int) -> int:
    """The next size whose FFT is fast: a power of two, or three quarters of one."""
    power = 1 << max(0, n - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= n and power >= 4 else power
