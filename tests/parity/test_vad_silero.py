"""Our way of running Silero against the package's own, which runs in a process of its own.

There its import may set torch's threads as it likes.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.audio import read_audio
from gigaam.vad import VadOptions
from gigaam.vad.silero import SileroDetector, find_model

REFERENCE = """
import sys, numpy as np, torch
from silero_vad import get_speech_timestamps, load_silero_vad

folder = sys.argv[1]
wave = np.load(f"{folder}/wave.npy")
model = load_silero_vad(onnx=True)
np.save(f"{folder}/probabilities.npy", model.audio_forward(torch.from_numpy(wave)[None], 16000)[0])
regions = get_speech_timestamps(
    torch.from_numpy(wave), model, threshold=0.3, speech_pad_ms=100,
    min_silence_duration_ms=200, min_speech_duration_ms=100,
)
np.save(f"{folder}/regions.npy", [(each["start"], each["end"]) for each in regions])
"""

Reference = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Sound of many kinds, the package's probabilities of its frames, and its regions."""
    root = Path(__file__).parents[2] / "gigaam" / "assets"
    speech = read_audio(root / "example.wav")
    rng = np.random.default_rng(11)
    noise = rng.normal(0, 0.02, speech.size).astype(np.float32)
    tone = 0.3 * np.sin(np.arange(30_000) * 0.2).astype(np.float32)
    parts = [speech, 0 * noise[:20_001], tone, 0.05 * speech, speech + noise, noise[:777]]
    wave = np.concatenate(parts).astype(np.float32)

    folder = tmp_path_factory.mktemp("silero")
    np.save(folder / "wave.npy", wave)
    command = [sys.executable, "-W", "ignore", "-c", REFERENCE, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return wave, np.load(folder / "probabilities.npy"), np.load(folder / "regions.npy")


@pytest.mark.parametrize("name", ["silero_vad_16k_sequence.onnx", "silero_vad.onnx"])
def test_probabilities_are_the_packages(name: str, reference: Reference) -> None:
    wave, expected, _ = reference
    found = SileroDetector(model_path=find_model().with_name(name)).probabilities(wave)
    assert found.shape == expected.shape == (-(-wave.size // 512),)
    assert 0.3 < np.mean(expected > 0.5) < 0.9  # the sound is worth comparing
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_regions_are_the_packages_with_the_same_options(reference: Reference) -> None:
    """Within two frames: the package measures a pause up to its last sure frame, we to its end."""
    wave, _, expected = reference
    chosen = VadOptions(
        threshold=0.3, min_speech_s=0.1, min_silence_s=0.2, speech_pad_s=0.1, threads=1
    )
    stream = SileroDetector(chosen).stream()
    found = [(each.start, each.end) for each in stream.push(wave) + stream.finish()]
    assert len(found) == len(expected) >= 4
    np.testing.assert_allclose(found, expected, atol=2 * 512)
