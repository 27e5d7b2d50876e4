"""Sound for the live protocols of the server, and what a live session makes of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

import gigaam
from gigaam.example_recording import EXAMPLE
from gigaam.live import Final
from gigaam.types import Segment

__all__ = ["encoded", "finals_of", "free_port", "pieces", "spoken", "texts_of", "wait_until"]

_RATE = 16_000


@cache
def spoken(rate: int = _RATE, times: int = 2) -> bytes:
    """The packaged recording that often, a second of quiet after each, as PCM of 16 bits."""
    quiet = np.random.default_rng(1).normal(0, 1e-3, _RATE)
    speech = gigaam.load_audio(EXAMPLE).numpy()
    sound = np.concatenate([speech, quiet] * times)
    if rate != _RATE:
        divisor = np.gcd(rate, _RATE)
        sound = resample_poly(sound, rate // divisor, _RATE // divisor)
    samples: NDArray[np.int16] = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2")
    return samples.tobytes()


def encoded(pcm: bytes, codec: str, rate: int = 8_000) -> bytes:
    """PCM of 16 bits as "mulaw" or "alaw"."""
    context: Any = av.CodecContext.create(f"pcm_{codec}", "w")
    context.sample_rate, context.layout, context.format = rate, "mono", "s16"
    samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = rate
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def pieces(sound: bytes, size: int) -> Iterator[bytes]:
    """Pieces of that many bytes."""
    return (sound[start : start + size] for start in range(0, len(sound), size))


@cache
def _model() -> gigaam.GigaAMASR:
    model = gigaam.load_model("tiny_ctc", device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    return model


def finals_of(
    sound: bytes, rate: int = _RATE, sample_format: str = "s16le", **options: Any
) -> list[Segment]:
    """The finals with text that a live session of the packaged CTC model gives."""
    session = _model().live(rate, sample_format=sample_format, **options)
    events = [*session.push(sound), *session.finish()]
    finals = [event.segment for event in events if isinstance(event, Final)]
    return [segment for segment in finals if segment.text]


def texts_of(sound: bytes, rate: int = _RATE, **options: Any) -> list[str]:
    """Their texts."""
    return [segment.text for segment in finals_of(sound, rate, **options)]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
