"""Models as ONNX files, checked against the model before they get their names."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from torch import Tensor, nn

from gigaam.decoder import RNNTHead
from gigaam.decoding import RNNTGreedyDecoding
from gigaam.errors import ExportError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx import metadata
from gigaam.onnx.graphs import DecoderGraph, EmoGraph, JointGraph, encoder_graph
from gigaam.onnx.layouts import Layout, arrange, check_layout
from gigaam.onnx.metadata import FrontEnd, GraphMetadata

__all__ = ["export"]

EXTERNAL_DATA_BYTES = 1_500_000_000
"""Models over this size keep their weights in a file beside the graph: ONNX ends at 2 GiB."""

TOLERANCE = 2e-3
"""Largest difference from torch that the check allows, of encodings and log-probabilities."""

_DYNAMIC = torch.export.Dim.DYNAMIC


@dataclass(frozen=True)
class _Graph:
    """A graph to be exported.

    Attributes:
        suffix: Of its file's name.
        module: Computes it.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        example: Inputs, for tracing.
        dynamic: Axes of each input that may have any length.
        trials: Inputs to compare on.
        lengths: Which output tells how many frames of the first one count, and the axis of time.
    """

    suffix: str
    module: nn.Module
    inputs: Sequence[str]
    outputs: Sequence[str]
    example: tuple[Tensor, ...]
    dynamic: tuple[Mapping[int, Any], ...]
    trials: Sequence[tuple[Tensor, ...]]
    time_axis: int | None = None


def export(
    model: GigaAM,
    dir_path: str | os.PathLike[str],
    name: str | None = None,
    external_data: bool | None = None,
    layout: Layout = "gigaam",
) -> list[Path]:
    """The files of a model's graphs and config, written whole or not at all.

    Args:
        model: Left as it is.
        dir_path: Made if missing.
        name: Begins the files' names; the model's own by default.
        external_data: Whether weights lie beside the graphs; by default if they are over 1.5 GB.
        layout: Whose files: the published package's, or those that another engine opens; see
            `gigaam.onnx.layouts`.

    Raises:
        ExportError: A graph does not compute what the model does.
        ArgumentError: The engine cannot open such a model.
    """
    directory = Path(dir_path)
    name = name or str(model.cfg.get("model_name") or "model")
    directory.mkdir(parents=True, exist_ok=True)
    clone = copy.deepcopy(model).to("cpu", torch.float32).eval()
    for parameter in clone.parameters():
        parameter.requires_grad_(False)
    described = describe(clone, name)
    check_layout(described, layout)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=directory) as scratch:
        folder = Path(scratch)
        for graph in _graphs(clone):
            path = folder / f"{name}{graph.suffix}.onnx"
            _write(graph, path, described, external_data)
            check(graph.module, path, graph.trials, graph.time_axis)
        config = OmegaConf.to_container(model.cfg)
        text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        arrange(folder, name, described, layout)
        written = sorted(folder.iterdir())
        for path in written:
            os.replace(path, directory / path.name)
    return [directory / path.name for path in written]


def describe(model: GigaAM, name: str) -> GraphMetadata:
    """What the graphs of a model say about it."""
    preprocessor = model.preprocessor
    front_end = FrontEnd(
        sample_rate=preprocessor.sample_rate,
        hop_length=preprocessor.hop_length,
        n_fft=preprocessor.n_fft,
        center=preprocessor.center,
        window=preprocessor.window.float().numpy(),
        mel_matrix=preprocessor.mel_matrix.float().numpy(),
    )
    if isinstance(model, GigaAMEmo):
        return GraphMetadata("emo", name, front_end, emotions=model.id2name)
    if not isinstance(model, GigaAMASR):
        return GraphMetadata("ssl", name, front_end)
    tokenizer = model.decoding.tokenizer
    serialized = tokenizer.serialized
    spelling: dict[str, Any] = {"tokenizer": serialized}
    if serialized is None:
        spelling = {"vocabulary": tokenizer.pieces}
    if not isinstance(model.head, RNNTHead):
        return GraphMetadata("ctc", name, front_end, **spelling)
    assert isinstance(model.decoding, RNNTGreedyDecoding)
    predictor = model.head.decoder
    return GraphMetadata(
        "rnnt",
        name,
        front_end,
        **spelling,
        max_symbols=model.decoding.max_symbols_per_step,
        layers=predictor.lstm.num_layers,
        width=predictor.pred_hidden,
    )


def _graphs(model: GigaAM) -> Iterator[_Graph]:
    """The graphs of a model, under the names that published exports have."""
    module = encoder_graph(model).eval()
    headed = isinstance(model, GigaAMEmo) or (
        isinstance(model, GigaAMASR) and not isinstance(model.head, RNNTHead)
    )
    outputs: Sequence[str] = metadata.ENCODER_OUTPUTS
    if headed:
        outputs = metadata.EMO_OUTPUTS if isinstance(module, EmoGraph) else metadata.CTC_OUTPUTS
    mels = model.preprocessor.mel_matrix.size(1)
    time_axis = None if isinstance(module, EmoGraph) else 1 if headed else 2
    yield _Graph(
        "" if headed else "_encoder",
        module,
        metadata.HEADED_INPUTS if headed else metadata.ENCODER_INPUTS,
        outputs,
        _features(mels, [310, 200, 77]),
        ({0: _DYNAMIC, 2: _DYNAMIC}, {0: _DYNAMIC}),
        [_features(mels, [523]), _features(mels, [97, 411, 16, 250, 333])],
        time_axis,
    )
    if not headed and isinstance(model, GigaAMASR):
        assert isinstance(model.head, RNNTHead)
        yield from _transducer_graphs(model.head)


def _transducer_graphs(head: RNNTHead) -> Iterator[_Graph]:
    layers, width = head.decoder.lstm.num_layers, head.decoder.pred_hidden
    classes = head.decoder.embed.num_embeddings

    def step(batch: int) -> tuple[Tensor, ...]:
        states = torch.randn(2, layers, batch, width)
        return torch.randint(classes, (batch, 1)), states[0], states[1]

    def pair(batch: int, frames: int, labels: int) -> tuple[Tensor, ...]:
        encoded = torch.randn(batch, head.joint.enc.in_features, frames)
        return encoded, torch.randn(batch, width, labels)

    yield _Graph(
        "_decoder",
        DecoderGraph(head.decoder).eval(),
        metadata.DECODER_INPUTS,
        metadata.DECODER_OUTPUTS,
        step(3),
        ({0: _DYNAMIC}, {1: _DYNAMIC}, {1: _DYNAMIC}),
        [step(1), step(5)],
    )
    yield _Graph(
        "_joint",
        JointGraph(head.joint).eval(),
        metadata.JOINT_INPUTS,
        metadata.JOINT_OUTPUTS,
        pair(3, 7, 2),
        ({0: _DYNAMIC, 2: _DYNAMIC}, {0: _DYNAMIC, 2: _DYNAMIC}),
        [pair(1, 1, 1), pair(5, 6, 1)],
    )


def _features(mels: int, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Random features of the usual level, and their lengths."""
    return torch.randn(len(lengths), mels, max(lengths)) * 4 - 8, torch.tensor(lengths)


