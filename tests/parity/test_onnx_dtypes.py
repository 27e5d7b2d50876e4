"""Exports of lower precision give nearly what the models give; large models export and run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch

import gigaam.onnx
from gigaam.errors import ArgumentError, ExportError
from gigaam.loading import build_model
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx.precision import DType, QuantizedLinear, full_range
from gigaam.onnx.sessions import open_session
from gigaam.store.configs import builtin_config
from tests.exports import export_once
from tests.long_recordings import held_out
from tests.nets import random_asr, random_emo, random_ssl

RATE = 16_000

TOLERANCES: dict[DType, float] = {"float16": 0.001, "int8": 0.01}
"""Of reduced nets: root mean square of the difference from torch over that of the results."""

DTYPES: list[DType] = ["float16", "int8"]
FAST = ["v3_ctc", "v1_ctc"]
SLOW = ["v1_rnnt", "v2_ctc", "v2_rnnt", "v3_rnnt", "v3_ssl", "emo"]
KINDS = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]

FRAMES = [310, 4, 77, 200]


def random_model(name: str) -> GigaAM:
    if name == "emo":
        return random_emo()
    return random_ssl(name) if name.endswith("ssl") else random_asr(name)


def first_graph(directory: Path) -> Path:
    (path,) = (p for p in directory.glob("*.onnx") if not p.stem.endswith(("_decoder", "_joint")))
    return path


@torch.inference_mode()
def results(model: GigaAM, features: np.ndarray) -> np.ndarray:
    """What a model gives for one recording's features [F, T], time first."""
    lengths = torch.tensor([features.shape[1]])
    encoded, frames = model.encoder(torch.from_numpy(features)[None], lengths)
    if isinstance(model, GigaAMEmo):
        return model.classify(encoded, frames)[0].numpy()
    if isinstance(model, GigaAMASR) and model.cfg.model_class == "ctc":
        return model.head(encoded)[0].numpy()
    return encoded[0].T.numpy()


def relative_difference(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KINDS)
def test_families(name: str, dtype: DType, tmp_path: Path, rng: np.random.Generator) -> None:
    model = random_model(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.to_onnx(tmp_path, dtype=dtype)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())

    session = open_session(first_graph(tmp_path), threads=1)
    assert {each.type for each in session.get_outputs()} <= {"tensor(float)", "tensor(int32)"}
    names = [each.name for each in session.get_inputs()]
    alone = [rng.normal(-8.0, 4.0, (64, n)).astype(np.float32) for n in FRAMES]
    together = np.full((len(alone), 64, max(FRAMES)), 5.0, np.float32)
    for row, features in zip(together, alone, strict=True):
        row[:, : features.shape[1]] = features
    batch = session.run(None, dict(zip(names, (together, np.array(FRAMES)), strict=True)))
    for index, features in enumerate(alone):
        wanted = results(model, features)
        fed = features[None], np.array([features.shape[1]])
        single = session.run(None, dict(zip(names, fed, strict=True)))
        for found, *lengths in (each[index] for each in batch), (each[0] for each in single):
            if name.endswith(("rnnt", "ssl")):
                found = found.T
            assert lengths in ([], [len(wanted)])
            assert relative_difference(found[: len(wanted)], wanted) < TOLERANCES[dtype]


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tiny_ctc", "tiny_rnnt"])
def test_error_rate(
    packaged_model: GigaAMASR,
    packaged_transducer: GigaAMASR,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    dtype: DType,
    step: int,
) -> None:
    """Lower precision costs less than 0.3 points of all test recordings, 1 of every sixth."""
    model = {"tiny_ctc": packaged_model, "tiny_rnnt": packaged_transducer}[name]
    spoken = held_out()[::step]
    texts = [each.text for each in spoken]

    def error_rate(model: Any) -> float:
        found = model.transcribe([each.samples for each in spoken], input_rate=RATE)
        return float(jiwer.cer(texts, [str(each) for each in found]))

    directory = export_once(tmp_path_factory, name, model, dtype)
    reduced = error_rate(gigaam.onnx.load(directory, threads=1))
    assert reduced < error_rate(model) + (0.003 if step == 1 else 0.01)


