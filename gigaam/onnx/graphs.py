"""Models as plain functions of tensors, for the exporter: no branches, no stored tables.

They use up the parts they are made of, which belong to a copy of the model: float16 and int8 change
weights. Shapes: B batch, F mel bands, T frames of features,
T' frames of encodings, D model width, V classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval
from torch.onnx import ops

from gigaam.attention import (
    RelativeAttention,
    RelativePositions,
    RotaryAttention,
    RotaryPositions,
)
from gigaam.decoder import CTCHead
from gigaam.encoder import (
    ConformerEncoder,
    ConformerLayer,
    ConvolutionModule,
    FeedForward,
    StridingSubsampling,
)
from gigaam.onnx.precision import DType, full_range, linear, quantize

MASKED = 60_000.0
"""Taken from the scores of padding: more than any score, less than float16 ends at."""


def _inside(lengths: Tensor, x: Tensor, axis: int) -> Tensor:
    """Bool [B, frames], True on each recording's own frames along an axis of x."""
    frames = torch.arange(x.size(axis), device=x.device)
    return frames[None] < lengths[:, None]


class SubsamplingGraph(nn.Module):
    """The subsampling: [B, F, T] and lengths → [B, T', D] and lengths.

    One-dimensional convolutions run as those of images of height one, for which ONNX Runtime has
    the faster kernels.
    """

    def __init__(self, subsampling: StridingSubsampling) -> None:
        super().__init__()
        self.conv, self.out, self.out_len = subsampling.conv, subsampling.out, subsampling.out_len

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, T', D] and int64 [B]."""
        x = features[:, :, None] if self.out is None else features.transpose(1, 2)[:, None]
        x = self._zero_padding(x, lengths)
        for layer in self.conv:
            x = _as_image(layer, x) if isinstance(layer, nn.Conv1d) else layer(x)
            if isinstance(layer, nn.ReLU):
                lengths = self.out_len(lengths)
                x = self._zero_padding(x, lengths)
        if self.out is None:
            return x.squeeze(2).transpose(1, 2), lengths
        return self.out(x.transpose(1, 2).flatten(2)), lengths

    def _zero_padding(self, x: Tensor, lengths: Tensor) -> Tensor:
        if self.out is None:
            return x * _inside(lengths, x, 3)[:, None, None].to(x.dtype)
        return x * _inside(lengths, x, 2)[:, None, :, None].to(x.dtype)


def _as_image(layer: nn.Conv1d, x: Tensor) -> Tensor:
    """A convolution over the last axis of x [B, C, 1, T]."""
    padding, stride = int(layer.padding[0]), layer.stride[0]
    weight = layer.weight[:, :, None]
    return F.conv2d(x, weight, layer.bias, (1, stride), (0, padding), groups=layer.groups)


