"""The nets of the local diarizer as files that sherpa-onnx opens, to compare the two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gigaam.speakers.graphs import EMBEDDING, SEGMENTATION

_SEGMENTATION = {
    "num_speakers": 3,
    "powerset_max_classes": 2,
    "num_classes": 7,
    "sample_rate": 16_000,
    "window_size": 160_000,
    "receptive_field_size": 991,
    "receptive_field_shift": 270,
}
_EMBEDDING = {
    "framework": "3d-speaker",
    "language": "-",
    "url": "-",
    "comment": "-",
    "sample_rate": 16_000,
    "output_dim": 192,
    "normalize_samples": 1,
    "feature_normalize_type": "global-mean",
}


def for_sherpa(nets: Path, folder: Path) -> tuple[Path, Path]:
    """Segmentation and embedding with what sherpa-onnx wants to know of them.

    Args:
        nets: Where ``gigaam export speakers`` wrote them.
        folder: Where to.
    """
    segmentation, embedding = onnx.load(nets / SEGMENTATION), onnx.load(nets / EMBEDDING)
    graph = segmentation.graph
    # sherpa-onnx gives [batch, 1, samples].
    graph.node.insert(0, helper.make_node("Squeeze", ["x", "channel"], [graph.input[0].name]))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "channel"))
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 160_000])
    )
    written = folder / SEGMENTATION, folder / EMBEDDING
    for model, told, path in (
        (segmentation, _SEGMENTATION, written[0]),
        (embedding, _EMBEDDING, written[1]),
    ):
        helper.set_model_props(model, {key: str(value) for key, value in told.items()})
        onnx.save(model, path)
    return written
