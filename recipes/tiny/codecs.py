"""Speech as it sounds after a call, a voice message or a film: through lossy codecs."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from recipes.tiny.manifest import SAMPLE_RATE
from recipes.tiny.sound import RAW, decoded, sox

Format = Literal["ogg", "mp3", "gsm"]


@dataclass(frozen=True)
class Codec:
    """A codec: `format` is the container's name; GSM has one rate only, 13 kbit/s."""

    format: Format
    kbit_s: int = 13

    def heard(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """The samples after the codec, int16 [n], 16 kHz, as many as there were."""
        if self.format == "gsm":
            return _of_length(_through_gsm(pcm), len(pcm))
        return _of_length(_through_ffmpeg(pcm, self.format, self.kbit_s * 1000), len(pcm))


def any_codec(chance: random.Random) -> Codec:
    """A codec at a low rate."""
    format: Format = chance.choice(("ogg", "mp3", "gsm"))
    rates = {"ogg": (8, 12, 16, 24), "mp3": (16, 24, 32, 48), "gsm": (13,)}
    return Codec(format, chance.choice(rates[format]))


def _through_ffmpeg(pcm: NDArray[np.int16], format: Format, bits_s: int) -> NDArray[np.int16]:
    encoder, fmt = {"ogg": ("libopus", "s16"), "mp3": ("libmp3lame", "s16p")}[format]
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(encoder, rate=SAMPLE_RATE, bit_rate=bits_s, layout="mono")
        frame = av.AudioFrame.from_ndarray(pcm[None], format=fmt, layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    file.seek(0)
    return decoded(file, format)


def _through_gsm(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    gsm = ("-t", "gsm", "-r", "8000", "-")
    return np.frombuffer(sox(sox(pcm.tobytes(), "-G", *RAW, *gsm), *gsm, *RAW), "<i2")


def _of_length(pcm: NDArray[np.int16], n: int) -> NDArray[np.int16]:
    return np.pad(pcm[:n], (0, max(0, n - len(pcm))))
