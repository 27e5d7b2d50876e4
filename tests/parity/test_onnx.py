"""Exported models give what the models give."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gigaam
import gigaam.onnx
from gigaam.audio import read_audio
from gigaam.decoder import CTCHead
from gigaam.errors import CheckpointError, ExportError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx import OnnxASR, OnnxEmo, OnnxEncoder
from gigaam.onnx.sessions import open_sessions
from gigaam.onnx_utils import infer_onnx, load_onnx, load_onnx_sessions, transcribe_sample
from gigaam.types import TranscriptionResult
from tests.exports import export_once
from tests.nets import random_ssl
from tests.publishing import small_model

RATE = 16_000

PACKAGED = "tiny_ctc"
RECOGNISERS = ["tiny_ctc", "tiny_rnnt", "v3_ctc", "v2_rnnt"]
SLOW_RECOGNISERS = [
    *("v1_ctc", "v1_rnnt", "v2_ctc", "v3_rnnt", "v3_e2e_ctc", "v3_e2e_rnnt", "multilingual_ctc"),
]
SSL = ["v1_ssl", "v2_ssl", "v3_ssl"]


def slow(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


Exported = Callable[[str], tuple[GigaAM, Path]]


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    packaged_model: GigaAMASR,
    packaged_transducer: GigaAMASR,
) -> Exported:
    """Small models of the published layouts and the directories of their exports, each once."""
    done: dict[str, tuple[GigaAM, Path]] = {}
    packaged = {"tiny_ctc": packaged_model, "tiny_rnnt": packaged_transducer}

    def get(name: str) -> tuple[GigaAM, Path]:
        if name not in done:
            model = packaged.get(name) or small_model(
                name, tmp_path_factory.mktemp(f"{name}-published")
            )
            before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
            directory = export_once(tmp_path_factory, name, model)
            for key, tensor in model.state_dict().items():
                assert torch.equal(tensor, before[key])
            done[name] = model, directory
        return done[name]

    return get


@pytest.fixture(scope="module")
def noise() -> list[np.ndarray]:
    """Recordings in which random models hear words, of 2 to 4 seconds in no order."""
    rng = np.random.default_rng(3)
    seconds = [3.3, 2.4, 4.0, 2.7]
    return [(0.1 * rng.standard_normal(int(s * RATE))).astype(np.float32) for s in seconds]


@pytest.fixture(scope="module")
def speech(example: Path) -> list[np.ndarray]:
    """Stretches of the packaged recording in which the packaged model hears at least 5 words."""
    samples = read_audio(example)
    return [samples[: 5 * RATE], samples[: 4 * RATE], samples, samples[2 * RATE :]]


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", [*RECOGNISERS, *slow(*SLOW_RECOGNISERS)])
def test_recognisers(
    exported: Exported,
    noise: list[np.ndarray],
    speech: list[np.ndarray],
    name: str,
    batch_size: int,
) -> None:
    model, directory = exported(name)
    assert isinstance(model, GigaAMASR)
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(runtime, OnnxASR)
    recordings = speech if name.startswith("tiny") else noise
    expected = model.transcribe(recordings, True, batch_size, input_rate=RATE)
    found = runtime.transcribe(recordings, True, batch_size, input_rate=RATE)
    for one, other in zip(found, expected, strict=True):
        assert len(other.words or ()) >= 5
        assert_same(one, other)
    # Too short to say much, down to less than a window.
    brief = [samples[:n] for samples, n in zip(recordings, (160, 3000, 8000, 16000), strict=False)]
    expected = model.transcribe(brief, True, batch_size, input_rate=RATE)
    found = runtime.transcribe(brief, True, batch_size, input_rate=RATE)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def assert_same(one: TranscriptionResult, other: TranscriptionResult) -> None:
    """Same text, words, times, tokens; confidences and probabilities within 1e-4."""
    assert one == other
    assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
    for word, wanted in zip(one.words or (), other.words or (), strict=True):
        assert (word.text, word.start, word.end) == (wanted.text, wanted.start, wanted.end)
        assert word.confidence == pytest.approx(wanted.confidence, abs=1e-4)
    tokens, wanted_tokens = one.hypothesis, other.hypothesis
    assert tokens is not None
    assert wanted_tokens is not None
    np.testing.assert_array_equal(tokens.ids, wanted_tokens.ids)
    np.testing.assert_array_equal(tokens.frames, wanted_tokens.frames)
    probabilities = np.exp(tokens.log_probs)
    np.testing.assert_allclose(probabilities, np.exp(wanted_tokens.log_probs), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["v2_rnnt", *slow(*SSL, "v1_rnnt", "v3_rnnt", "v3_e2e_rnnt")])
def test_embeddings(exported: Exported, noise: list[np.ndarray], name: str) -> None:
    model, directory = exported(name)
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(runtime, OnnxEncoder | OnnxASR)
    for samples in (*noise, noise[0][:160], noise[1][:3000]):
        expected, length = model.embed_audio(samples, input_rate=RATE)
        found, found_length = runtime.embed_audio(samples, input_rate=RATE)
        assert found_length.tolist() == length.tolist()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-3, rtol=0)


@pytest.mark.slow
def test_emotions(exported: Exported, noise: list[np.ndarray]) -> None:
    model, directory = exported("emo")
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(model, GigaAMEmo)
    assert isinstance(runtime, OnnxEmo)
    for samples in (*noise, noise[0][:160], noise[1][:3000]):
        expected = model.get_probs(samples, input_rate=RATE)
        assert runtime.get_probs(samples, input_rate=RATE) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", [*RECOGNISERS, *slow(*SLOW_RECOGNISERS, *SSL), *slow("emo")])
def test_ragged_batches(exported: Exported, noise: list[np.ndarray], name: str) -> None:
    """The graph itself, given recordings of different lengths at once."""
    model, directory = exported(name)
    session = open_sessions(directory, name, threads=1)[0]
    lengths = torch.tensor([len(samples) for samples in noise])
    batch = torch.nn.utils.rnn.pad_sequence(list(map(torch.from_numpy, noise)), batch_first=True)
    with torch.inference_mode():
        features, frames = model.preprocessor(batch, lengths)
        encoded, encoded_lengths = model.encoder(features, frames)
        if isinstance(model, GigaAMEmo):
            wanted = model.classify(encoded, encoded_lengths)[..., None]
            encoded_lengths = torch.ones(len(noise), dtype=torch.long)
        elif isinstance(model, GigaAMASR) and isinstance(model.head, CTCHead):
            wanted = model.head(encoded).exp().transpose(1, 2)
        else:
            wanted = encoded
    inputs = [each.name for each in session.get_inputs()]
    found, *found_lengths = session.run(
        None, dict(zip(inputs, (features.numpy(), frames.long().numpy()), strict=True))
    )
    if isinstance(model, GigaAMEmo):
        found = found[..., None]
    else:
        assert found_lengths[0].tolist() == encoded_lengths.tolist()
        found = found if wanted is encoded else np.exp(found).transpose(0, 2, 1)
    for one, other, length in zip(found, wanted.numpy(), encoded_lengths.tolist(), strict=True):
        tolerance = 1e-3 if wanted is encoded else 1e-4
        assert one.shape == other.shape
        np.testing.assert_allclose(one[:, :length], other[:, :length], atol=tolerance, rtol=0)


@pytest.fixture(scope="module")
def packaged(exported: Exported) -> Path:
    """The exported packaged model."""
    return exported(PACKAGED)[1]


def test_packaged_model(packaged_model: GigaAMASR, example: Path, packaged: Path) -> None:
    assert sorted(path.name for path in packaged.iterdir()) == ["tiny_ctc.onnx", "tiny_ctc.yaml"]
    runtime = gigaam.onnx.load(packaged)
    assert isinstance(runtime, OnnxASR)
    expected = packaged_model.transcribe(example, word_timestamps=True)
    found = runtime.transcribe(example, word_timestamps=True)
    assert found == expected
    assert [word.text for word in found.words or ()] == [word.text for word in expected.words or ()]
    samples = np.tile(read_audio(example), 6)
    long = [m.transcribe_longform(samples, input_rate=RATE) for m in (runtime, packaged_model)]
    assert long[0].text == long[1].text


WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchaudio", "hydra", "lightning", "pyannote"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
directory, example = sys.argv[1:]
from gigaam.onnx_utils import infer_onnx, load_onnx, load_onnx_sessions, transcribe_sample

sessions = load_onnx_sessions(directory, "ctc")
print(transcribe_sample(example, "ctc", sessions))
sessions, config = load_onnx(directory, "tiny_ctc")
print(infer_onnx(example, config, sessions)[0])
print(infer_onnx([example, example], config, sessions)[1])
import gigaam.onnx
model = gigaam.onnx.load(directory)
print(model.transcribe_longform(example, vad="silero").text)
from gigaam.cli import app
app(["transcribe", "--onnx", directory, example])
"""


