"""Published names of the nets' parts, for programs that export them one by one.

``model.to_onnx`` exports whole models, and checks what it wrote.

Shapes: B batch, F mel bands, T frames, D encoder width, P predictor width, U labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EncoderNames", "ExportNames", "JointNames", "PredictorNames", "exported_form"]


Axes: TypeAlias = Mapping[str, Mapping[int, str]]
"""Names of tensors, as in `gigaam.onnx.metadata`, and of their axes that have any length."""


class ExportNames:
    """What parts of models say of themselves to an exporter."""

    _inputs: ClassVar[Axes]
    _outputs: ClassVar[Axes]

    def input_names(self) -> list[str]:
        """Names of the arguments of ``forward``, in a graph."""
        return list(self._inputs)

    def output_names(self) -> list[str]:
        """Names of its results."""
        return list(self._outputs)

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Axes of any length, by their names, of arguments and results."""
        return {name: dict(axes) for name, axes in {**self._inputs, **self._outputs}.items()}

    def _like(self, *shape: int) -> Tensor:
        """Zeros where the weights are, of their precision."""
        module: Any = self
        zeros: Tensor = next(module.parameters()).new_zeros(shape)
        return zeros


class EncoderNames(ExportNames):
    """Of `gigaam.encoder.ConformerEncoder`."""

    _inputs: ClassVar[Axes] = {
        "audio_signal": {0: "batch_size", 2: "seq_len"},
        "length": {0: "batch_size"},
    }
    _outputs: ClassVar[Axes] = {
        "encoded": {0: "batch_size", 2: "encoded_len"},
        "encoded_len": {0: "batch_size"},
    }
    feat_in: int

    def input_example(self, batch_size: int = 1, seqlen: int = 200) -> tuple[Tensor, Tensor]:
        """Features [B, F, T] and their lengths int64 [B]."""
        import torch

        features = self._like(batch_size, self.feat_in, seqlen)
        return features, torch.full((batch_size,), seqlen, device=features.device)

    @contextmanager
    def onnx_export_mode(self) -> Iterator[None]:
        """A block in which ``torch.onnx.export(encoder, …, opset_version=23)`` works.

        The encoder then computes the same by a copy of its layers that the exporter can follow.
        """
        encoder: Any = self
        encoder.forward = exported_form(encoder).forward
        try:
            yield
        finally:
            del encoder.forward


class PredictorNames(ExportNames):
    """Of `gigaam.decoder.RNNTDecoder`."""

    _inputs: ClassVar[Axes] = {
        "x": {0: "batch_size"},
        "hi": {1: "batch_size"},
        "ci": {1: "batch_size"},
    }
    _outputs: ClassVar[Axes] = {
        "dec": {0: "batch_size"},
        "ho": {1: "batch_size"},
        "co": {1: "batch_size"},
    }
    pred_hidden: int
    lstm: Any

    def input_example(self, batch_size: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """Labels int64 [B, 1] and states [layers, B, P]."""
        import torch

        state = self._like(self.lstm.num_layers, batch_size, self.pred_hidden)
        labels = torch.zeros(batch_size, 1, dtype=torch.int64, device=state.device)
        return labels, state, state.clone()


class JointNames(ExportNames):
    """Of `gigaam.decoder.RNNTJoint`."""

    _inputs: ClassVar[Axes] = {
        "enc": {0: "batch_size", 2: "encoded_len"},
        "dec": {0: "batch_size", 2: "label_len"},
    }
    _outputs: ClassVar[Axes] = {
        "joint": {0: "batch_size", 1: "encoded_len", 2: "label_len"},
    }
    enc: Any
    pred: Any

    def input_example(self, batch_size: int = 1) -> tuple[Tensor, Tensor]:
        """Encodings [B, D, 1] and predictions [B, P, 1]."""
        encoded = self._like(batch_size, self.enc.in_features, 1)
        return encoded, self._like(batch_size, self.pred.in_features, 1)


def exported_form(module: nn.Module) -> nn.Module:
    """What computes the same as a part of a model, and an exporter can follow."""
    from copy import deepcopy

    from gigaam.decoder import RNNTDecoder, RNNTJoint
    from gigaam.encoder import ConformerEncoder
    from gigaam.onnx.graphs import EncoderGraph
    from gigaam.onnx.transducer_graphs import DecoderGraph, JointGraph

    copied = deepcopy(module).eval().requires_grad_(False)
    if isinstance(copied, ConformerEncoder):
        return EncoderGraph(copied, "float32").eval()
    if isinstance(copied, RNNTDecoder):
        return DecoderGraph(copied, "float32").eval()
    if isinstance(copied, RNNTJoint):
        return JointGraph(copied, "float32").eval()
    return copied
