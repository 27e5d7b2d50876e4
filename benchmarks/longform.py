"""Speed of the long form: Silero alone, and what full-size models spend outside their encoder.

The models have random weights; what is heard is the packaged sentence with pauses.

    python -m benchmarks.longform [--models v3_ctc v3_rnnt] [--batches 1 4 16] [--minutes 3]
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.encode import tune_to_speech
from benchmarks.machine import report, time_runs
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.decoder import RNNTHead
from gigaam.example_recording import EXAMPLE
from gigaam.loading import build_model
from gigaam.model import GigaAMASR
from gigaam.store.configs import builtin_config
from gigaam.vad.silero import SileroDetector

BLOCK_S = 10


def recording(minutes: float) -> NDArray[np.float32]:
    """The packaged sentence again and again, with pauses of a second and a half."""
    sentence = read_audio(EXAMPLE)
    part = np.concatenate([sentence, np.zeros(SAMPLE_RATE * 3 // 2, np.float32)])
    n = int(minutes * 60 * SAMPLE_RATE)
    return np.tile(part, n // len(part) + 1)[:n]


def measure_silero(samples: NDArray[np.float32], repeats: int) -> dict[str, Any]:
    """Silero's seconds of sound per second, on one thread."""
    detector = SileroDetector()

    def run() -> None:
        stream = detector.stream()
        for start in range(0, len(samples), BLOCK_S * SAMPLE_RATE):
            stream.push(samples[start : start + BLOCK_S * SAMPLE_RATE])
        stream.finish()

    seconds = len(samples) / SAMPLE_RATE
    best = time_runs(run, repeats).best
    return {"what": "silero", "sound_s": seconds, "seconds": best, "rtfx": seconds / best}


class Stopwatch:
    """Adds up the time a model's encoder takes, its front-end excluded."""

    def __init__(self, model: GigaAMASR) -> None:
        self.seconds = 0.0
        self._forward = model.encoder.forward
        model.encoder.forward = self._timed  # type: ignore[method-assign]

    def _timed(self, *arguments: torch.Tensor) -> Any:
        began = time.perf_counter()
        encoded = self._forward(*arguments)
        self.seconds += time.perf_counter() - began
        return encoded


def measure_model(
    name: str, samples: NDArray[np.float32], batches: list[int], repeats: int
) -> list[dict[str, Any]]:
    """What the long form takes in all, and outside the encoder."""
    torch.manual_seed(0)
    model = build_model(builtin_config(name)).eval()
    assert isinstance(model, GigaAMASR)
    seconds = len(samples) / SAMPLE_RATE
    if isinstance(model.head, RNNTHead):
        sample = samples[: 20 * SAMPLE_RATE]
        tune_to_speech(model, model.encode([sample]), len(sample) / SAMPLE_RATE)
    stopwatch = Stopwatch(model)
    rows = []
    for batch in batches:
        best: dict[str, Any] = {}
        for _ in range(repeats):
            stopwatch.seconds = 0.0
            began = time.perf_counter()
            model.transcribe_longform(
                samples, input_rate=SAMPLE_RATE, vad="silero", batch_size=batch
            )
            all_s = time.perf_counter() - began
            if not best or all_s < best["seconds"]:
                best = {
                    "what": f"{name}, batch {batch}",
                    "sound_s": seconds,
                    "seconds": all_s,
                    "rtfx": seconds / all_s,
                    "encoder_s": stopwatch.seconds,
                    "outside_encoder": 1 - stopwatch.seconds / all_s,
                }
        rows.append(best)
    return rows


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=["v3_ctc", "v3_rnnt"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    samples = recording(arguments.minutes)
    rows = [measure_silero(samples, arguments.repeats + 1)]
    for name in arguments.models:
        rows += measure_model(name, samples, arguments.batches, arguments.repeats)
    report("longform", rows)


if __name__ == "__main__":
    main()
