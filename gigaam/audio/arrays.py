"""Arrays and tensors as recordings: what is taken for sound, and its samples at one rate.

Legend: n samples, c channels. Rates are in Hz.
"""

from __future__ import annotations

import math
import operator
import sys
import warnings
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.audio.channel_levels import ChannelLevels
from gigaam.audio.resampling import FRAME_SAMPLES, LAYOUTS, RATE_RANGE, converted
from gigaam.errors import AudioError, AudioWarning

if TYPE_CHECKING:
    import torch
    from av.audio.frame import AudioFrame

__all__ = [
    "Array",
    "Samples",
    "array_chunks",
    "as_array",
    "channels_first",
    "checked_rate",
    "frames_of",
    "is_rated",
    "scaled",
    "without_rate",
]

# Union, not `|`: torch is named without being imported, and a string cannot stand beside `|`.
Array: TypeAlias = Union[NDArray[Any], "torch.Tensor"]
Samples: TypeAlias = "NDArray[np.int16] | NDArray[np.float32]"

_MAX_CHANNELS = len(LAYOUTS)
_PEAK_OF_24_BITS = 1 << 23
_MAX_PEAK = 4.0  # clipped floats stay below; 16-bit samples in a float array are far above


def checked_rate(name: str, rate: object) -> int:
    """The rate as a plain int, or an error that names the argument."""
    if rate is None:
        raise AudioError(f"{name}= is required for arrays: samples alone do not tell their rate")
    low, high = RATE_RANGE
    try:
        value = operator.index(rate)  # type: ignore[arg-type]
    except TypeError as error:
        raise AudioError(f"{name}={rate!r} must be an integer, in Hz") from error
    if not low <= value <= high:
        raise AudioError(f"{name}={value} must be a rate in Hz, from {low} to {high}")
    return value


def is_rated(source: object) -> bool:
    """Whether this is a pair of samples and their rate, in either order."""
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    rates = [isinstance(each, int | np.integer) for each in source]
    return sum(rates) == 1 and as_array(source[rates.index(False)]) is not None


def without_rate(source: Any, input_rate: int | None) -> tuple[Any, int | None]:
    """The samples of such a pair, and its rate; anything else as it is."""
    if not is_rated(source):
        return source, input_rate
    samples, rate = source if isinstance(source[1], int | np.integer) else source[::-1]
    if input_rate not in (None, rate):
        raise AudioError(f"the samples come with a rate of {rate} Hz, input_rate={input_rate}")
    return samples, rate


def as_array(source: object, track: int | None = None) -> NDArray[Any] | None:
    """The samples as numpy, if the source is an array or tensor; None if it is to be decoded."""
    torch: Any = sys.modules.get("torch")  # whoever holds a tensor has imported it
    # It lacks the class while another thread is still importing it.
    is_tensor = hasattr(torch, "Tensor") and isinstance(source, torch.Tensor)
    if not (is_tensor or isinstance(source, np.ndarray)):
        return None
    if track is not None:
        raise AudioError(f"track={track}, but an array has no tracks")
    if isinstance(source, np.ndarray):
        return source
    tensor: Any = source
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    array: NDArray[Any] = tensor.numpy(force=True)
    return array


def channels_first(samples: NDArray[Any]) -> NDArray[Any]:
    """A view ``[c, n]`` of ``[n]``, ``[c, n]`` or ``[n, c]``."""
    shape = samples.shape
    if samples.size == 0:
        raise AudioError(f"the array holds no samples (shape {shape})")
    if samples.ndim == 1:
        return samples[np.newaxis]
    if samples.ndim != 2:
        raise AudioError(f"an array of shape {shape} is not [n], [channels, n] or [n, channels]")
    short = [length <= _MAX_CHANNELS for length in shape]
    if all(short):
        raise AudioError(f"shape {shape} is ambiguous: both axes are short enough to be channels")
    if not any(short):
        raise AudioError(f"shape {shape} has no axis shorter than {_MAX_CHANNELS + 1} for channels")
    return samples if short[0] else samples.T


def scaled(samples: NDArray[Any]) -> NDArray[Any]:
    """The samples as int16, where they are, or as float32 of full scale 1, after checking them."""
    kind = samples.dtype.kind
    if kind == "f":
        _check_floats(samples)
        return samples.astype(np.float32, copy=False)
    if kind not in "iu":
        raise AudioError(f"samples of type {samples.dtype} are not sound: give floats or integers")
    bytes_ = samples.dtype.itemsize
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    middle = 1 << (8 * bytes_ - 1)
    if kind == "u":  # flipping the top bit takes the middle away exactly
        samples = (samples ^ samples.dtype.type(middle)).view(f"i{bytes_}")
    if bytes_ == 2:
        return samples
    floats: NDArray[Any] = samples.astype(np.float32) / np.float32(middle)
    return floats


