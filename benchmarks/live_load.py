"""What live sessions cost: full-size models with random weights, hours of sound, silence.

See `benchmarks.live`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import gigaam
from benchmarks.encode import tune_to_speech
from benchmarks.live_quality import SEED, Rated, open_model
from benchmarks.live_streams import Heard, Played, Samples, join, play
from benchmarks.machine import figures, time_runs
from gigaam.audio import SAMPLE_RATE
from gigaam.decoder import RNNTHead
from gigaam.decoding.log_probs import LogProbs
from gigaam.live import LiveOptions, LiveRecognizer, Partial
from gigaam.loading import build_model
from gigaam.model import GigaAMASR
from gigaam.onnx.runtime import OnnxASR, load
from gigaam.recognition.feed import Waveform
from gigaam.recognition.speech_recognition import SpeechRecognition
from gigaam.store.configs import builtin_config
from recipes.tiny.long_recordings import ROOM_LEVEL, held_out, parts

_WINDOW_S = 8
_SHORT_PAUSES = 0.15  # of the pauses there are elsewhere
_BLOCK_S = 60
_SETTLED_S = 600  # memory is compared with what is used after so much sound
_MIB = 2**20


class Weighed(SpeechRecognition):
    """Words of a small model at the cost of a large one, whose random weights would say nothing."""

    def __init__(self, words: SpeechRecognition, cost: SpeechRecognition) -> None:
        self.decoding = words.decoding
        self._words = words
        self._cost = cost

    @property
    def device(self) -> str:
        """Where both run."""
        return "cpu"

    def encode(self, waveforms: Sequence[Waveform]) -> Any:
        """What the small model encodes, after the large one has done all its work."""
        self._cost.search(self._cost.encode(waveforms))
        return self._words.encode(waveforms)

    def emissions(self, encodings: Any) -> LogProbs:
        """The small model's."""
        return self._words.emissions(encodings)


def random_model(
    name: str, dtype: Literal["int8", "float32"], directory: Path, sound: Samples, threads: int
) -> OnnxASR:
    """The graphs of a full-size model; those that the directory holds are used."""
    path = directory / f"live-{name}-{dtype}"
    if not path.exists():
        torch.manual_seed(0)
        model = build_model(builtin_config(name)).eval()
        assert isinstance(model, GigaAMASR)
        if isinstance(model.head, RNNTHead):
            encodings = model.encode([sound.astype(np.float32) / 32768])
            tune_to_speech(model, encodings, len(sound) / SAMPLE_RATE)
        model.to_onnx(path, dtype=dtype)
    return load(path, threads=threads)


