"""Augmentation changes recordings in the stated ways, and only as its generator says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.training.augment import (
    SAMPLE_RATE,
    AugmentOptions,
    add_noise,
    augment,
    change_speed,
    convolve,
    draw_masks,
    pink_noise,
    room_response,
    telephone_band,
)
from tests.examples import examples


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def power(wav: np.ndarray) -> float:
    return float(np.mean(wav.astype(np.float64) ** 2))


def silence(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


@given(st.floats(0.8, 1.25), st.integers(1, 3000))
def test_speed_changes_length_by_its_factor(factor, n):
    changed = change_speed(np.ones(n, np.float32), factor)
    assert abs(len(changed) - n / factor) <= 1
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, 1.0, atol=1e-6)


def test_speed_moves_the_pitch():
    faster = change_speed(tone(400), 1.25)
    spectrum = np.abs(np.fft.rfft(faster))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(faster) == pytest.approx(500, abs=4)


@given(st.floats(0, 30), st.integers(0, 2**32))
@settings(max_examples=examples(20))
def test_noise_has_the_asked_ratio(snr_db, seed):
    wav = tone(300)
    noise = pink_noise(np.random.default_rng(seed), len(wav))
    added = add_noise(wav, noise, snr_db) - wav
    assert 10 * np.log10(power(wav) / power(added)) == pytest.approx(snr_db, abs=0.05)


def test_noise_leaves_silence_silent():
    wav = np.zeros(100, np.float32)
    assert not add_noise(wav, np.ones(100, np.float32), 10).any()


@pytest.mark.parametrize(("hz", "kept"), [(100, False), (1000, True), (2500, True), (5000, False)])
def test_telephone_keeps_its_band(hz, kept):
    ratio = power(telephone_band(tone(hz))) / power(tone(hz))
    assert ratio > 0.9 if kept else ratio < 0.05


def test_room_keeps_the_direct_sound_in_place():
    click = np.zeros(4000, np.float32)
    click[1000] = 1.0
    heard = convolve(click, room_response(np.random.default_rng(1)))
    assert len(heard) == len(click)
    assert np.abs(heard[:1000]).max() < 1e-5
    assert heard[1000] == pytest.approx(1.0, abs=1e-4)
    assert np.abs(heard[1001:]).max() > 0


@given(st.integers(0, 2**32), st.integers(1, 4000))
@settings(max_examples=examples(50))
def test_augment_depends_on_its_generator_alone(seed, n):
    wav = tone(440)[:n]
    before = wav.copy()
    options = AugmentOptions(noise=0.7, telephone=0.5, reverberation=0.5)
    once, again = (augment(wav, options, np.random.default_rng(seed), silence) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(wav, before)
    assert once.shape == wav.shape
    assert once.dtype == np.float32
    assert np.abs(once).max() <= 1.0


@given(st.integers(0, 2**32), st.floats(0.05, 20))
def test_masks_lie_inside_and_are_narrow(seed, duration_s):
    options = AugmentOptions()
    masks = draw_masks(options, np.random.default_rng(seed), 64, duration_s)
    assert len(masks.bins) == options.frequency_masks
    for first, stop in masks.bins:
        assert 0 <= first <= stop <= 64
        assert stop - first <= options.frequency_mask_bins
    for first, stop in masks.frames:
        assert 0 <= first <= stop
        assert stop - first <= options.time_mask_s * 100


def test_augmentation_grows_from_nothing():
    options = AugmentOptions()
    start, middle = options.at(0.0), options.at(options.full_from / 2)
    assert (start.noise, start.frequency_mask_bins, start.time_masks_per_s) == (0, 0, 0)
    assert 0 < middle.noise < options.noise
    assert options.at(options.full_from) == options.at(1.0) == options