def _rotary_factors(positions: RotaryPositions, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B, T', d / 2] for the frames of x [B, T', D]."""
    exponents = torch.arange(0, positions.d_head, 2, dtype=torch.float64) / positions.d_head
    rates = (positions.base**-exponents).float()
    angles = torch.arange(x.size(1))[:, None].float() * rates
    angles = angles.expand(x.size(0), -1, -1)
    return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def _distance_embeddings(positions: RelativePositions, x: Tensor) -> Tensor:
    """Sinusoids [2T' - 1, D] of the distances T' - 1 … 1 - T'."""
    exponents = torch.arange(0, positions.d_model, 2, dtype=torch.float64) / positions.d_model
    rates = (positions.BASE**-exponents).float()
    length = x.size(1)
    distances = (length - 1) - torch.arange(2 * length - 1)
    angles = distances[:, None].float() * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(x.dtype)


class FeedForwardGraph(nn.Module):
    """What a feed-forward layer gives, times a factor: [B, T', D] → the same."""

    def __init__(self, layer: FeedForward, factor: float) -> None:
        super().__init__()
        self.linear1 = layer.linear1
        self.linear2 = linear(factor * layer.linear2.weight, factor * layer.linear2.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T', D] → [B, T', D]."""
        scaled: Tensor = self.linear2(F.silu(self.linear1(x)))
        return scaled


class RotaryAttentionGraph(nn.Module):
    """Attention with q and k projected in one product: their input is the same."""

    def __init__(self, attention: RotaryAttention) -> None:
        super().__init__()
        self.n_heads = attention.n_heads
        q, k = attention.linear_q, attention.linear_k
        self.linear_qk = linear(torch.cat([q.weight, k.weight]), torch.cat([q.bias, k.bias]))
        self.linear_v, self.linear_out = attention.linear_v, attention.linear_out

    def forward(self, x: Tensor, positions: tuple[Tensor, ...], padding: Padding) -> Tensor:
        """[B, T', D] → [B, T', D]; ``positions`` from `_rotary_factors`."""
        cos, sin = positions
        turned = ops.rotary_embedding(x, cos, sin, num_heads=self.n_heads)
        projected = self.linear_qk(turned), self.linear_v(x), padding.bias
        # Without a bias, ONNX Runtime's attention is the faster.
        attended = torch.cond(padding.absent, self._attend_to_all, self._attend, projected)
        out: Tensor = self.linear_out(attended)
        return out

    def _attend(self, qk: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        q, k = qk.chunk(2, dim=-1)
        return _attention(q, k, v, bias, self.n_heads)

    def _attend_to_all(self, qk: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        q, k = qk.chunk(2, dim=-1)
        return _attention(q, k, v, None, self.n_heads)


class RelativeAttentionGraph(nn.Module):
    """Attention with relative positions."""

    def __init__(self, attention: RelativeAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, positions: tuple[Tensor, ...], padding: Padding) -> Tensor:
        """[B, T', D] → [B, T', D]; ``positions`` from `_distance_embeddings`."""
        attention = self.attention
        heads, scale = attention.n_heads, 1.0 / math.sqrt(attention.d_head)
        q = attention.linear_q(x)
        embedded = attention.split_heads(attention.linear_pos(positions[0])).permute(1, 2, 0)
        by_distance = ((attention.split_heads(q) + attention.pos_bias_v) * scale).transpose(1, 2)
        bias = _by_key(by_distance @ embedded) + padding.bias
        q = q + attention.pos_bias_u.flatten()
        attended = _attention(q, attention.linear_k(x), attention.linear_v(x), bias, heads)
        out: Tensor = attention.linear_out(attended)
        return out


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, n_heads: int) -> Tensor:
    """Attention of q, k, v [B, T', D] by heads, with a bias that broadcasts to [B, H, T', T']."""
    attended: Tensor
    attended, *_ = torch.ops.onnx.Attention.opset23(
        q, k, v, bias, q_num_heads=n_heads, kv_num_heads=n_heads, softmax_precision=1
    )
    return attended


def _by_key(by_distance: Tensor) -> Tensor:
    """[B, H, T', 2T' - 1] by distance → [B, H, T', T'] by key: each row one column further."""
    batch, heads, frames, _ = by_distance.shape
    padded = F.pad(by_distance, (1, 0)).view(batch, heads, 2 * frames, frames)
    return padded[:, :, 1:].reshape(batch, heads, frames, 2 * frames - 1)[..., :frames]


class ConvolutionGraph(nn.Module):
    """The convolution module: pointwise convolutions as products, the norm in the weights."""

    def __init__(self, module: ConvolutionModule) -> None:
        super().__init__()
        first, second = module.pointwise_conv1, module.pointwise_conv2
        self.pointwise1 = linear(first.weight[..., 0], first.bias)
        self.pointwise2 = linear(second.weight[..., 0], second.bias)
        self.depthwise = module.depthwise_conv
        self.norm: nn.Module = nn.Identity()
        if isinstance(module.batch_norm, nn.BatchNorm1d):
            self.depthwise = fuse_conv_bn_eval(module.depthwise_conv, module.batch_norm)
        else:
            self.norm = module.batch_norm

    def forward(self, x: Tensor, padding: Padding) -> Tensor:
        """[B, T', D] → [B, T', D]."""
        x = F.glu(self.pointwise1(x)) * padding.own[..., None]
        # An image whose channels are last: ONNX Runtime reads and writes that as it is.
        x = _as_image(self.depthwise, x[:, None].permute(0, 3, 1, 2)).permute(0, 2, 3, 1).squeeze(1)
        out: Tensor = self.pointwise2(F.silu(self.norm(x)))
        return out


@dataclass(frozen=True)
class Padding:
    """Which frames are not a recording's own.

    Attributes:
        own: [B, T'], 0 on padding, 1 elsewhere.
        bias: [B, 1, T', T'], for attention: huge and negative where the key is padding.
        absent: Bool, whether there is no padding.
    """

    own: Tensor
    bias: Tensor
    absent: Tensor

    @classmethod
    def of(cls, lengths: Tensor, x: Tensor) -> Padding:
        """That of x [B, T', D] with lengths int64 [B]."""
        own = _inside(lengths, x, 1).to(x.dtype)
        bias = (own[:, None, None] - 1.0) * MASKED
        return cls(own, bias.expand(-1, 1, x.size(1), -1), lengths.min() >= x.size(1))


class LayerGraph(nn.Module):
    """A Conformer layer: [B, T', D] → the same."""

    def __init__(self, layer: ConformerLayer) -> None:
        super().__init__()
        self.feed_forward1 = FeedForwardGraph(layer.feed_forward1, 0.5)
        self.feed_forward2 = FeedForwardGraph(layer.feed_forward2, -0.5)
        self.convolution = ConvolutionGraph(layer.conv)
        self.attention: RelativeAttentionGraph | RotaryAttentionGraph
        if isinstance(layer.self_attn, RelativeAttention):
            self.attention = RelativeAttentionGraph(layer.self_attn)
        else:
            self.attention = RotaryAttentionGraph(layer.self_attn)
        self.norm_feed_forward1, self.norm_self_att = layer.norm_feed_forward1, layer.norm_self_att
        self.norm_conv, self.norm_feed_forward2 = layer.norm_conv, layer.norm_feed_forward2
        self.norm_out = layer.norm_out

    def forward(self, x: Tensor, positions: tuple[Tensor, ...], padding: Padding) -> Tensor:
        """[B, T', D] → [B, T', D]."""
        x = x + self.feed_forward1(self.norm_feed_forward1(x))
        x = x + self.attention(self.norm_self_att(x), positions, padding)
        x = x + self.convolution(self.norm_conv(x), padding)
        # Subtracted, for a sum that is normed at once would be fused with its norm, and ONNX
        # Runtime's operator for both takes six times as long as the two.
        x = x - self.feed_forward2(self.norm_feed_forward2(x))
        normed: Tensor = self.norm_out(x)
        return normed


class EncoderGraph(nn.Module):
    """Features float32 [B, F, T] and lengths int64 [B] → encodings [B, D, T'], int32 [B].

    Args:
        encoder: The encoder.
        dtype: Precision of its layers; see `gigaam.onnx.precision`. The convolutions of the
            subsampling, the positions and the results are float32 in any case.
    """

    def __init__(self, encoder: ConformerEncoder, dtype: DType) -> None:
        super().__init__()
        self.subsampling = SubsamplingGraph(encoder.pre_encode)
        self.positions = encoder.pos_enc
        self.layers = nn.ModuleList(map(LayerGraph, encoder.layers))  # type: ignore[arg-type]
        self.dtype = torch.float16 if dtype == "float16" else torch.float32
        self.layers.to(self.dtype)
        if dtype == "int8":
            quantize(self, full_range())

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, D, T'] and int32 [B]."""
        x, lengths = self.subsampling(features, lengths)
        x = x.to(self.dtype)
        positions: tuple[Tensor, ...]
        if isinstance(self.positions, RotaryPositions):
            positions = _rotary_factors(self.positions, x)
        else:
            positions = (_distance_embeddings(self.positions, x),)
        padding = Padding.of(lengths, x)
        for layer in self.layers:
            x = layer(x, positions, padding)
        return x.float().transpose(1, 2), lengths.to(torch.int32)


class CTCGraph(nn.Module):
    """Features and lengths → log-probabilities [B, T', V] and lengths int32 [B]."""

    def __init__(self, encoder: ConformerEncoder, head: CTCHead, dtype: DType) -> None:
        super().__init__()
        self.encoder, self.head = EncoderGraph(encoder, dtype), head

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, T', V] and int32 [B]."""
        encoded, lengths = self.encoder(features, lengths)
        return self.head(encoded), lengths


class EmoGraph(nn.Module):
    """Features and lengths → probabilities [B, emotions]."""

    def __init__(self, encoder: ConformerEncoder, head: nn.Linear, dtype: DType) -> None:
        super().__init__()
        self.encoder, self.head = EncoderGraph(encoder, dtype), head

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """[B, F, T] and int64 [B] → [B, emotions]."""
        encoded, lengths = self.encoder(features, lengths)
        own = _inside(lengths, encoded, 2).to(encoded.dtype)
        mean = (encoded * own[:, None]).sum(-1) / lengths[:, None]
        probabilities: Tensor = self.head(mean).softmax(-1)
        return probabilities
