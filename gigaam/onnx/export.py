"""Models as ONNX files, checked against the model before they get their names."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from torch import Tensor, nn

from gigaam.decoder import RNNTHead
from gigaam.decoding import RNNTGreedyDecoding
from gigaam.errors import ArgumentError, ExportError
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx.layouts import ONNX_ASR_PREDICTOR, Layout, arrange, check_layout
from gigaam.onnx.metadata import FrontEnd, GraphMetadata
from gigaam.onnx.parts import Part, Trial, parts_of
from gigaam.onnx.precision import DType
from gigaam.onnx.sessions import open_session
from gigaam.onnx.widening import widened
from gigaam.shielding import defaults_aside, without_autocast

__all__ = ["export"]

EXTERNAL_DATA_BYTES = 1_500_000_000
"""Models over this size keep their weights in a file beside the graph: ONNX ends at 2 GiB."""

TOLERANCE = 1e-4
"""Largest difference from torch that the check allows, of the root mean squares of results."""

LENIENCY: dict[DType, float] = {"float32": 1.0, "float16": 50.0, "int8": 500.0}
"""How many times as much the check allows for a precision."""

OPSET = 23
"""The first one with rotary embeddings and attention."""


def export(
    model: GigaAM,
    dir_path: str | os.PathLike[str] = ".",
    dtype: DType | torch.dtype = "float32",
    external_data: bool | None = None,
    layout: Layout = "gigaam",
    name: str | None = None,
) -> list[Path]:
    """The files of a model's graphs and config, written whole or not at all.

    Args:
        model: Left as it is.
        dir_path: Made if missing.
        dtype: Precision of the layers, by its name or torch's: "int8" is the fastest on CPUs,
            "float16", which changes the encoder alone, is for GPUs; see `gigaam.onnx.precision`.
        external_data: Whether weights lie beside the graphs; by default if they are over 1.5 GB.
        layout: Whose files: the published package's, or those that another engine opens; see
            `gigaam.onnx.layouts`.
        name: Begins the files' names; the model's own by default.

    Raises:
        ArgumentError: There is no such precision or layout, or its engine cannot open such a model.
        ExportError: A graph does not compute what the model does.
    """
    dtype = _checked(dtype)
    directory = Path(dir_path)
    if name is None:  # a config may come from anybody's file, and leads to no other directory
        name = re.split(r"[/\\\0]", str(model.cfg.get("model_name") or ""))[-1][:200] or "model"
    directory.mkdir(parents=True, exist_ok=True)
    cpu = torch.device("cpu")
    with defaults_aside(cpu), without_autocast(cpu):
        return _export(model, directory, dtype, external_data, layout, name)


def _export(
    model: GigaAM,
    directory: Path,
    dtype: DType,
    external_data: bool | None,
    layout: Layout,
    name: str,
) -> list[Path]:
    """See `export`."""
    clone = copy.deepcopy(model).to("cpu", torch.float32).eval()
    for parameter in clone.parameters():
        parameter.requires_grad_(False)
    if layout == "onnx-asr":
        _widen_predictor(clone)
    metadata = describe(clone, name, dtype)
    check_layout(metadata, layout)
    parts = parts_of(clone)  # with the trials of all: building a graph uses up weights
    with tempfile.TemporaryDirectory(prefix=".export-", dir=directory) as scratch:
        folder = Path(scratch)
        for part in parts:
            path = folder / f"{name}{part.suffix}.onnx"
            _write(part, part.build(dtype).eval(), path, metadata, external_data)
            check(path, part.trials, part.time_axis, TOLERANCE * LENIENCY[dtype])
        config = OmegaConf.to_container(model.cfg)
        text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        arrange(folder, name, metadata, layout)
        written = sorted(folder.iterdir())
        for path in written:
            os.replace(path, directory / path.name)
    return [directory / path.name for path in written]


def _checked(dtype: DType | torch.dtype) -> DType:
    """The name of a precision that there is."""
    for name in LENIENCY:
        if dtype in (name, getattr(torch, name)):
            return name
    raise ArgumentError(f"dtype {dtype!r} is not one of {', '.join(LENIENCY)}")


def _widen_predictor(model: GigaAM) -> None:
    """Gives a narrower predictor the only width that onnx-asr makes states for."""
    if isinstance(model, GigaAMASR) and isinstance(model.head, RNNTHead):
        _, width = ONNX_ASR_PREDICTOR
        if model.head.decoder.pred_hidden < width:
            model.head = widened(model.head, width).eval()


def describe(model: GigaAM, name: str, dtype: DType = "float32") -> GraphMetadata:
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
    shared: dict[str, Any] = {"name": name, "front_end": front_end, "dtype": dtype}
    if isinstance(model, GigaAMEmo):
        return GraphMetadata("emo", emotions=model.id2name, **shared)
    if not isinstance(model, GigaAMASR):
        return GraphMetadata("ssl", **shared)
    tokenizer = model.decoding.tokenizer
    shared["tokenizer"] = tokenizer.serialized
    if tokenizer.serialized is None:
        shared["vocabulary"] = tokenizer.pieces
    if not isinstance(model.head, RNNTHead):
        return GraphMetadata("ctc", **shared)
    assert isinstance(model.decoding, RNNTGreedyDecoding)
    predictor = model.head.decoder
    return GraphMetadata(
        "rnnt",
        **shared,
        max_symbols=model.decoding.max_symbols_per_step,
        layers=predictor.lstm.num_layers,
        width=predictor.pred_hidden,
    )


def _write(
    part: Part, module: nn.Module, path: Path, metadata: GraphMetadata, external_data: bool | None
) -> None:
    program = traced(module, part.example, part.dynamic, part.inputs, part.outputs)
    for name, value in metadata.to_strings().items():
        program.model.metadata_props[name] = value
    if external_data is None:
        size = sum(p.numel() * p.element_size() for p in module.parameters())
        external_data = size > EXTERNAL_DATA_BYTES
    program.save(str(path), external_data=external_data)


def traced(
    module: nn.Module,
    example: tuple[Tensor, ...],
    dynamic: tuple[Mapping[int, Any], ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> torch.onnx.ONNXProgram:
    """A module as a graph.

    Args:
        module: Computes it.
        example: Inputs, for tracing.
        dynamic: Axes of each input that may have any length.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        opset: Version of the operators.
    """
    with _exporter_kept_quiet():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            dynamic_shapes=dynamic,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=opset,
            verbose=False,
        )
    assert program is not None
    return program


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


def check(path: Path, trials: Sequence[Trial], time_axis: int | None, tolerance: float) -> None:
    """Compares a graph with the model it was made from.

    Args:
        path: The graph.
        trials: What it is to give.
        time_axis: Of the first output, of which only each recording's own frames are compared;
            None compares all.
        tolerance: Largest root mean square of differences, as a share of that of the results.

    Raises:
        ExportError: They differ.
    """
    session = open_session(path)
    names = [each.name for each in session.get_inputs()]
    for trial in trials:
        fed = {name: tensor.numpy() for name, tensor in zip(names, trial.inputs, strict=True)}
        found = session.run(None, fed)
        wanted = [each.numpy() for each in trial.wanted]
        if time_axis is not None:
            inside = _inside(wanted[0].shape, wanted[1], time_axis)
            found[0], wanted[0] = found[0] * inside, wanted[0] * inside
        for output, one, other in zip(session.get_outputs(), found, wanted, strict=True):
            difference = _relative_difference(one, other) if one.shape == other.shape else np.inf
            if not difference <= tolerance:
                raise ExportError(
                    f"{path.name}: for inputs of shapes {[tuple(t.shape) for t in trial.inputs]} "
                    f"the graph's {output.name} differs from the model's by {difference:.2%}"
                )


def _relative_difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square of the difference, as a share of that of the second."""
    difference = np.linalg.norm((found - wanted).astype(np.float64))
    return float(difference / max(np.linalg.norm(wanted.astype(np.float64)), 1e-30))


def _inside(shape: tuple[int, ...], lengths: np.ndarray, axis: int) -> np.ndarray:
    inside = np.arange(shape[axis]) < lengths[:, None]
    return inside[:, :, None] if axis == 1 else inside[:, None]
