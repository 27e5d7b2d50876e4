"""Log-mel features against torchaudio and against a float64 DFT written out here."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.preprocess import FeatureExtractor, mel_matrix
from gigaam.requirements import import_torchaudio
from tests.examples import examples

torchaudio = import_torchaudio()

CENTRED = {"features": 64}
UNCENTRED = {"features": 64, "n_fft": 320, "win_length": 320, "hop_length": 160, "center": False}
LENGTHS = [1, 2, 79, 80, 159, 160, 161, 199, 200, 201, 202, 319, 320, 321, 399, 400, 401]
LENGTHS += [479, 480, 481, 559, 639, 640, 641, 799, 800, 801, 960, 1200, 16_000, 16_001]


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32))


def htk_filters(n_freqs: int, n_mels: int) -> np.ndarray:
    """Mel filters by their definition: triangles between points equally far apart in mel."""

    def mel(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    def hz(mel: float) -> float:
        return 700 * (10 ** (mel / 2595) - 1)

    points = [hz(mel(8000) * i / (n_mels + 1)) for i in range(n_mels + 2)]
    filters = np.zeros((n_freqs, n_mels))
    for f in range(n_freqs):
        x = 8000 * f / (n_freqs - 1)
        for m, (left, middle, right) in enumerate(
            zip(points, points[1:], points[2:], strict=False)
        ):
            filters[f, m] = max(
                0.0, min((x - left) / (middle - left), (right - x) / (right - middle))
            )
    return filters


def naive_log_mel(samples: np.ndarray, n_fft: int, hop: int, center: bool) -> np.ndarray:
    """Features by the definition, in float64: [n_mels, T]."""
    n = len(samples)
    x = samples.astype(np.float64)
    if center:
        half = n_fft // 2
        x = np.concatenate([x, np.zeros(max(half + 1 - n, 0))])
        x = np.pad(x, half, mode="reflect")
        frames = n // hop + 1
    else:
        x = np.concatenate([x, np.zeros(max(n_fft - n, 0))])
        frames = max(n - n_fft, 0) // hop + 1
    t = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * t / n_fft)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), t) / n_fft)
    framed = np.stack([x[i * hop : i * hop + n_fft] * window for i in range(frames)])
    power = np.abs(framed @ dft.T) ** 2
    mel = power @ htk_filters(n_fft // 2 + 1, 64)
    return np.log(np.clip(mel, 1e-9, 1e9)).T


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("config", "n_fft"), [(CENTRED, 400), (UNCENTRED, 320)])
def test_features_equal_a_float64_dft(config: dict, n_fft: int, n: int) -> None:
    samples = noise(n, seed=n)
    features, frames = FeatureExtractor(**config)(samples[None], torch.tensor([n]))
    expected = naive_log_mel(samples.numpy(), n_fft, 160, n_fft == 400)
    assert int(frames) == expected.shape[1]
    np.testing.assert_allclose(features[0, :, : int(frames)], expected, atol=2e-4)


@pytest.mark.parametrize("n", [n for n in LENGTHS if n >= 320])
@pytest.mark.parametrize(("config", "n_fft"), [(CENTRED, 400), (UNCENTRED, 320)])
def test_features_equal_torchaudio(config: dict, n_fft: int, n: int) -> None:
    transform = torchaudio.transforms.MelSpectrogram(
        16_000, n_fft=n_fft, hop_length=160, n_mels=64, center=n_fft == 400
    )
    samples = noise(n, seed=n)
    expected = transform(samples).clamp(1e-9, 1e9).log()
    features, frames = FeatureExtractor(**config)(samples[None], torch.tensor([n]))
    assert int(frames) == expected.shape[1]
    torch.testing.assert_close(features[0, :, : int(frames)], expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("n_freqs", [161, 201])
def test_mel_matrix_equals_torchaudio(n_freqs: int) -> None:
    expected = torchaudio.functional.melscale_fbanks(n_freqs, 0.0, 8000.0, 64, 16_000)
    torch.testing.assert_close(mel_matrix(n_freqs, 64, 16_000), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [CENTRED, UNCENTRED])
def test_silence_is_the_floor(config: dict) -> None:
    features, _ = FeatureExtractor(**config)(torch.zeros(1, 1600), torch.tensor([1600]))
    torch.testing.assert_close(features, torch.full_like(features, math.log(1e-9)))


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.integers(1, 2000), min_size=1, max_size=5),
    st.sampled_from([CENTRED, UNCENTRED]),
    st.floats(-3, 3),
)
def test_features_do_not_depend_on_the_batch(
    lengths: list[int], config: dict, padding: float
) -> None:
    """Whatever lies beside a recording or in its padding, its features are those it has alone."""
    extract = FeatureExtractor(**config)
    batch = torch.full((len(lengths), max(lengths)), padding)
    for row, n in enumerate(lengths):
        batch[row, :n] = noise(n, seed=n)
    features, frames = extract(batch, torch.tensor(lengths))
    for row, n in enumerate(lengths):
        alone, alone_frames = extract(noise(n, seed=n)[None], torch.tensor([n]))
        assert frames[row] == alone_frames[0]
        torch.testing.assert_close(
            features[row, :, : frames[row]], alone[0, :, : frames[row]], atol=1e-4, rtol=0
        )


def test_features_come_from_the_stored_window_and_mel_matrix() -> None:
    extract = FeatureExtractor(**UNCENTRED)
    samples, length = noise(3200)[None], torch.tensor([3200])
    before, _ = extract(samples, length)
    state = extract.state_dict()
    assert list(state) == ["featurizer.0.spectrogram.window", "featurizer.0.mel_scale.fb"]
    extract.load_state_dict({name: t.bfloat16().float() for name, t in state.items()})
    after, _ = extract(samples, length)
    assert 1e-4 < (after - before).abs().max() < 0.2