def _write(graph: _Graph, path: Path, described: GraphMetadata, external_data: bool | None) -> None:
    with _exporter_kept_quiet():
        program = torch.onnx.export(
            graph.module,
            graph.example,
            dynamo=True,
            dynamic_shapes=graph.dynamic,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            verbose=False,
        )
    assert program is not None
    for name, value in described.to_strings().items():
        program.model.metadata_props[name] = value
    if external_data is None:
        size = sum(p.numel() * p.element_size() for p in graph.module.parameters())
        external_data = size > EXTERNAL_DATA_BYTES
    program.save(str(path), external_data=external_data)


@contextlib.contextmanager
def _exporter_kept_quiet() -> Iterator[None]:
    """The exporter warns about packages it does not need, and about its own insides."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


def check(
    module: nn.Module, path: Path, trials: Sequence[tuple[Tensor, ...]], time_axis: int | None
) -> None:
    """Compares a graph with the module it was made from.

    Args:
        module: The module.
        path: The graph.
        trials: Inputs.
        time_axis: Of the first output, of which only each recording's own frames are compared;
            None compares all.

    Raises:
        ExportError: They differ.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    for trial in trials:
        fed = {name: tensor.numpy() for name, tensor in zip(names, trial, strict=True)}
        found = session.run(None, fed)
        with torch.inference_mode():
            wanted = module(*trial)
        wanted = [each.numpy() for each in (wanted if isinstance(wanted, tuple) else (wanted,))]
        if time_axis is not None:
            inside = _inside(wanted[0].shape, wanted[1], time_axis)
            found[0], wanted[0] = found[0] * inside, wanted[0] * inside
        for output, one, other in zip(session.get_outputs(), found, wanted, strict=True):
            difference = float(np.abs(one - other).max()) if one.shape == other.shape else np.inf
            if not difference <= TOLERANCE:
                raise ExportError(
                    f"{path.name}: for inputs of shapes {[tuple(each.shape) for each in trial]} "
                    f"the graph's {output.name} differs from the model's by {difference:g}"
                )


def _inside(shape: tuple[int, ...], lengths: np.ndarray, axis: int) -> np.ndarray:
    inside = np.arange(shape[axis]) < lengths[:, None]
    return inside[:, :, None] if axis == 1 else inside[:, None]
