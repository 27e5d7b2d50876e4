"""The precision of exported layers: float32, float16 with float32 around, or 8-bit products.

float16 is for GPUs and for the encoder alone. Predictor and joint, a hundredth of a transducer's
weights, stay in float32: a step of theirs takes what it takes to start it, and CPUs, for which ONNX
Runtime has no float16 products, would convert their weights at every step.

Shapes: … any leading axes, I inputs and O outputs of a linear layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.onnx import ops

from gigaam.onnx.metadata import DType

__all__ = ["DType", "QuantizedLinear", "full_range", "linear", "quantize"]


class QuantizedLinear(nn.Module):
    """A linear layer of 8-bit numbers, for the exporter only: [..., I] → [..., O].

    Each output has a scale of its own for its weights, which lie around zero. The inputs of a call
    share one range, which the graph finds as it runs. ONNX Runtime's operator for this multiplies
    8-bit numbers, then scales and shifts while the sums are still in the cache.

    Args:
        linear: The layer; it may be wider than one, where several products share their inputs.
        full_range: Whether weights have 8 bits, not 7: the instructions of CPUs without VNNI add
            pairs of products of 8-bit numbers in 16 bits, which may be too few.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, full_range: bool) -> None:
        super().__init__()
        largest = 127 if full_range else 63
        weight = linear.weight.float()
        scale = (weight.abs().amax(1) / largest).clamp(min=torch.finfo(torch.float32).tiny)
        quantized = (weight / scale[:, None]).round().to(torch.int8)
        self.register_buffer("weight", quantized.T.contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.float())

    def forward(self, x: Tensor) -> Tensor:
        """Float32 [..., I] → float32 [..., O]."""
        return ops.symbolic(
            "com.microsoft::DynamicQuantizeMatMul",
            (x, self.weight, self.scale, None, self.bias),
            dtype=x.dtype,
            shape=(*x.shape[:-1], self.weight.size(1)),
            version=1,
        )

    def of_rows(self, x: Tensor) -> Tensor:
        """What the graph gives for rows float32 [N, I], each in a call of its own: [N, O]."""
        low, high = x.amin(1, keepdim=True).clamp(max=0.0), x.amax(1, keepdim=True).clamp(min=0.0)
        scale = torch.where(high > low, (high - low) / 255, 1.0)
        zero = (-low / scale).round()
        levels = ((x / scale).round() + zero).clamp(0, 255) - zero
        sums = (levels.double() @ self.weight.double()).float()  # whole numbers, as in the graph
        scaled = sums * (scale * self.scale)
        return scaled if self.bias is None else scaled + self.bias


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear layer of these weights [out, in]."""
    linear = nn.Linear(weight.size(1), weight.size(0), bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias, requires_grad=False)
    return linear


def quantize(module: nn.Module, full_range: bool) -> None:
    """Puts a `QuantizedLinear` in the place of every linear layer inside a module."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, QuantizedLinear(child, full_range))
        else:
            quantize(child, full_range)


def full_range() -> bool:
    """Whether this CPU multiplies 8-bit weights without overflow."""
    about = torch.cpu.get_capabilities()
    if about.get("architecture") != "x86_64":
        return True
    return any(about.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