def test_without_torch(packaged_model: GigaAMASR, example: Path, packaged: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(packaged), str(example)],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(packaged_model.transcribe(example))] * 5


def test_published_functions(
    packaged_model: GigaAMASR, example: Path, packaged: Path, tmp_path: Path
) -> None:
    text = str(packaged_model.transcribe(example))
    sessions, config = load_onnx(packaged, "tiny_ctc", provider="CPUExecutionProvider")
    assert config["model_name"] == "tiny_ctc"
    front_end = packaged_model.preprocessor
    assert transcribe_sample(example, "tiny_ctc", sessions, preprocessor=front_end) == text
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text(f"path\tduration\n{example}\t7.0\n{example}\t7.0\n", encoding="utf-8")
    assert infer_onnx(manifest, config, sessions, batch_size=1) == [text, text]
    tokenizer = packaged_model.decoding.tokenizer
    assert infer_onnx(str(example), config, sessions, tokenizer=tokenizer) == [text]
    with pytest.raises(CheckpointError, match="there are: tiny_ctc"):
        load_onnx_sessions(packaged, "rnnt")
    with pytest.raises(CheckpointError, match="v1_ctc"):
        load_onnx_sessions(packaged, "ctc", "v1")


def test_a_graph_that_differs_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gigaam.onnx.export.TOLERANCE", -1.0)
    with pytest.raises(ExportError, match=r"v3_ssl_encoder\.onnx.*differs"):
        random_ssl("v3_ssl", n_layers=1).to_onnx(tmp_path)
    assert os.listdir(tmp_path) == []


