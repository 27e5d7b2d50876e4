"""How loud the channels of a recording are, and whether anything of them is left when mixed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

__all__ = ["ChannelLevels", "channels_of"]

_MEASURED = 8  # one frame in so many: by no more is a burst overrated, which is 9 dB
_MIX_SAMPLES = 65_536  # measured at once: chunks are short
_LOST_RATIO = 0.01  # of the power that independent channels leave in their mix
_QUIETEST = 1e-5  # power of channels that are not silent, -50 dBFS
_MAX_PLANES = 8  # PyAV looks for further ones behind the end of the list
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def channels_of(frame: AudioFrame) -> NDArray[Any] | None:
    """A view of a frame's samples [c, n]; None if it has no plain form."""
    n_channels = frame.layout.nb_channels
    dtype = _DTYPES.get(frame.format.packed.name)
    if dtype is None:
        return None
    planes: Any = frame.planes
    if frame.format.is_planar:
        if n_channels > _MAX_PLANES:
            return None
        rows = [np.frombuffer(planes[c], dtype, frame.samples) for c in range(n_channels)]
        samples: NDArray[Any] = np.stack(rows)
    else:
        packed = np.frombuffer(planes[0], dtype, frame.samples * n_channels)
        samples = packed.reshape(frame.samples, n_channels).T
    return samples


class ChannelLevels:
    """Compares the channels of a recording with their mix, as both go by.

    The same voice on two channels, once upside down, leaves nothing to be recognised; so does a
    channel that is left out of a mix, as that of low tones in 5.1.
    """

    def __init__(self) -> None:
        self._n_frames = 0
        self._expected = _Power()  # of the mix, if the channels had nothing to do with each other
        self._channels = _Power()
        self._mix = _Power()

    def of_channels(self, frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
        """The frames, heard."""
        for frame in frames:
            self._n_frames += 1
            if self._n_frames % _MEASURED == 1:
                self._hear(frame)
            yield frame

    def of_mix(self, chunks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """The mono chunks [n] that came of the frames, heard."""
        recent: list[NDArray[Any]] = []
        n_recent = 0
        for chunk in chunks:
            if self._channels.n:
                recent.append(chunk)
                n_recent += chunk.size
                if n_recent >= _MIX_SAMPLES:
                    self._mix.add(_powers(np.concatenate(recent)[None])[0], n_recent)
                    recent, n_recent = [], 0
            yield chunk
        if recent:
            self._mix.add(_powers(np.concatenate(recent)[None])[0], n_recent)

    def problem(self) -> str | None:
        """What the mix lost of the channels, if it did."""
        expected, channels, mix = self._expected.mean, self._channels.mean, self._mix.mean
        if channels < _QUIETEST or mix >= expected * _LOST_RATIO:
            return None
        quieter_db = 10 * math.log10(channels / max(mix, 1e-12))
        return (
            f"mixed, its channels cancel each other out: the mix is {quieter_db:.0f} dB quieter"
            ' than they are; recognise each by itself, with channels="split" (--channels split)'
        )

    def _hear(self, frame: AudioFrame) -> None:
        samples = channels_of(frame) if frame.layout.nb_channels > 1 else None
        if samples is None:
            return
        powers = _powers(samples)
        self._expected.add(float(powers.mean()) / len(powers), frame.samples)
        self._channels.add(float(powers.max()), frame.samples)


class _Power:
    """A mean of powers, weighted by the samples they are of."""

    def __init__(self) -> None:
        self.n = 0
        self._sum = 0.0

    @property
    def mean(self) -> float:
        return self._sum / self.n if self.n else 0.0

    def add(self, power: float, n_samples: int) -> None:
        self.n += n_samples
        self._sum += float(power) * n_samples


def _powers(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Mean squares of the rows of samples [c, n], of full scale 1."""
    floats = samples.astype(np.float32)
    kind = samples.dtype.kind
    if kind == "u":
        floats -= 128
    scale = 1.0 if kind == "f" else 2.0 ** (1 - 8 * samples.dtype.itemsize)
    floats *= np.float32(scale)
    squares: NDArray[np.float32] = np.einsum("cn,cn->c", floats, floats)
    squares /= samples.shape[1]
    return squares
