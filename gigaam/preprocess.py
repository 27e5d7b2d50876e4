"""Waveform → log-mel features, with the window and mel matrix of the checkpoint.

Shapes: B batch, n samples, F mel bands, T frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gigaam.audio import SAMPLE_RATE, AudioSource, read_audio
from gigaam.errors import ArgumentError
from gigaam.shielding import without_autocast

if TYPE_CHECKING:
    from typing_extensions import Self

MEL_FLOOR, MEL_CEILING = 1e-9, 1e9
"""Limits of the mel energies before the logarithm."""


def load_audio(
    audio_path: AudioSource,
    sample_rate: int = SAMPLE_RATE,
    return_format: Literal["float", "int"] = "float",
    track: int | None = None,
) -> Tensor:
    """Mono samples of a recording, [n], at ``sample_rate`` (the target).

    Args:
        audio_path: A path, the bytes of a file, or an open binary file.
        sample_rate: Rate of the result in Hz; the recording is resampled to it.
        return_format: "float": float32 in [-1, 1]; "int": int16, as in the first release.
        track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.

    Raises:
        AudioFileNotFoundError: There is no such file.
        AudioDecodingError: FFmpeg finds no audio in it.
    """
    if return_format not in ("float", "int"):
        raise ArgumentError(f'return_format must be "float" or "int", not {return_format!r}')
    samples = torch.from_numpy(read_audio(audio_path, sample_rate=sample_rate, track=track))
    if return_format == "float":
        return samples
    return (samples * 32768).round().clamp(-32768, 32767).to(torch.int16)


# Both are computed by numpy, in float64: on torch's meta device, where models are built before
# their weights are read, the same lines would take seconds, for imports of torch.


def hann_window(n: int) -> Tensor:
    """Periodic Hann window, float32 [n]."""
    return torch.from_numpy(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)).float()


def mel_matrix(n_freqs: int, n_mels: int, sample_rate: int) -> Tensor:
    """Triangular HTK mel filters from 0 Hz to half the rate, unnormalised: [n_freqs, n_mels]."""
    nyquist = sample_rate / 2
    mels = np.linspace(0.0, 2595.0 * np.log10(1.0 + nyquist / 700.0), n_mels + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    frequencies = np.linspace(0.0, nyquist, n_freqs)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0.0)).float()


class _Exact(nn.Module):
    """A part whose tables stay float32 whatever a model is converted to: so are the features."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        tables = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, table in tables.items():
            moved = self._buffers[name]
            if table is not None and moved is not None and moved.dtype != torch.float32:
                self._buffers[name] = table.to(moved.device, torch.float32)
        return self


