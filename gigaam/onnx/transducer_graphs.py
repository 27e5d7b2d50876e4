"""Predictor and joint network as plain functions of tensors, for the exporter.

They use up the parts they are made of, as in `gigaam.onnx.graphs`. Shapes: B batch, D encoder
width, T' frames of encodings, P predictor width, U labels, V classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.decoder import RNNTDecoder, RNNTJoint
from gigaam.onnx.precision import DType, QuantizedLinear, full_range, linear, quantize

__all__ = ["CellGraph", "DecoderGraph", "JointGraph"]


class CellGraph(nn.Module):
    """A step of an LSTM layer: what comes of its input, states [B, P] → new states.

    Gates lie as input, forget, output, cell: three are sigmoids, taken at once.
    """

    def __init__(self, w_hh: Tensor) -> None:
        super().__init__()
        self.of_state = linear(w_hh, None)

    def forward(self, of_input: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 4P], [B, P], [B, P] → h and c [B, P]."""
        width = h.size(-1)
        gates, g = (of_input + self.of_state(h)).split([3 * width, width], dim=-1)
        i, f, o = gates.sigmoid().chunk(3, dim=-1)
        c = f * c + i * g.tanh()
        return o * c.tanh(), c


def _gates_sorted(weight: Tensor) -> Tensor:
    """Rows [4P, …] of torch's order, input, forget, cell, output, in that of `CellGraph`."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


class DecoderGraph(nn.Module):
    """One step of the predictor: labels [B, 1], states [layers, B, P] → [B, 1, P], new states.

    What the first layer makes of its input depends on the label alone, so it is a table. The
    precision float16 leaves the predictor in float32, see `gigaam.onnx.precision`.
    """

    of_label: Tensor

    def __init__(self, decoder: RNNTDecoder, dtype: DType) -> None:
        super().__init__()
        inputs, cells = [], []
        for w_ih, w_hh, b_ih, b_hh in decoder.lstm.all_weights:
            inputs.append(linear(_gates_sorted(w_ih), _gates_sorted(b_ih + b_hh)))
            cells.append(CellGraph(_gates_sorted(w_hh)))
        self.cells, self.inputs = nn.ModuleList(cells), nn.ModuleList(inputs[1:])
        embedded = decoder.embed.weight.clone()
        embedded[-1] = 0.0  # blank
        if dtype == "int8":
            table = QuantizedLinear(inputs[0], full_range()).of_rows(embedded)
            quantize(self.cells, full_range())
            quantize(self.inputs, full_range())
        else:
            table = inputs[0](embedded)
        self.register_buffer("of_label", table)

    def forward(self, x: Tensor, hi: Tensor, ci: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """int64 [B, 1] and states [layers, B, P] → [B, 1, P] and new states."""
        of_input = F.embedding(x.squeeze(1), self.of_label)
        states: list[tuple[Tensor, Tensor]] = []
        for layer, cell in enumerate(self.cells):
            if layer > 0:
                of_input = self.inputs[layer - 1](states[-1][0])
            states.append(cell(of_input, hi[layer], ci[layer]))
        ho, co = (torch.stack(each) for each in zip(*states, strict=True))
        return states[-1][0][:, None], ho, co


class JointGraph(nn.Module):
    """Encodings [B, D, T'], predictions [B, P, U] → log-probabilities [B, T', U, V].

    A precision of float16 leaves it in float32, see `gigaam.onnx.precision`.
    """

    def __init__(self, joint: RNNTJoint, dtype: DType) -> None:
        super().__init__()
        self.projections = nn.ModuleList([joint.enc, joint.pred])
        self.joint_net = joint.joint_net
        if dtype == "int8":
            quantize(self.projections, full_range())

    def forward(self, enc: Tensor, dec: Tensor) -> Tensor:
        """[B, D, T'] and [B, P, U] → [B, T', U, V]."""
        encode, predict = self.projections
        encoded, predicted = encode(enc.transpose(1, 2)), predict(dec.transpose(1, 2))
        log_probs: Tensor = self.joint_net(encoded[:, :, None] + predicted[:, None]).log_softmax(-1)
        return log_probs
