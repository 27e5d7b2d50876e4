"""Exported models give what the models give."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gigaam
import gigaam.onnx
from gigaam.audio import read_audio
from gigaam.errors import CheckpointError, ExportError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx import OnnxASR, OnnxEmo, OnnxEncoder
from gigaam.onnx_utils import infer_onnx, load_onnx, load_onnx_sessions, transcribe_sample
from tests.nets import random_asr, random_emo, random_ssl

RATE = 16_000

FAST = ["v3_ctc", "v2_rnnt"]
SLOW = ["v1_ctc", "v1_rnnt", "v2_ctc", "v3_rnnt"]
KINDS = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]

Exported = Callable[[str], tuple[GigaAM, Path]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Models and the directories they were exported into, each once."""
    done: dict[str, tuple[GigaAM, Path]] = {}

    def get(name: str) -> tuple[GigaAM, Path]:
        if name not in done:
            model: GigaAM
            if name == "emo":
                model = random_emo()
            else:
                model = random_ssl(name) if name.endswith("ssl") else random_asr(name)
            directory = tmp_path_factory.mktemp(name)
            model.to_onnx(directory)
            done[name] = model, directory
        return done[name]

    return get


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    seconds = [0.01, 0.5, 1.7, 3.0, 4.2]
    return [(0.1 * rng.standard_normal(int(s * RATE))).astype(np.float32) for s in seconds]


@pytest.mark.parametrize("name", KINDS)
def test_recognisers(exported: Exported, recordings: list[np.ndarray], name: str) -> None:
    model, directory = exported(name)
    assert isinstance(model, GigaAMASR)
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(runtime, OnnxASR)
    for batch_size in (1, 4):
        expected = model.transcribe(recordings, True, batch_size, input_rate=RATE)
        found = runtime.transcribe(recordings, True, batch_size, input_rate=RATE)
        assert sum(len(result.words or ()) for result in found) >= 5 * (len(recordings) - 2)
        for one, other in zip(found, expected, strict=True):
            assert one == other
            assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
            for word, wanted in zip(one.words or (), other.words or (), strict=True):
                assert (word.text, word.start, word.end) == (wanted.text, wanted.start, wanted.end)
                assert word.confidence == pytest.approx(wanted.confidence, abs=1e-4)


@pytest.mark.parametrize("name", ["v2_rnnt", pytest.param("v1_ssl", marks=pytest.mark.slow)])
def test_embeddings(exported: Exported, recordings: list[np.ndarray], name: str) -> None:
    model, directory = exported(name)
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(runtime, OnnxEncoder | OnnxASR)
    for samples in recordings:
        expected, length = model.embed_audio(samples, input_rate=RATE)
        found, found_length = runtime.embed_audio(samples, input_rate=RATE)
        assert found_length.tolist() == length.tolist()
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-3, rtol=0)


@pytest.mark.slow
def test_emotions(exported: Exported, recordings: list[np.ndarray]) -> None:
    model, directory = exported("emo")
    runtime = gigaam.onnx.load(directory, threads=1)
    assert isinstance(model, GigaAMEmo)
    assert isinstance(runtime, OnnxEmo)
    for samples in recordings:
        expected = model.get_probs(samples, input_rate=RATE)
        assert runtime.get_probs(samples, input_rate=RATE) == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def packaged(packaged_model: GigaAMASR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported packaged model."""
    before = {name: tensor.clone() for name, tensor in packaged_model.state_dict().items()}
    directory = tmp_path_factory.mktemp("packaged")
    packaged_model.to_onnx(directory)
    for name, tensor in packaged_model.state_dict().items():
        assert torch.equal(tensor, before[name])
    return directory


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
print(infer_onnx(example, config, sessions))
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
    assert infer_onnx(str(example), config, sessions, tokenizer=tokenizer) == text
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


def test_directories_without_one_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no exported model"):
        gigaam.onnx.load(tmp_path)
    for name in ("a.onnx", "b_encoder.onnx", "b_decoder.onnx", "b_joint.onnx"):
        (tmp_path / name).write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match="holds a, b"):
        gigaam.onnx.load(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be run"):
        gigaam.onnx.load(tmp_path, name="a")
