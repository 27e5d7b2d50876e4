"""Conformer encoder (arXiv 2005.08100) of all GigaAM models.

Shapes: B batch, F mel bands, T frames, D model width. Layers work on [B, T, D]; module names are
keys of published checkpoints.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.attention import (
    RelativeAttention,
    RelativePositions,
    RotaryAttention,
    RotaryPositions,
)
from gigaam.errors import CheckpointError
from gigaam.published.exporting import EncoderNames

GROUP_FRAMES = 2000
"""Log-mel frames that go through a CPU together, padding included."""

KERNEL_FRAMES = 32
"""Convolutions on a CPU run on multiples of so many frames. oneDNN keeps what it prepares for a
shape, some 400 kB: of recordings of any length it would soon hold hundreds of megabytes."""

Length = TypeVar("Length", int, Tensor)


def _inside(lengths: Tensor, frames: int) -> Tensor:
    """Bool [B, T], True on each recording's own frames."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


class StridingSubsampling(nn.Module):
    """Convolutions of stride 2, each followed by ReLU, that shorten time ``factor`` times.

    Args:
        kind: "conv1d" runs over time with mel bands as channels, "conv2d" over time and frequency.
        kernel_size: Width of every convolution.
        factor: A power of two.
        feat_in: Mel bands.
        d_model: Width of the result.
    """

    def __init__(
        self, *, kind: str, kernel_size: int, factor: int, feat_in: int, d_model: int
    ) -> None:
        super().__init__()
        if kind not in ("conv1d", "conv2d"):
            raise CheckpointError(f"subsampling must be conv1d or conv2d, not {kind!r}")
        self.kernel_size, self.padding = kernel_size, (kernel_size - 1) // 2
        stages = int(math.log2(factor))
        convolution = nn.Conv1d if kind == "conv1d" else nn.Conv2d
        layers: list[nn.Module] = []
        for stage in range(stages):
            channels = d_model if stage else (feat_in if kind == "conv1d" else 1)
            layers += [
                convolution(channels, d_model, kernel_size, stride=2, padding=self.padding),
                nn.ReLU(),
            ]
        self.conv = nn.Sequential(*layers)
        self.out: nn.Linear | None = None
        if kind == "conv2d":
            bands = feat_in
            for _ in range(stages):
                bands = self.out_len(bands)
            self.out = nn.Linear(d_model * bands, d_model)

    def out_len(self, lengths: Length) -> Length:
        """Length after one convolution."""
        return (lengths + 2 * self.padding - self.kernel_size) // 2 + 1

    def calc_output_length(self, lengths: Length) -> Length:
        """Length after all of them."""
        for layer in self.conv:
            if isinstance(layer, nn.ReLU):
                lengths = self.out_len(lengths)
        return lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, F] → [B, T', D], with zeros past each recording's own frames before and after."""
        x = features.transpose(1, 2) if self.out is None else features[:, None]
        time_axis = -1 if self.out is None else -2
        x = self._zero_padding(x, lengths, time_axis)
        for layer in self.conv:
            if isinstance(layer, nn.ReLU):
                lengths = self.out_len(lengths)
                x = self._zero_padding(layer(x), lengths, time_axis)
            else:
                x = self._convolve(layer, x, time_axis)
        if self.out is None:
            return x.transpose(1, 2), lengths
        return self.out(x.transpose(1, 2).flatten(2)), lengths

    def _convolve(self, layer: nn.Module, x: Tensor, time_axis: int) -> Tensor:
        """One convolution."""
        frames = x.size(time_axis)
        after = (0, 0) * (-1 - time_axis)  # axes that follow time
        convolved: Tensor = layer(F.pad(x, (*after, 0, _missing(frames, x))))
        return convolved.narrow(time_axis, 0, self.out_len(frames))

    @staticmethod
    def _zero_padding(x: Tensor, lengths: Tensor, time_axis: int) -> Tensor:
        frames = x.size(time_axis)
        if bool((lengths >= frames).all()):
            return x
        inside = _inside(lengths, frames)
        shape = [x.size(0)] + [1] * (x.dim() - 1)
        shape[time_axis] = frames
        return x * inside.view(shape)


class FeedForward(nn.Module):
    """linear → SiLU → linear, [B, T, D] → the same."""

    def __init__(self, *, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] → [B, T, D]."""
        out: Tensor = self.linear2(F.silu(self.linear1(x)))
        return out


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise, norm, SiLU, pointwise: [B, T, D] → the same.

    Pointwise convolutions run as matrix products over [B, T, D], which spares two transpositions.
    """

    def __init__(self, *, d_model: int, kernel_size: int, norm: str) -> None:
        super().__init__()
        if norm not in ("batch_norm", "layer_norm"):
            raise CheckpointError(f"conv_norm_type must be batch_norm or layer_norm, not {norm!r}")
        self.pointwise_conv1 = nn.Conv1d(d_model, 2 * d_model, 1)
        self.depthwise_conv = nn.Conv1d(
            d_model, d_model, kernel_size, padding=(kernel_size - 1) // 2, groups=d_model
        )
        # Named batch_norm in the checkpoints also where it is a LayerNorm.
        self.batch_norm = nn.BatchNorm1d(d_model) if norm == "batch_norm" else nn.LayerNorm(d_model)
        self.pointwise_conv2 = nn.Conv1d(d_model, d_model, 1)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """[B, T, D] → [B, T, D]; ``valid`` bool [B, T] is False on padding."""
        x = F.glu(F.linear(x, self.pointwise_conv1.weight[..., 0], self.pointwise_conv1.bias))
        if valid is not None:
            x = x * valid[..., None]
        x = F.silu(self._convolve(x))
        return F.linear(x, self.pointwise_conv2.weight[..., 0], self.pointwise_conv2.bias)

    def _convolve(self, x: Tensor) -> Tensor:
        """Depthwise convolution and norm: [B, T, D] → the same."""
        weight, bias, norm = self.depthwise_conv.weight, self.depthwise_conv.bias, self.batch_norm
        if isinstance(norm, nn.LayerNorm):
            return norm(_depthwise(x, weight, bias))  # type: ignore[no-any-return]
        if norm.training:
            return norm(_depthwise(x, weight, bias).transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]
        # At inference the norm is a scale and a shift per channel: part of the convolution.
        assert bias is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = (bias - norm.running_mean) * scale + norm.bias
        return _depthwise(x, weight * scale[:, None, None], shift)


def _depthwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution over time, channel by channel, with zeros around: [B, T, D] → the same.

    As an image of height one, [B, T, D] already has the channels-last layout, for which CPUs have
    a kernel up to 15 times faster than conv1d's, and no transposition is needed.
    """
    channels, _, width = weight.shape
    frames, margin = x.size(1), (width - 1) // 2
    padded = F.pad(x, (0, 0, margin, margin + _missing(frames, x)))
    image = padded.transpose(1, 2).unsqueeze(2)
    convolved = F.conv2d(image, weight.unsqueeze(2), bias, groups=channels)
    return convolved.squeeze(2).transpose(1, 2)[:, :frames]


def _missing(frames: int, x: Tensor) -> int:
    """Frames of zeros to append before a convolution of x."""
    return -frames % KERNEL_FRAMES if x.device.type == "cpu" else 0


class ConformerLayer(nn.Module):
    """½ feed-forward, attention, convolution, ½ feed-forward, each added to its input; norm."""

    def __init__(
        self,
        *,
        d_model: int,
        d_ff: int,
        self_attn: RotaryAttention | RelativeAttention,
        conv_kernel_size: int,
        conv_norm_type: str,
    ) -> None:
        super().__init__()
        self.norm_feed_forward1 = nn.LayerNorm(d_model)
        self.feed_forward1 = FeedForward(d_model=d_model, d_ff=d_ff)
        self.norm_conv = nn.LayerNorm(d_model)
        self.conv = ConvolutionModule(
            d_model=d_model, kernel_size=conv_kernel_size, norm=conv_norm_type
        )
        self.norm_self_att = nn.LayerNorm(d_model)
        self.self_attn = self_attn
        self.norm_feed_forward2 = nn.LayerNorm(d_model)
        self.feed_forward2 = FeedForward(d_model=d_model, d_ff=d_ff)
        self.norm_out = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """[B, T, D] → [B, T, D]; ``valid`` bool [B, T] is False on padding, None without any."""
        x = torch.add(x, self.feed_forward1(self.norm_feed_forward1(x)), alpha=0.5)
        x = x + self.self_attn(self.norm_self_att(x), positions, valid)
        x = x + self.conv(self.norm_conv(x), valid)
        x = torch.add(x, self.feed_forward2(self.norm_feed_forward2(x)), alpha=0.5)
        return self.norm_out(x)  # type: ignore[no-any-return]


class ConformerEncoder(nn.Module, EncoderNames):
    """Log-mel features → encodings, one per ``subsampling_factor`` frames.

    Args:
        feat_in: Mel bands.
        n_layers: Conformer layers.
        d_model: Width of the encodings.
        subsampling: "conv1d" (v3, multilingual) or "conv2d".
        subs_kernel_size: Width of the subsampling convolutions.
        subsampling_factor: A power of two.
        ff_expansion_factor: Width of the feed-forward layers in model widths.
        self_attention_model: "rotary" or "rel_pos" (v1, emotion).
        pos_emb_max_len: Base of the rotary angles (as in all published models); no limit of length.
        n_heads: Attention heads.
        conv_kernel_size: Width of the depthwise convolutions.
        conv_norm_type: "batch_norm" or "layer_norm" (v3, multilingual) after them.
        flash_attn: Use the flash-attn package where it can run.
    """

    def __init__(
        self,
        *,
        feat_in: int = 64,
        n_layers: int = 16,
        d_model: int = 768,
        subsampling: str = "conv2d",
        subs_kernel_size: int = 3,
        subsampling_factor: int = 4,
        ff_expansion_factor: int = 4,
        self_attention_model: str = "rotary",
        pos_emb_max_len: int = 5000,
        n_heads: int = 16,
        conv_kernel_size: int = 31,
        conv_norm_type: str = "batch_norm",
        flash_attn: bool = False,
    ) -> None:
        super().__init__()
        if self_attention_model not in ("rotary", "rel_pos"):
            raise CheckpointError(
                f"self_attention_model must be rotary or rel_pos, not {self_attention_model!r}"
            )
        rotary = self_attention_model == "rotary"
        self.feat_in, self.d_model = feat_in, d_model
        self.pre_encode = StridingSubsampling(
            kind=subsampling,
            kernel_size=subs_kernel_size,
            factor=subsampling_factor,
            feat_in=feat_in,
            d_model=d_model,
        )
        self.pos_enc = (
            RotaryPositions(d_head=d_model // n_heads, base=float(pos_emb_max_len))
            if rotary
            else RelativePositions(d_model=d_model)
        )

        def attention() -> RotaryAttention | RelativeAttention:
            if rotary:
                return RotaryAttention(d_model=d_model, n_heads=n_heads, flash_attn=flash_attn)
            return RelativeAttention(d_model=d_model, n_heads=n_heads)

        self.layers = nn.ModuleList(
            ConformerLayer(
                d_model=d_model,
                d_ff=d_model * ff_expansion_factor,
                self_attn=attention(),
                conv_kernel_size=conv_kernel_size,
                conv_norm_type=conv_norm_type,
            )
            for _ in range(n_layers)
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision the encoder computes in."""
        return next(self.parameters()).dtype

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of a batch; each recording's are those it has alone.

        Args:
            features: Log-mel, float32 [B, F, T], padded with anything.
            lengths: int [B], frames of each recording.

        Returns:
            Encodings [B, D, T'] in the encoder's dtype (unspecified past a recording's own
            frames) and int32 [B], the frames of each.
        """
        if features.device.type != "cpu":
            return self._encode(features, lengths)
        groups = _groups(lengths.tolist(), features.size(2))
        parts = [
            self._encode(features[first:last, :, :frames], lengths[first:last])
            for first, last, frames in groups
        ]
        if len(parts) == 1:
            return parts[0]
        n_frames = max(encoded.size(2) for encoded, _ in parts)
        encoded = [F.pad(part, (0, n_frames - part.size(2))) for part, _ in parts]
        return torch.cat(encoded), torch.cat([part for _, part in parts])

    def _encode(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` in one pass."""
        x, lengths = self.pre_encode(features.to(self.dtype).transpose(1, 2), lengths)
        valid = None
        if not bool((lengths >= x.size(1)).all()):
            valid = _inside(lengths, x.size(1))
        positions = self.pos_enc(x)
        for layer in self.layers:
            x = layer(x, positions, valid)
        return x.transpose(1, 2), lengths.int()


def _groups(lengths: list[int], n_frames: int) -> list[tuple[int, int, int]]:
    """Rows of a batch that go through a CPU together: first, one past last, frames of the longest.

    The activations of more leave its cache, and every layer waits for the memory.
    """
    groups: list[tuple[int, int, int]] = []
    for row, length in enumerate(lengths):
        frames = min(max(length, 1), n_frames)
        if groups:
            first, last, longest = groups[-1]
            longest = max(longest, frames)
            if (last + 1 - first) * longest <= GROUP_FRAMES:
                groups[-1] = (first, last + 1, longest)
                continue
        groups.append((row, row + 1, frames))
    return groups