def _check_width(samples: NDArray[Any]) -> None:
    """Refuse narrow integers in a wide array: scaled by its type they would be silence."""
    bits = 8 * samples.dtype.itemsize
    if samples.dtype.kind not in "iu" or bits < 32:
        return
    is_unsigned = samples.dtype.kind == "u"
    peak = max(int(samples.max()), -int(samples.min()))
    # Unsigned samples this small are all at the lower edge of their range, as no sound is.
    narrow = 32 if bits == 64 else 24 if is_unsigned else 16
    # Quiet, but wide: 24 bits at the upper end, with zeros below, whose noise is no louder.
    is_wide = bits == 32 and not is_unsigned and not (samples & samples.dtype.type(0xFF)).any()
    is_quiet = bits == 32 and not is_unsigned and 1 << 16 <= peak <= _PEAK_OF_24_BITS
    if peak == 0 or is_wide or not (peak < 1 << narrow or is_quiet):
        return
    if is_quiet:  # or a quiet passage: a small peak alone does not tell
        warnings.warn(
            f"32-bit samples this quiet (peak {peak}) may be 24-bit ones in a wide array: shift "
            "those to their place, samples << 8",
            AudioWarning,
            stacklevel=2,
        )
        return
    raise AudioError(
        f"{bits}-bit samples this small (peak {peak}) are narrower ones in a wide array: "
        + _mended(peak, is_unsigned, samples.dtype)
    )


def _mended(peak: int, is_unsigned: bool, dtype: np.dtype[Any]) -> str:
    """What is to be done with narrow integers in a wide array."""
    unsigned = "u" if is_unsigned else ""
    own = f"{unsigned}int{16 if peak < 1 << (16 if is_unsigned else 15) else 32}"
    if own != dtype.name:
        return f"convert them to their own type, as in samples.astype('{own}')"
    if peak >= 1 << 16:
        return "shift them to their place, samples << 8"
    return "divide them by their full scale, as floats"


def _check_floats(samples: NDArray[Any]) -> None:
    """Refuse NaN, infinity and values of an integer scale, which would silently give no text."""
    low, high = float(samples.min()), float(samples.max())  # NaN anywhere makes both NaN
    if math.isnan(low):
        raise AudioError(f"the array holds NaN ({int(np.isnan(samples).sum())} samples)")
    peak = max(-low, high)
    if math.isinf(peak):
        raise AudioError(f"the array holds infinity ({int(np.isinf(samples).sum())} samples)")
    if peak > _MAX_PEAK:
        raise AudioError(
            f"float samples must lie within ±1, these reach {peak:.6g}: integers in a float array?"
            " Divide them by their full scale (32768 for 16 bits) or pass them as integers"
        )


def array_chunks(samples: NDArray[Any], input_rate: object, sample_rate: int) -> Iterator[Samples]:
    """Mono chunks at ``sample_rate`` from an array ``[c, n]``, by way of the same resampler."""
    rate = checked_rate("input_rate", input_rate)
    _check_width(samples)
    rows = scaled(samples)
    if rate == sample_rate and len(rows) == 1:
        return iter((rows[0],))
    sample_fmt = "s16" if rows.dtype == np.int16 else "flt"
    return _mixed(frames_of(rows, rate), sample_rate, sample_fmt)


def _mixed(frames: Iterable[AudioFrame], sample_rate: int, sample_fmt: str) -> Iterator[Samples]:
    levels = ChannelLevels()
    chunks = converted(levels.of_channels(frames), sample_rate, sample_fmt)
    yield from levels.of_mix(chunks)
    if problem := levels.problem():
        warnings.warn(f"the array: {problem}", AudioWarning, stacklevel=2)


def frames_of(samples: NDArray[Any], rate: int) -> Iterator[AudioFrame]:
    """FFmpeg's frames of samples [c, n], int16 or float32."""
    layout = LAYOUTS[len(samples) - 1]
    sample_fmt = "s16" if samples.dtype == np.int16 else "flt"
    for start in range(0, samples.shape[1], FRAME_SAMPLES):
        part = samples[:, start : start + FRAME_SAMPLES]
        # Interleaved: PyAV 18 runs over the end of exactly eight planes.
        packed: Any = np.ascontiguousarray(part.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format=sample_fmt, layout=layout)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        yield frame