def speech(n_streams: int, seconds: float) -> list[Samples]:
    """Held-out recordings with short pauses, other ones in each stream."""
    recordings = held_out()
    n = round(seconds * SAMPLE_RATE)
    found = []
    for seed in range(n_streams):
        sound = join(recordings, [None] * len(recordings), SEED + seed, _SHORT_PAUSES).samples
        found.append(np.tile(sound, n // len(sound) + 1)[:n])
    return found


def measure_load(model: SpeechRecognition, n_sessions: int, seconds: float) -> dict[str, Any]:
    """A row: sessions side by side, in real time."""
    live = LiveRecognizer(model)
    streams = speech(n_sessions, seconds)
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(n_sessions) as threads:
        played = list(threads.map(lambda s: play(Rated(live, LiveOptions()), s, 1.0), streams))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    heard = [each for one in played for each in one.heard]
    return {
        "sessions": n_sessions,
        "cpu_share": cpu_s / (wall_s * (os.cpu_count() or 1)),
        "cpu_of_sound": cpu_s / (n_sessions * seconds),
        **_events(heard),
        **_lateness(played),
    }


def _events(heard: Sequence[Heard]) -> dict[str, float]:
    """How many there are, and how far behind its sound text comes, in seconds."""
    partials = [each for each in heard if isinstance(each.event, Partial)]
    finals = [each for each in heard if not isinstance(each.event, Partial)]
    lags = [each.at_s - each.event.end for each in partials]
    took = [each.took_s for each in finals]
    found: dict[str, float] = {"partials": len(partials), "finals": len(finals)}
    if partials:
        found["stride"] = float(np.mean([each.event.stride for each in partials]))
        for name, percent in (("p50", 50), ("p95", 95), ("max", 100)):
            found[f"lag_{name}"] = float(np.percentile(lags, percent))
    if finals:
        found["final_p95"] = float(np.percentile(took, 95))
        found["final_max"] = max(took)
    return found


def _lateness(played: Sequence[Played]) -> dict[str, float | bool]:
    """How late pushes return, in the first third of a stream and in the last, in seconds."""
    firsts = np.concatenate([each.late_s[: len(each.late_s) // 3] for each in played])
    lasts = np.concatenate([each.late_s[-len(each.late_s) // 3 :] for each in played])
    first, last = (float(np.percentile(each, 95)) for each in (firsts, lasts))
    return {"late_first": first, "late_last": last, "keeps_up": last < 2 * first + 0.5}


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of `benchmarks.live load`, a column for each number of sessions."""
    words = open_model("tiny_ctc", True, arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(arguments.directory or scratch)
        sound = speech(1, _WINDOW_S)[0]
        how = (arguments.dtype, directory, sound, arguments.threads)
        cost = random_model(arguments.model, *how)
        window = {
            name: time_runs(lambda m=model: m.transcribe(sound, input_rate=SAMPLE_RATE), 4).best
            for name, model in (("window_took", cost), ("words_took", words))
        }
        model = Weighed(words, cost)
        rows = [{**measure_load(model, n, arguments.seconds), **window} for n in arguments.sessions]
    return figures(rows, "sessions")


def memory_mib() -> dict[str, float]:
    """The process's memory now and at its highest."""
    status = Path("/proc/self/status").read_text()
    return {
        name: int(status.split(f"{name}:")[1].split()[0]) * 1024 / _MIB
        for name in ("VmRSS", "VmHWM")
    }


def measure_hours(session: Rated, hours: float) -> dict[str, Any]:
    """A row: recordings and pauses without end, pushed at once."""
    began, pushed, n_events, settled = time.process_time(), 0, 0, None
    room = np.random.default_rng(SEED)
    for block, _ in parts(held_out(), hours * 3600, SEED):
        noisy = block + ROOM_LEVEL * room.standard_normal(len(block))
        samples = np.clip(np.rint(noisy), -32768, 32767).astype(np.int16)
        n_events += len(play(session, samples, 0, finish=False).heard)
        pushed += len(samples)
        if settled is None and pushed >= _SETTLED_S * SAMPLE_RATE:
            settled = memory_mib()
    n_events += len(session.finish())
    after = memory_mib()
    return {
        "what": "speech",
        "sound_s": pushed / SAMPLE_RATE,
        "events": n_events,
        "cpu_s_per_hour": (time.process_time() - began) * 3600 * SAMPLE_RATE / pushed,
        "rss_mib": after["VmRSS"],
        "rss_more_mib": after["VmRSS"] - (settled or after)["VmRSS"],
        "peak_more_mib": after["VmHWM"] - (settled or after)["VmHWM"],
    }


def measure_silence(session: Rated, level: float, hours: float) -> dict[str, Any]:
    """A row: nothing but the faint noise of a room, or not even that."""
    rng = np.random.default_rng(SEED)
    before, began, n_events = memory_mib(), time.process_time(), 0
    n_blocks = round(hours * 3600 / _BLOCK_S)
    for _ in range(n_blocks):
        noise = level * rng.standard_normal(_BLOCK_S * SAMPLE_RATE)
        samples = np.rint(noise).astype(np.int16)
        n_events += len(play(session, samples, 0, finish=False).heard)
    n_events += len(session.finish())
    after = memory_mib()
    return {
        "what": f"silence, noise of level {level:g}",
        "sound_s": n_blocks * _BLOCK_S,
        "events": n_events,
        "cpu_s_per_hour": (time.process_time() - began) / hours,
        "rss_mib": after["VmRSS"],
        "rss_more_mib": after["VmRSS"] - before["VmRSS"],
        "peak_more_mib": after["VmHWM"] - before["VmHWM"],
    }


def run_endurance(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of `benchmarks.live endurance`."""
    model = gigaam.load_model(arguments.model, device="cpu")
    live = LiveRecognizer(model)
    return [
        measure_silence(Rated(live, LiveOptions()), 0.0, arguments.hours / 2),
        measure_silence(Rated(live, LiveOptions()), ROOM_LEVEL, arguments.hours / 2),
        measure_hours(Rated(live, LiveOptions()), arguments.hours),
    ]
