"""Models as plain functions of tensors, for the exporter: no branches, no stored tables.

They use the modules of a copy of the model. Shapes: B batch, F mel bands, T frames of features,
T' frames of encodings, D model width, P predictor width, U labels, V classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.attention import RelativeAttention, RelativePositions, RotaryPositions, rotate
from gigaam.decoder import CTCHead, RNNTDecoder, RNNTHead, RNNTJoint
from gigaam.encoder import ConformerEncoder, ConformerLayer, ConvolutionModule, StridingSubsampling
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo


def _inside(lengths: Tensor, x: Tensor, axis: int) -> Tensor:
    """Bool [B, frames], True on each recording's own frames along an axis of x."""
    frames = torch.arange(x.size(axis), device=x.device)
    return frames[None] < lengths[:, None]


class SubsamplingGraph(nn.Module):
    """The subsampling: [B, F, T] and lengths → [B, T', D] and lengths."""

    def __init__(self, subsampling: StridingSubsampling) -> None:
        super().__init__()
        self.subsampling = subsampling

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, T', D] and int64 [B]."""
        flat = self.subsampling.out is None
        x = features if flat else features.transpose(1, 2)[:, None]
        x = self._zero_padding(x, lengths)
        for layer in self.subsampling.conv:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                lengths = self.subsampling.out_len(lengths)
                x = self._zero_padding(x, lengths)
        if self.subsampling.out is None:
            return x.transpose(1, 2), lengths
        return self.subsampling.out(x.transpose(1, 2).flatten(2)), lengths

    @staticmethod
    def _zero_padding(x: Tensor, lengths: Tensor) -> Tensor:
        if x.dim() == 3:
            return x * _inside(lengths, x, 2)[:, None].to(x.dtype)
        return x * _inside(lengths, x, 2)[:, None, :, None].to(x.dtype)