def weights(path: Path, dtype: Any) -> list[np.ndarray]:
    """The matrices of a numpy dtype in a graph."""
    arrays = map(onnx.numpy_helper.to_array, onnx.load(path).graph.initializer)
    return [array for array in arrays if array.dtype == dtype and array.ndim == 2]


@pytest.mark.parametrize(("flags", "largest"), [({"avx512_vnni": True}, 127), ({"avx2": True}, 63)])
def test_range_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], largest: int
) -> None:
    if largest == 127 and not full_range():
        pytest.skip("8-bit products overflow on this processor, which the export would notice")
    about = {"architecture": "x86_64", **flags}
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: about)
    random_ssl("v3_ssl", n_layers=1).to_onnx(tmp_path, dtype="int8")
    matrices = weights(first_graph(tmp_path), np.int8)
    assert len(matrices) == 9  # twice two of feed-forward, q with k, v, out and two pointwise
    assert all(np.abs(each.astype(int)).max(0).min() == largest for each in matrices)
    assert all(np.abs(each.astype(int)).max() == largest for each in matrices)
    assert not weights(first_graph(tmp_path), np.float32)


def test_a_graph_that_differs_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    multiply: Callable[..., torch.Tensor] = QuantizedLinear.forward
    monkeypatch.setattr(QuantizedLinear, "forward", lambda self, x: multiply(self, x) * 1.5)
    with pytest.raises(ExportError, match=r"v3_ssl_encoder\.onnx.*differs"):
        random_ssl("v3_ssl", n_layers=1).to_onnx(tmp_path, dtype="int8")
    assert os.listdir(tmp_path) == []


def test_external_data(tmp_path: Path, rng: np.random.Generator) -> None:
    model = random_ssl("v3_ssl", n_layers=1)
    features = rng.normal(-8.0, 4.0, (64, 90)).astype(np.float32)
    for external in (False, True):
        directory = tmp_path / str(external)
        model.to_onnx(directory, external_data=external)
        path = first_graph(directory)
        assert path.with_name(path.name + ".data").exists() == external
        fed = {"audio_signal": features[None], "length": np.array([90])}
        found, _ = open_session(path, threads=1).run(None, fed)
        assert relative_difference(found[0].T, results(model, features)) < 1e-5


def test_no_such_precision(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="float64"):
        random_ssl("v3_ssl", n_layers=1).to_onnx(tmp_path, dtype="float64")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_over_two_gigabytes(tmp_path: Path, rng: np.random.Generator) -> None:
    model = build_model(builtin_config("multilingual_large_ctc")).eval()
    assert isinstance(model, GigaAMASR)
    model.to_onnx(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 2.3e9
    samples = (0.1 * rng.standard_normal(2 * RATE)).astype(np.float32)
    found = gigaam.onnx.load(tmp_path).transcribe(samples, input_rate=RATE)
    assert found == model.transcribe(samples, input_rate=RATE)


MEMORY = """
import json, sys
import numpy as np
import gigaam.onnx

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

libraries = resident()
model = gigaam.onnx.load(sys.argv[1])
noise = (0.1 * np.random.default_rng(0).standard_normal(20 * 16_000)).astype(np.float32)
for _ in range(3):
    model.transcribe(noise, input_rate=16_000)
print(json.dumps(resident() - libraries))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory(tmp_path: Path) -> None:
    """A full-size model takes little more than its file."""
    build_model(builtin_config("v3_ctc")).eval().to_onnx(tmp_path, dtype="int8")
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert json.loads(done.stdout) < 1.5 * first_graph(tmp_path).stat().st_size
