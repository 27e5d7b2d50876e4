"""The two nets that tell speakers apart, as torch modules that take the published weights.

They are only built to be exported: recognition runs the ONNX files.

- Who speaks when within ten seconds, powerset classes of up to three speakers, two at a time:
  Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization",
  Interspeech 2023; SincNet in front by Ravanelli and Bengio, 2018.
- What a voice is like: Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification
  Using Context-Aware Masking", Interspeech 2023.

Names of modules are those of the weights.

Legend: B recordings, n samples, T frames, F mel bands, C channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SpeakerEmbedding", "SpeakerSegmentation"]

_SAMPLE_RATE = 16_000


class SpeakerSegmentation(nn.Module):
    """Log-probabilities of sets of speakers, frame by frame of 16.875 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = _SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, 7)

    def forward(self, samples: Tensor) -> Tensor:
        """float32 [B, T, 7] of samples [B, n]."""
        encoded, _ = self.lstm(self.sincnet(samples.unsqueeze(1)).transpose(1, 2))
        for linear in self.linear:
            encoded = F.leaky_relu(linear(encoded))
        return F.log_softmax(self.classifier(encoded), dim=-1)

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Take the published weights; of the filters they hold the edges of bands."""
        state = dict(state)
        name = "sincnet.conv1d.0."
        edges = [state.pop(f"{name}filterbank.{part}") for part in _EDGES]
        self.load_state_dict({**state, f"{name}weight": _band_passes(*edges)})


_EDGES = ("low_hz_", "band_hz_", "window_", "n_")
_LEAST_HZ = 50.0


def _band_passes(low: Tensor, band: Tensor, window: Tensor, phase: Tensor) -> Tensor:
    """Filters [2 C, 1, 251]: even ones (cosines) of C bands, then odd ones (sines).

    Args:
        low: Where bands begin [C, 1], in Hz above the least.
        band: How wide they are [C, 1], in Hz above the least.
        window: The left half of a window [125].
        phase: 2 pi times the time of its samples [1, 125], in seconds.
    """
    first = _LEAST_HZ + low.abs()
    last = (first + _LEAST_HZ + band.abs()).clamp(_LEAST_HZ, _SAMPLE_RATE / 2)
    width, scale = 2 * (last - first), window / (phase / 2)
    even = (torch.sin(last @ phase) - torch.sin(first @ phase)) * scale
    odd = (torch.cos(first @ phase) - torch.cos(last @ phase)) * scale
    cosines = torch.cat([even, width, even.flip(1)], 1)
    sines = torch.cat([odd, torch.zeros_like(width), -odd.flip(1)], 1)
    return (torch.cat([cosines, sines]) / torch.cat([width, width])).unsqueeze(1)


class _SincNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList(
            [
                nn.Conv1d(1, 80, 251, stride=10, bias=False),
                nn.Conv1d(80, 60, 5),
                nn.Conv1d(60, 60, 5),
            ]
        )
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(n, affine=True) for n in (80, 60, 60)])

    def forward(self, samples: Tensor) -> Tensor:
        """float32 [B, 60, T] of samples [B, 1, n]."""
        found: Tensor = self.wav_norm1d(samples)
        for n, (conv, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            found = conv(found)
            found = norm(F.max_pool1d(found.abs() if n == 0 else found, 3))
            found = F.leaky_relu(found)
        return found


class SpeakerEmbedding(nn.Module):
    """A vector of a voice, of which the direction counts."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Front(32)
        layers: list[tuple[str, nn.Module]] = [("tdnn", _Tdnn(320, 128))]
        channels = 128
        for n, (depth, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), 1):
            layers.append((f"block{n}", _DenseBlock(channels, depth, dilation)))
            channels += 32 * depth
            layers.append((f"transit{n}", _NormedLinear(channels, channels // 2)))
            channels //= 2
        layers.append(("out_nonlinear", _norm_relu(channels)))
        self.xvector = nn.Sequential(OrderedDict(layers))
        self.xvector.add_module("dense", _Dense(2 * channels, 192))

    def forward(self, features: Tensor) -> Tensor:
        """float32 [B, 192] of mel features [B, T, 80], each band less its mean."""
        found = self.head(features.transpose(1, 2).unsqueeze(1))
        *layers, dense = self.xvector
        for layer in layers:
            found = layer(found)
        spread = found.var(dim=-1, correction=1).sqrt()
        pooled = torch.cat([found.mean(dim=-1), spread], dim=1)
        embedding: Tensor = dense(pooled.unsqueeze(-1)).squeeze(-1)
        return embedding

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Take the published weights."""
        self.load_state_dict(state)


def _norm_relu(channels: int, *, affine: bool = True) -> nn.Sequential:
    norm = nn.BatchNorm1d(channels, affine=affine)
    return nn.Sequential(OrderedDict([("batchnorm", norm), ("relu", nn.ReLU())]))


class _Residual(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            strided = nn.Conv2d(channels, channels, 1, (stride, 1), bias=False)
            self.shortcut = nn.Sequential(strided, nn.BatchNorm2d(channels))

    def forward(self, image: Tensor) -> Tensor:
        found = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(image)))))
        return F.relu(found + self.shortcut(image))


class _Front(nn.Module):
    """Two-dimensional convolutions, an eighth of the bands."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.layer2 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, image: Tensor) -> Tensor:
        """float32 [B, C F / 8, T] of [B, 1, F, T]."""
        found = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(image)))))
        return F.relu(self.bn2(self.conv2(found))).flatten(1, 2)


