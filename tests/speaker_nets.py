"""Small nets that tell two kinds of tones apart, as the nets of the diarizer do with voices.

They have the inputs and outputs of the nets that `gigaam.speakers.export` writes, and, if asked
for, those and the metadata that sherpa-onnx wants. A low tone is one voice, a high tone another.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gigaam.speakers.graphs import EMBEDDING, SEGMENTATION

SAMPLE_RATE = 16_000
LOW_HZ, MIDDLE_HZ, HIGH_HZ = 250.0, 1200.0, 3500.0

WINDOW, RECEPTIVE_FIELD, SHIFT = 160_000, 991, 270
N_FRAMES, N_CLASSES, DIMENSIONS = 589, 7, 192
_OPSET = 18


def voice(hertz: float, seconds: float) -> NDArray[np.float32]:
    """A tone that comes and goes five times a second, over faint noise."""
    n = round(seconds * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(n) * 3e-3
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 5 * t)
    return (0.5 * swell * np.sin(2 * np.pi * hertz * t) + noise).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return voice(LOW_HZ, seconds) * np.float32(1e-3)


def write_nets(folder: Path) -> Path:
    """Both nets, under the names by which a directory of them is opened."""
    write_segmentation(folder / SEGMENTATION)
    write_embedding(folder / EMBEDDING)
    return folder


def write_segmentation(path: Path, *, for_sherpa: bool = False) -> Path:
    """Class 0 where it is silent, 1 where a low tone sounds, 2 where a high one does."""
    # Loudness of the sound and of its steps, which are large for high tones.
    steps = np.array([[[0.0, 1.0]], [[-1.0, 1.0]]], np.float32)
    mixing = np.zeros((N_CLASSES, 2, 1), np.float32)
    mixing[1, :, 0] = 1.0, -1.0
    mixing[2, :, 0] = -0.5, 1.0
    bias = np.full(N_CLASSES, -10.0, np.float32)
    bias[:3] = 0.02, 0.0, 0.0
    signal = "x" if for_sherpa else "signal"
    nodes = [
        helper.make_node("Conv", [signal, "steps"], ["both"], pads=[1, 0]),
        helper.make_node("Abs", ["both"], ["loud"]),
        helper.make_node(
            "AveragePool",
            ["loud"],
            ["pooled"],
            kernel_shape=[RECEPTIVE_FIELD],
            strides=[SHIFT],
        ),
        helper.make_node("Conv", ["pooled", "mixing", "bias"], ["classes"]),
        helper.make_node("Transpose", ["classes"], ["found"], perm=[0, 2, 1]),
    ]
    values = {"steps": steps, "mixing": mixing, "bias": bias}
    if for_sherpa:
        given = ("x", ["batch", 1, "samples"])
    else:
        values["channel"] = np.array([1], np.int64)
        nodes.insert(0, helper.make_node("Unsqueeze", ["samples", "channel"], [signal]))
        given = ("samples", ["batch", WINDOW])
    metadata = {
        "num_speakers": 3,
        "powerset_max_classes": 2,
        "num_classes": N_CLASSES,
        "sample_rate": SAMPLE_RATE,
        "window_size": WINDOW,
        "receptive_field_size": RECEPTIVE_FIELD,
        "receptive_field_shift": SHIFT,
    }
    frames = "frames" if for_sherpa else N_FRAMES
    found = ("found", ["batch", frames, N_CLASSES])
    return _write(path, nodes, values, given, found, metadata if for_sherpa else {})


def write_embedding(path: Path, *, for_sherpa: bool = False) -> Path:
    """Which of the 80 bands move, [batch, 192], or how loud they are for sherpa."""
    wide = np.zeros((80, DIMENSIONS), np.float32)
    wide[:, :80] = np.eye(80)
    nodes = [
        helper.make_node("Mul", ["features", "features"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "axis"], ["moves"], keepdims=0),
        helper.make_node("Sub", ["moves", "noise"], ["more"]),
        helper.make_node("Relu", ["more"], ["tone"]),
        helper.make_node("MatMul", ["tone", "wide"], ["found"]),
    ]
    noise = np.array(2.0, np.float32)  # how much the logarithm of noise moves
    values = {"wide": wide, "noise": noise, "axis": np.array([1], np.int64)}
    metadata = {
        "framework": "3d-speaker",
        "language": "-",
        "url": "-",
        "comment": "-",
        "sample_rate": SAMPLE_RATE,
        "output_dim": DIMENSIONS,
        "normalize_samples": 1,
        "feature_normalize_type": "global-mean",
    }
    given = ("features", ["batch", "frames", 80])
    found = ("found", ["batch", DIMENSIONS])
    return _write(path, nodes, values, given, found, metadata if for_sherpa else {})


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    values: Mapping[str, NDArray[np.generic]],
    given: tuple[str, list[str | int]],
    found: tuple[str, list[str | int]],
    metadata: Mapping[str, str | int],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tones",
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(found[0], TensorProto.FLOAT, found[1])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.save(model, path)
    return path
