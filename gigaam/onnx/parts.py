"""The parts of a model that are exported, and what the model itself makes of trial inputs.

Trials are computed here, before anything is built: graphs use up the weights they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.decoder import CTCHead, RNNTDecoder, RNNTHead, RNNTJoint
from gigaam.encoder import ConformerEncoder
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.onnx import metadata
from gigaam.onnx.graphs import CTCGraph, EmoGraph, EncoderGraph
from gigaam.onnx.precision import DType
from gigaam.onnx.transducer_graphs import DecoderGraph, JointGraph

__all__ = ["Part", "Trial", "parts_of"]

_DYNAMIC = torch.export.Dim.DYNAMIC
_FEATURES_DYNAMIC = ({0: _DYNAMIC, 2: _DYNAMIC}, {0: _DYNAMIC})

_TRACED_FRAMES = (310, 200, 77)
_TRIED_FRAMES = (523,), (97, 411, 16, 250, 333)
"""Frames of features of the recordings of each batch."""


@dataclass(frozen=True)
class Trial:
    """Inputs of a graph, and what the model makes of them."""

    inputs: tuple[Tensor, ...]
    wanted: tuple[Tensor, ...]

    @classmethod
    def of(cls, compute: Callable[..., Any], *inputs: Tensor) -> Trial:
        """What ``compute`` gives."""
        with torch.inference_mode():
            wanted = compute(*inputs)
        return cls(inputs, wanted if isinstance(wanted, tuple) else (wanted,))


@dataclass(frozen=True)
class Part:
    """A part of a model, to be exported.

    Attributes:
        suffix: Of its file's name.
        build: Makes the module that computes it, of weights that it uses up.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        example: Inputs, for tracing.
        dynamic: Axes of each input that may have any length.
        trials: What to compare on.
        time_axis: Of the first output, which is compared within the lengths in the second; None
            compares all.
    """

    suffix: str
    build: Callable[[DType], nn.Module]
    inputs: Sequence[str]
    outputs: Sequence[str]
    example: tuple[Tensor, ...]
    dynamic: tuple[Mapping[int, Any], ...]
    trials: Sequence[Trial]
    time_axis: int | None = None


def parts_of(model: GigaAM) -> list[Part]:
    """The parts of a model, under the names that published exports have."""
    mels, encoder = model.preprocessor.mel_matrix.size(1), model.encoder
    head = model.head if isinstance(model, GigaAMASR) else None
    if isinstance(model, GigaAMEmo):
        graph = partial(EmoGraph, encoder, model.head)
        return [_headed_part(graph, encoder, model.classify, mels, metadata.EMO_OUTPUTS, None)]
    if isinstance(head, CTCHead):
        build = partial(CTCGraph, encoder, head)
        return [_headed_part(build, encoder, _beside(head), mels, metadata.CTC_OUTPUTS, 1)]
    first = Part(
        "_encoder",
        partial(EncoderGraph, encoder),
        metadata.ENCODER_INPUTS,
        metadata.ENCODER_OUTPUTS,
        _features(mels, _TRACED_FRAMES),
        _FEATURES_DYNAMIC,
        [Trial.of(encoder, *_features(mels, each)) for each in _TRIED_FRAMES],
        time_axis=2,
    )
    return [first] if head is None else [first, _predictor_part(head), _joint_part(head.joint)]


def _headed_part(
    build: Callable[[DType], nn.Module],
    encoder: ConformerEncoder,
    head: Callable[[Tensor, Tensor], Any],
    mels: int,
    outputs: Sequence[str],
    time_axis: int | None,
) -> Part:
    """Encoder and head as one graph; ``head`` takes encodings and their lengths."""

    def compute(features: Tensor, lengths: Tensor) -> Any:
        return head(*encoder(features, lengths))

    return Part(
        "",
        build,
        metadata.HEADED_INPUTS,
        outputs,
        _features(mels, _TRACED_FRAMES),
        _FEATURES_DYNAMIC,
        [Trial.of(compute, *_features(mels, each)) for each in _TRIED_FRAMES],
        time_axis,
    )


def _beside(head: CTCHead) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The head as a function of encodings and lengths that gives the lengths as well."""
    return lambda encoded, lengths: (head(encoded), lengths)


def _predictor_part(head: RNNTHead) -> Part:
    layers, width = head.decoder.lstm.num_layers, head.decoder.pred_hidden
    classes = head.decoder.embed.num_embeddings

    def step(batch: int) -> tuple[Tensor, ...]:
        states = torch.randn(2, layers, batch, width)
        return torch.randint(classes, (batch, 1)), states[0], states[1]

    start = torch.full((1, 1), classes - 1), *torch.zeros(2, layers, 1, width)
    return Part(
        "_decoder",
        partial(DecoderGraph, head.decoder),
        metadata.DECODER_INPUTS,
        metadata.DECODER_OUTPUTS,
        step(3),
        ({0: _DYNAMIC}, {1: _DYNAMIC}, {1: _DYNAMIC}),
        [Trial.of(partial(_predict, head.decoder), *each) for each in (start, step(1), step(5))],
    )


def _joint_part(joint: RNNTJoint) -> Part:
    def pair(batch: int, frames: int, labels: int) -> tuple[Tensor, ...]:
        encoded = torch.randn(batch, joint.enc.in_features, frames)
        return encoded, torch.randn(batch, joint.pred.in_features, labels)

    return Part(
        "_joint",
        partial(JointGraph, joint),
        metadata.JOINT_INPUTS,
        metadata.JOINT_OUTPUTS,
        pair(3, 7, 2),
        ({0: _DYNAMIC, 2: _DYNAMIC}, {0: _DYNAMIC, 2: _DYNAMIC}),
        [Trial.of(joint, *pair(*each)) for each in ((1, 1, 1), (5, 6, 1))],
    )


def _predict(decoder: RNNTDecoder, x: Tensor, hi: Tensor, ci: Tensor) -> tuple[Tensor, ...]:
    """What the graph of the predictor is to give: after a blank, what follows a zero vector."""
    embedded = decoder.embed(x)[:, 0]
    embedded = embedded.masked_fill(x == decoder.embed.num_embeddings - 1, 0.0)
    ho, co = decoder.step(embedded, hi, ci)
    return ho[-1][:, None], ho, co


def _features(mels: int, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Random features of the usual level, and their lengths."""
    return torch.randn(len(lengths), mels, max(lengths)) * 4 - 8, torch.tensor(lengths)
