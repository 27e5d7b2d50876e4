"""Where exported models compute, in what company, and how they say in which precision."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import gigaam
import gigaam.onnx
from gigaam.audio import read_audio
from gigaam.errors import ArgumentError, CheckpointError
from gigaam.onnx.export import traced
from gigaam.onnx.metadata import DType, GraphMetadata
from gigaam.onnx.precision import QuantizedLinear, full_range
from gigaam.onnx.runtime import OnnxASR, from_sessions
from gigaam.onnx.sessions import open_session, open_sessions
from tests.exports import export_once

RATE = 16_000
AZURE, CPU = "AzureExecutionProvider", "CPUExecutionProvider"

azure = pytest.mark.skipif(
    AZURE not in onnxruntime.get_available_providers(), reason="a wheel with the CPU's alone"
)

Export = Callable[[str, DType], Path]


@pytest.fixture(scope="module")
def export(
    tmp_path_factory: pytest.TempPathFactory,
    packaged_model: gigaam.GigaAMASR,
    packaged_transducer: gigaam.GigaAMASR,
) -> Export:
    """The directory of an export of a packaged model, each made once."""
    packaged = {"tiny_ctc": packaged_model, "tiny_rnnt": packaged_transducer}

    def get(name: str, dtype: DType) -> Path:
        return export_once(tmp_path_factory, name, packaged[name], dtype)

    return get


@pytest.fixture(scope="module")
def speech(example: Path) -> list[np.ndarray]:
    """Stretches of the packaged recording, in no order, and next to nothing."""
    samples = read_audio(example)
    return [samples[: 3 * RATE], samples, samples[:200], samples[RATE:], samples[2 * RATE :]]


@pytest.mark.parametrize("name", ["tiny_ctc", "tiny_rnnt"])
def test_together_as_one_by_one(name: str, export: Export, speech: list[np.ndarray]) -> None:
    sessions = open_sessions(export(name, "float32"), name, threads=1)
    alone, together = (from_sessions(sessions, batches=each) for each in (None, True))
    assert isinstance(alone, OnnxASR)
    assert isinstance(together, OnnxASR)
    wanted, found = alone.encode(speech), together.encode(speech)
    assert found.lengths.tolist() == wanted.lengths.tolist()
    for one, other in zip(found.arrays, wanted.arrays, strict=True):
        assert one.shape == other.shape
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5, rtol=0)
    texts = [
        [str(each) for each in model.transcribe(speech, batch_size=5, input_rate=RATE)]
        for model in (alone, together)
    ]
    assert texts[0] == texts[1]
    assert min(map(len, texts[0][:2])) > 10


def test_an_encoder_of_int8_takes_no_batches(export: Export) -> None:
    sessions = open_sessions(export("tiny_rnnt", "int8"), "tiny_rnnt", threads=1)
    with pytest.raises(ArgumentError, match="int8 export takes one recording at a time"):
        from_sessions(sessions, batches=True)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_texts_do_not_depend_on_the_batch(
    dtype: DType, export: Export, speech: list[np.ndarray]
) -> None:
    """To the bit for int8, whose ranges would else be those of all recordings."""
    model = gigaam.onnx.load(export("tiny_rnnt", dtype), name="tiny_rnnt", threads=1)
    assert model.metadata.dtype == dtype
    together = model.transcribe(speech, batch_size=len(speech), input_rate=RATE)
    alone = model.transcribe(speech, batch_size=1, input_rate=RATE)
    for one, other in zip(together, alone, strict=True):
        assert one == other
        assert one.hypothesis is not None
        assert other.hypothesis is not None
        assert one.hypothesis.frames.tolist() == other.hypothesis.frames.tolist()
        if dtype == "int8":
            assert one.hypothesis.log_probs.tobytes() == other.hypothesis.log_probs.tobytes()


def test_exports_that_do_not_tell_their_precision(
    export: Export, speech: list[np.ndarray], tmp_path: Path
) -> None:
    """Those made before it was told."""
    model = onnx.load(export("tiny_ctc", "float32") / "tiny_ctc.onnx")
    (told,) = (each for each in model.metadata_props if each.key == "gigaam.dtype")
    assert told.value == "float32"
    expected = gigaam.onnx.load(export("tiny_ctc", "float32")).transcribe(speech, input_rate=RATE)
    model.metadata_props.remove(told)
    onnx.save(model, tmp_path / "tiny_ctc.onnx")
    silent = gigaam.onnx.load(tmp_path)
    assert silent.metadata.dtype == ""
    assert silent.transcribe(speech, input_rate=RATE) == expected
    properties = {each.key: each.value for each in model.metadata_props}
    with pytest.raises(CheckpointError, match="dtype is 'int4'"):
        GraphMetadata.from_strings(properties | {"gigaam.dtype": "int4"})


def test_float16_changes_the_encoder_alone(export: Export) -> None:
    directory = export("tiny_rnnt", "float16")
    for part, halved in (("encoder", True), ("decoder", False), ("joint", False)):
        weights = onnx.load(directory / f"tiny_rnnt_{part}.onnx").graph.initializer
        assert any(each.data_type == onnx.TensorProto.FLOAT16 for each in weights) == halved


def test_a_table_of_what_8_bit_products_give(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = QuantizedLinear(nn.Linear(24, 40), full_range()).eval()
    rows = torch.randn(9, 24) * torch.logspace(-3, 2, 9)[:, None]
    rows[0], rows[1] = 0.0, rows[1].abs()
    program = traced(layer, (rows[:1],), ({0: torch.export.Dim.DYNAMIC},), ["x"], ["y"])
    program.save(str(tmp_path / "layer.onnx"))
    session = open_session(tmp_path / "layer.onnx", threads=1)
    wanted = np.concatenate([session.run(None, {"x": row[None].numpy()})[0] for row in rows])
    np.testing.assert_allclose(layer.of_rows(rows).detach().numpy(), wanted, rtol=1e-6, atol=1e-6)


@azure
def test_providers_with_options_and_parts_without(export: Export) -> None:
    directory = export("tiny_rnnt", "float32")
    providers = [(AZURE, {}), CPU]
    sessions = open_sessions(
        directory, "tiny_rnnt", providers=providers, without={"decoder": [AZURE], "joint": [AZURE]}
    )
    assert [each.get_providers() for each in sessions] == [[AZURE, CPU], [CPU], [CPU]]
    model = gigaam.onnx.load(
        directory, name="tiny_rnnt", providers=[AZURE], without={"encoder": [AZURE]}
    )
    assert model.device == "cpu"


def test_parts_and_providers_that_nobody_has(export: Export) -> None:
    directory = export("tiny_ctc", "float32")
    with pytest.raises(ArgumentError, match="predictor is no part of a model; there are encoder"):
        gigaam.onnx.load(directory, without={"predictor": [CPU]})
    with pytest.raises(ArgumentError, match="ONNX Runtime has no MoonExecutionProvider here"):
        gigaam.onnx.load(directory, providers=[("MoonExecutionProvider", {"phase": "full"}), CPU])


def test_threads_are_said_once(export: Export) -> None:
    options = onnxruntime.SessionOptions()
    with pytest.raises(ArgumentError, match="give one"):
        gigaam.onnx.load(export("tiny_ctc", "float32"), threads=1, session_options=options)
