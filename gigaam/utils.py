"""What the published package has under this name: batches for loops of one's own, and exports.

An attribute of ``gigaam`` that need not be imported.

Shapes: B recordings, n samples, U tokens.
"""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.errors import ArgumentError
from gigaam.example_recording import EXAMPLE
from gigaam.published.exporting import ExportNames, exported_form
from gigaam.published.recordings import Recordings, entries
from gigaam.store import download
from gigaam.types import format_time

__all__ = [
    "AudioDataset",
    "download_long_audio",
    "download_short_audio",
    "format_time",
    "onnx_converter",
]

_LONG_S, _PAUSE_S = 90.0, 1.5


class Encoder(Protocol):
    """What makes tokens of a text: ``model.decoding.tokenizer``."""

    def encode(self, text: str) -> list[int]:
        """Token ids."""


class AudioDataset(Dataset[Any]):
    """Recordings for a ``torch.utils.data.DataLoader``.

    An item is a waveform float32 [n], mono, 16 kHz; with tokens or texts asked for, a tuple of it
    and them.

    Args:
        data: Paths, arrays, tensors (at 16 kHz), one or several, or a manifest
            (``.tsv``, ``.jsonl``).
        tokenizer: What makes tokens of a manifest's transcriptions.
        max_duration: Longer recordings are left out, seconds.
        min_duration: Shorter ones are left out.
        raw_text: Whether items have their transcriptions as the manifest has them.
        return_tokens: Whether items have the transcriptions' tokens, int64 [U].
    """

    def __init__(
        self,
        data: Recordings,
        tokenizer: Encoder | None = None,
        max_duration: float | None = None,
        min_duration: float = 0.0,
        raw_text: bool = False,
        return_tokens: bool = False,
    ) -> None:
        if return_tokens and tokenizer is None:
            raise ArgumentError("return_tokens needs a tokenizer: model.decoding.tokenizer")
        self.tokenizer, self.raw_text, self.return_tokens = tokenizer, raw_text, return_tokens
        self._entries = entries(data)
        if max_duration is not None or min_duration > 0:
            longest = np.inf if max_duration is None else max_duration
            stated = [(each, each.duration_s()) for each in self._entries]
            self._entries = [
                each for each, s in stated if s is None or min_duration <= s <= longest
            ]

    @property
    def samples(self) -> list[Any]:
        """The recordings as they were given, or the paths that a manifest has."""
        return [each.source for each in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Any:
        """An item."""
        entry = self._entries[index]
        item: list[Any] = [torch.from_numpy(entry.read())]
        if self.return_tokens:
            assert self.tokenizer is not None
            item.append(torch.tensor(self.tokenizer.encode(entry.text), dtype=torch.int64))
        if self.raw_text:
            item.append(entry.text)
        return tuple(item) if len(item) > 1 else item[0]

    @staticmethod
    def collate(wavs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Waveforms as a batch [B, n], padded with zeros, and their lengths int64 [B]."""
        lengths = torch.tensor([len(wav) for wav in wavs])
        return pad_sequence(list(wavs), batch_first=True), lengths

    @staticmethod
    def collate_fn(batch: Sequence[Any]) -> tuple[Any, ...]:
        """Items as a batch: what is of one kind is padded, with its lengths after it; or texts."""
        items = [item if isinstance(item, tuple) else (item,) for item in batch]
        collated: list[Any] = []
        for column in zip(*items, strict=True):
            texts = isinstance(column[0], str)
            collated += [list(column)] if texts else AudioDataset.collate(column)
        return tuple(collated)


def onnx_converter(
    model_name: str,
    module: nn.Module,
    out_dir: str | os.PathLike[str],
    inputs: tuple[Tensor, ...] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str]] | None = None,
    opset_version: int | None = None,
) -> Path:
    """The ONNX file of a part of a model; ``model.to_onnx`` exports a whole one and checks it.

    Args:
        model_name: The file's name, without ``.onnx``.
        module: An encoder, predictor or joint network, or any module that torch can export.
        out_dir: Made if missing.
        inputs: Arguments of its ``forward``; by default its ``input_example()``.
        input_names: Their names in the graph; by default its ``input_names()``.
        output_names: Those of the results; by default its ``output_names()``.
        dynamic_axes: Names of the axes of any length; by default its ``dynamic_axes()``.
        opset_version: Of ONNX; by default what ``to_onnx`` uses.
    """
    from gigaam.onnx.export import OPSET, traced

    if isinstance(module, ExportNames):
        known: Any = module
        inputs = known.input_example() if inputs is None else inputs
        input_names = known.input_names() if input_names is None else input_names
        output_names = known.output_names() if output_names is None else output_names
        dynamic_axes = known.dynamic_axes() if dynamic_axes is None else dynamic_axes
    if inputs is None or input_names is None or output_names is None:
        raise ArgumentError(
            f"a {type(module).__name__} does not say what goes in and out of it: give inputs, "
            "input_names and output_names"
        )
    axes = [sorted((dynamic_axes or {}).get(name, {})) for name in input_names]
    example = tuple(map(_widened, inputs, axes))
    dynamic = tuple(dict.fromkeys(each, torch.export.Dim.DYNAMIC) for each in axes)
    form = exported_form(module)
    program = traced(form, example, dynamic, input_names, output_names, opset_version or OPSET)
    path = Path(out_dir, f"{model_name}.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path))
    return path


def _widened(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    """The tensor, longer along axes where it has length 1: torch takes that for a constant."""
    for axis in axes:
        if tensor.size(axis) == 1:
            tensor = tensor.repeat_interleave(3, axis)
    return tensor


def download_short_audio() -> str:
    """The path of a recording of a sentence: the packaged one, without a network."""
    return str(EXAMPLE)


def download_long_audio() -> str:
    """The path of a recording of over a minute: the packaged sentence again and again.

    It is written into the cache directory once.
    """
    path = download.cache_root() / "long_example.wav"
    if not path.is_file():
        sentence = np.pad(read_audio(EXAMPLE), (0, round(_PAUSE_S * SAMPLE_RATE)))
        times = int(np.ceil(_LONG_S * SAMPLE_RATE / len(sentence)))
        samples = np.tile((sentence * 32768).astype("<i2"), times)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            with wave.open(str(Path(folder, path.name)), "wb") as file:
                file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
                file.writeframes(samples.tobytes())
            os.replace(Path(folder, path.name), path)
    return str(path)