def _rotary_factors(positions: RotaryPositions, x: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [T', 1, d] for the frames of x [B, T', D]."""
    exponents = torch.arange(0, positions.d_head, 2, dtype=torch.float64) / positions.d_head
    rates = (positions.base**-exponents).float()
    angles = torch.arange(x.size(1))[:, None].float() * rates
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], 1)[:, None], torch.cat([-sin, sin], 1)[:, None]


def _distance_embeddings(positions: RelativePositions, x: Tensor) -> Tensor:
    """Sinusoids [2T' - 1, D] of the distances T' - 1 … 1 - T'."""
    exponents = torch.arange(0, positions.d_model, 2, dtype=torch.float64) / positions.d_model
    rates = (positions.BASE**-exponents).float()
    length = x.size(1)
    distances = (length - 1) - torch.arange(2 * length - 1)
    angles = distances[:, None].float() * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention of q, k, v [B, H, T', d] with a bias that broadcasts to [B, H, T', T']."""
    scores = (q * (1.0 / math.sqrt(q.size(-1)))) @ k.transpose(-1, -2) + bias
    return scores.softmax(-1) @ v


class LayerGraph(nn.Module):
    """A Conformer layer: [B, T', D] → the same."""

    def __init__(self, layer: ConformerLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, positions: tuple[Tensor, ...], own: Tensor) -> Tensor:
        """``own`` float [B, T'] is 0 on padding, 1 elsewhere."""
        layer = self.layer
        x = x + 0.5 * layer.feed_forward1(layer.norm_feed_forward1(x))
        x = x + self._attention(layer.norm_self_att(x), positions, own)
        x = x + _convolution(layer.conv, layer.norm_conv(x), own)
        x = x + 0.5 * layer.feed_forward2(layer.norm_feed_forward2(x))
        normed: Tensor = layer.norm_out(x)
        return normed

    def _attention(self, x: Tensor, positions: tuple[Tensor, ...], own: Tensor) -> Tensor:
        attention = self.layer.self_attn
        bias = (own[:, None, None] - 1.0) * 1e9
        if isinstance(attention, RelativeAttention):
            q, k, v = (
                attention.split_heads(linear(x))
                for linear in (attention.linear_q, attention.linear_k, attention.linear_v)
            )
            embedded = attention.split_heads(attention.linear_pos(positions[0])).permute(1, 2, 0)
            scale = 1.0 / math.sqrt(attention.d_head)
            by_distance = ((q + attention.pos_bias_v) * scale).transpose(1, 2) @ embedded
            bias = bias + _by_key(by_distance)
            q = q + attention.pos_bias_u
        else:
            turned = rotate(attention.split_heads(x), positions[0], positions[1]).flatten(2)
            q = attention.split_heads(attention.linear_q(turned))
            k = attention.split_heads(attention.linear_k(turned))
            v = attention.split_heads(attention.linear_v(x))
        attended = _attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), bias)
        out: Tensor = attention.linear_out(attended.transpose(1, 2).flatten(2))
        return out


def _by_key(by_distance: Tensor) -> Tensor:
    """[B, H, T', 2T' - 1] by distance → [B, H, T', T'] by key: each row one column further."""
    batch, heads, frames, _ = by_distance.shape
    padded = F.pad(by_distance, (1, 0)).view(batch, heads, 2 * frames, frames)
    return padded[:, :, 1:].reshape(batch, heads, frames, 2 * frames - 1)[..., :frames]


def _convolution(module: ConvolutionModule, x: Tensor, own: Tensor) -> Tensor:
    """The convolution module with its pointwise convolutions as matrix products."""
    x = F.linear(x, module.pointwise_conv1.weight[..., 0], module.pointwise_conv1.bias)
    x = F.glu(x) * own[..., None]
    x = module.depthwise_conv(x.transpose(1, 2))
    if isinstance(module.batch_norm, nn.LayerNorm):
        x = module.batch_norm(x.transpose(1, 2))
    else:
        x = module.batch_norm(x).transpose(1, 2)
    return F.linear(F.silu(x), module.pointwise_conv2.weight[..., 0], module.pointwise_conv2.bias)


class EncoderGraph(nn.Module):
    """Features float32 [B, F, T] and lengths int64 [B] → encodings [B, D, T'], int32 [B]."""

    def __init__(self, encoder: ConformerEncoder) -> None:
        super().__init__()
        self.subsampling = SubsamplingGraph(encoder.pre_encode)
        self.positions = encoder.pos_enc
        self.layers = nn.ModuleList(map(LayerGraph, encoder.layers))  # type: ignore[arg-type]

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, D, T'] and int32 [B]."""
        x, lengths = self.subsampling(features, lengths)
        own = _inside(lengths, x, 1).to(x.dtype)
        positions: tuple[Tensor, ...]
        if isinstance(self.positions, RotaryPositions):
            positions = _rotary_factors(self.positions, x)
        else:
            positions = (_distance_embeddings(self.positions, x),)
        for layer in self.layers:
            x = layer(x, positions, own)
        return x.transpose(1, 2), lengths.to(torch.int32)


class CTCGraph(nn.Module):
    """Features and lengths → log-probabilities [B, T', V] and lengths int32 [B]."""

    def __init__(self, model: GigaAMASR) -> None:
        super().__init__()
        assert isinstance(model.head, CTCHead)
        self.encoder, self.head = EncoderGraph(model.encoder), model.head

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, F, T] and int64 [B] → [B, T', V] and int32 [B]."""
        encoded, lengths = self.encoder(features, lengths)
        return self.head(encoded), lengths


class EmoGraph(nn.Module):
    """Features and lengths → probabilities [B, emotions]."""

    def __init__(self, model: GigaAMEmo) -> None:
        super().__init__()
        self.encoder, self.head = EncoderGraph(model.encoder), model.head

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """[B, F, T] and int64 [B] → [B, emotions]."""
        encoded, lengths = self.encoder(features, lengths)
        own = _inside(lengths, encoded, 2).to(encoded.dtype)
        mean = (encoded * own[:, None]).sum(-1) / lengths[:, None]
        probabilities: Tensor = self.head(mean).softmax(-1)
        return probabilities


class DecoderGraph(nn.Module):
    """One step of the predictor: labels [B, 1], states [layers, B, P] → [B, 1, P], new states."""

    def __init__(self, decoder: RNNTDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, x: Tensor, hi: Tensor, ci: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """int64 [B, 1] and states [layers, B, P] → [B, 1, P] and new states."""
        blank = self.decoder.embed.num_embeddings - 1
        embedded = self.decoder.embed(x) * (x != blank)[..., None].to(hi.dtype)
        ho, co = self.decoder.step(embedded[:, 0], hi, ci)
        return ho[-1][:, None], ho, co


class JointGraph(nn.Module):
    """Encodings [B, D, T'], predictions [B, P, U] → log-probabilities [B, T', U, V]."""

    def __init__(self, joint: RNNTJoint) -> None:
        super().__init__()
        self.joint = joint

    def forward(self, enc: Tensor, dec: Tensor) -> Tensor:
        """[B, D, T'] and [B, P, U] → [B, T', U, V]."""
        log_probs: Tensor = self.joint(enc.transpose(1, 2), dec.transpose(1, 2))
        return log_probs


def encoder_graph(model: GigaAM) -> nn.Module:
    """The graph that starts from features: with the head where it is part of it."""
    if isinstance(model, GigaAMEmo):
        return EmoGraph(model)
    if isinstance(model, GigaAMASR) and not isinstance(model.head, RNNTHead):
        return CTCGraph(model)
    return EncoderGraph(model.encoder)