class _Spectrogram(_Exact):
    """Power spectrum; a module of its own only for the checkpoint's key ``spectrogram.window``."""

    window: Tensor

    def __init__(self, n_fft: int, win_length: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length = n_fft, win_length, hop_length
        self.register_buffer("window", hann_window(win_length))

    def forward(self, wav: Tensor) -> Tensor:
        """Power of each frame: [B, n] → [B, n_fft/2+1, T]."""
        spectrum = torch.stft(
            wav,
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.window,
            center=False,
            return_complex=True,
        )
        return torch.view_as_real(spectrum).square().sum(-1)


class _MelScale(_Exact):
    """Mel energies; a module of its own only for the checkpoint's key ``mel_scale.fb``."""

    fb: Tensor

    def __init__(self, n_freqs: int, n_mels: int, sample_rate: int) -> None:
        super().__init__()
        self.register_buffer("fb", mel_matrix(n_freqs, n_mels, sample_rate))

    def forward(self, power: Tensor) -> Tensor:
        """[B, n_freqs, T] → [B, n_mels, T]."""
        return torch.matmul(self.fb.T, power)


class _MelSpectrogram(nn.Module):
    def __init__(self, spectrogram: _Spectrogram, mel_scale: _MelScale) -> None:
        super().__init__()
        self.spectrogram, self.mel_scale = spectrogram, mel_scale

    def forward(self, wav: Tensor) -> Tensor:
        mel: Tensor = self.mel_scale(self.spectrogram(wav))
        return mel


class FeatureExtractor(nn.Module):
    """Log-mel front-end of all GigaAM models.

    Args:
        sample_rate: Rate of the waveforms, Hz.
        features: Number of mel bands.
        hop_length: Samples between frames; a hundredth of a second by default.
        win_length: Samples under the window; a fortieth of a second by default.
        n_fft: Points of the transform; a fortieth of a second by default.
        center: Frames are centred on multiples of the hop, over a recording continued by its own
            reflection (v1, v2, emotion). Otherwise they lie wholly inside it (v3, multilingual).
        **ignored: ``mel_scale`` and ``mel_norm`` of published configs, which name the defaults.
    """

    def __init__(
        self,
        *,
        sample_rate: int = SAMPLE_RATE,
        features: int = 64,
        hop_length: int | None = None,
        win_length: int | None = None,
        n_fft: int | None = None,
        center: bool = True,
        **ignored: Any,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length or sample_rate // 100
        self.n_fft = n_fft or sample_rate // 40
        self.center = center
        win_length = win_length or sample_rate // 40
        # The names inside (featurizer.0.spectrogram, .mel_scale) are keys of published checkpoints.
        spectrogram = _Spectrogram(self.n_fft, win_length, self.hop_length)
        mel_scale = _MelScale(self.n_fft // 2 + 1, features, sample_rate)
        self.featurizer = nn.Sequential(_MelSpectrogram(spectrogram, mel_scale))

    @property
    def win_length(self) -> int:
        """Samples under the window."""
        return self._mel_spectrogram.spectrogram.win_length

    @property
    def window(self) -> Tensor:
        """The window of the checkpoint, float32 [window]."""
        return self._mel_spectrogram.spectrogram.window

    @property
    def mel_matrix(self) -> Tensor:
        """The mel matrix of the checkpoint, float32 [n_fft / 2 + 1, F]."""
        return self._mel_spectrogram.mel_scale.fb

    @property
    def _mel_spectrogram(self) -> _MelSpectrogram:
        return self.featurizer[0]  # type: ignore[return-value]

    def out_len(self, lengths: Tensor) -> Tensor:
        """Frames of recordings of so many samples; a recording under one window has one."""
        if self.center:
            return lengths // self.hop_length + 1
        return (lengths - self.n_fft).clamp(min=0) // self.hop_length + 1

    def forward(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel features of a batch; each recording's are those it has alone, autocast or not.

        Args:
            wav: floats [B, n], padded on the right with anything.
            lengths: int [B], samples of each recording.

        Returns:
            Features float32 [B, F, T] (unspecified past a recording's own frames) and frames [B].
        """
        with without_autocast(wav.device):
            return self._features(wav.float(), lengths)

    def _features(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.arange(wav.size(1), device=wav.device) < lengths[:, None]
        wav = wav.masked_fill(~inside, 0.0)
        if self.center:
            wav = _continue_by_reflection(wav, lengths, self.n_fft // 2)
        wav = F.pad(wav, (0, max(self.n_fft - wav.size(1), 0)))
        # The spectra of one recording fit into a CPU's cache, those of a batch take 100 MB.
        rows = 1 if wav.device.type == "cpu" else wav.size(0)
        energies = torch.cat([self.featurizer(part) for part in torch.split(wav, rows)])
        return energies.clamp(MEL_FLOOR, MEL_CEILING).log(), self.out_len(lengths)


def _continue_by_reflection(wav: Tensor, lengths: Tensor, margin: int) -> Tensor:
    """Each recording with ``margin`` mirrored samples before it and after *its own* end.

    A recording too short to be mirrored (``margin`` samples or fewer) is first made longer with
    zeros. [B, n] → [B, n + 2 margin].
    """
    wav = F.pad(wav, (0, max(margin + 1 - wav.size(1), 0)))
    last = lengths.clamp(min=margin + 1)[:, None] - 1
    position = torch.arange(-margin, wav.size(1) + margin, device=wav.device).abs()
    mirrored = last - (last - position).abs()
    return wav.gather(1, mirrored.clamp(min=0))