class _Tdnn(nn.Module):
    """A convolution that halves the frames."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(n_in, n_out, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _norm_relu(n_out)

    def forward(self, found: Tensor) -> Tensor:
        masked: Tensor = self.nonlinear(self.linear(found))
        return masked


class _DenseBlock(nn.ModuleDict):
    """Layers each of which sees what all before it have found."""

    def __init__(self, channels: int, depth: int, dilation: int) -> None:
        super().__init__(
            {f"tdnnd{n + 1}": _DenseLayer(channels + 32 * n, dilation) for n in range(depth)}
        )

    def forward(self, found: Tensor) -> Tensor:
        for layer in self.values():
            found = torch.cat([found, layer(found)], 1)
        return found


class _DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _norm_relu(channels)
        self.linear1 = nn.Conv1d(channels, 128, 1, bias=False)
        self.nonlinear2 = _norm_relu(128)
        self.cam_layer = _ContextMask(dilation)

    def forward(self, found: Tensor) -> Tensor:
        masked: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(found))))
        return masked


class _ContextMask(nn.Module):
    """A convolution, masked by what the whole recording and two seconds around are like."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(128, 32, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(128, 64, 1)
        self.linear2 = nn.Conv1d(64, 32, 1)

    def forward(self, found: Tensor) -> Tensor:
        context = found.mean(-1, keepdim=True) + _means(found, 100)
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        masked: Tensor = self.linear_local(found) * mask
        return masked


def _means(found: Tensor, size: int) -> Tensor:
    """Means of pieces, each at all frames of its piece, [B, C, T]."""
    means = F.avg_pool1d(found, size, size, ceil_mode=True)
    n_frames = found.shape[-1]
    return means.repeat_interleave(size, dim=-1)[..., :n_frames]


class _NormedLinear(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.nonlinear = _norm_relu(n_in)
        self.linear = nn.Conv1d(n_in, n_out, 1, bias=False)

    def forward(self, found: Tensor) -> Tensor:
        masked: Tensor = self.linear(self.nonlinear(found))
        return masked


class _Dense(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(n_in, n_out, 1, bias=False)
        self.nonlinear = nn.Sequential(
            OrderedDict([("batchnorm", nn.BatchNorm1d(n_out, affine=False))])
        )

    def forward(self, found: Tensor) -> Tensor:
        masked: Tensor = self.nonlinear(self.linear(found))
        return masked