def test_exported_models_tell_what_they_are(packaged: Path) -> None:
    model = gigaam.onnx.load(packaged, name=PACKAGED)
    assert repr(model) == "<OnnxASR tiny_ctc (ctc) on cpu>"


def test_what_is_no_directory_of_an_export(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no graph")
    for wanted, told in (
        (tmp_path / "misspelt", "no directory .*misspelt.*`gigaam export` or to_onnx"),
        ("v3_ctc", "gigaam export v3_ctc DIRECTORY.*load_model"),
        (tmp_path / "m.onnx", "m.onnx is a file: .* name="),
    ):
        with pytest.raises(CheckpointError, match=told):
            gigaam.onnx.load(wanted)
    with pytest.raises(CheckpointError, match=r"no exported n in .*; there are: m"):
        gigaam.onnx.load(tmp_path, name="n")


def test_directories_without_one_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no exported model"):
        gigaam.onnx.load(tmp_path)
    for name in ("a.onnx", "b_encoder.onnx", "b_decoder.onnx", "b_joint.onnx"):
        (tmp_path / name).write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match="holds a, b"):
        gigaam.onnx.load(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be run"):
        gigaam.onnx.load(tmp_path, name="a")


def test_exports_do_not_see_the_state_of_torch(tmp_path: Path) -> None:
    """What is written is compared with the model, so that it would fail."""
    model = random_ssl("v3_ssl", n_layers=1)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.autocast("cpu", dtype=torch.bfloat16):
            model.to_onnx(tmp_path)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert list(tmp_path.glob("*_encoder.onnx"))
