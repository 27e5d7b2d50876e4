"""Sound in other forms: decoded from files, played at other speeds, passed through sox.

Samples are int16 [n], 16 kHz unless a rate is named.
"""

from __future__ import annotations

import subprocess
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from recipes.tiny.manifest import SAMPLE_RATE

RAW = ("-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(SAMPLE_RATE), "-")
"""How sox is told of samples on its input or its output."""


def decoded(file: str | BinaryIO, format: str | None) -> NDArray[np.int16]:
    """The samples of a sound file of any rate; empty if it holds none.

    Args:
        file: A path, or what it holds.
        format: FFmpeg's name of its container; None to find out.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(file, format=format) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    if not frames:
        return np.zeros(0, np.int16)
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def resampled(pcm: NDArray[np.int16], ratio: Fraction) -> NDArray[np.int16]:
    """`ratio` times as many samples for the same sound: another rate, or another speed."""
    if not len(pcm):
        return pcm
    played = resample_poly(pcm.astype(np.float32), ratio.numerator, ratio.denominator)
    return np.clip(np.rint(played), -32768, 32767).astype(np.int16)


def sox(pcm: bytes, *arguments: str) -> bytes:
    """What sox makes of its input. Without dither, which would be another each time."""
    command = ["sox", "-D", *arguments]
    return subprocess.run(command, input=pcm, capture_output=True, check=True).stdout
