"""What telling speakers apart costs beside recognising, in time and memory, for long recordings.

Conversations of ``python -m recipes.speakers.conversations OUT`` follow one another, as often as it
takes. The recogniser is v3_ctc with random weights, as an int8 export, on all cores.

    python -m benchmarks.speakers_cost OUT/dev [--hours 1 6] [--onnx DIR] [--skip recognise …]

Each row has a process of its own: `x` is seconds of sound per second, `MB` the most memory it held.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import torch

from benchmarks.machine import report
from gigaam.audio import SAMPLE_RATE, iter_audio
from gigaam.loading import build_model
from gigaam.onnx import load
from gigaam.speakers import diarize
from gigaam.store.configs import builtin_config
from recipes.speakers.conversations import read_manifest

KINDS = {"two", "women", "men", "russian", "three", "four", "five"}


def write_long(folder: Path, hours: float, path: Path) -> None:
    """The conversations of a folder one after another, as FLAC."""
    told = [each for each in read_manifest(folder).values() if each["kind"] in KINDS]
    blocks = chain.from_iterable(iter_audio(folder / f"{each['name']}.wav") for each in cycle(told))
    wanted = int(hours * 3600 * SAMPLE_RATE)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        while wanted:
            samples = (next(blocks)[None, :wanted] * 32767).clip(-32768, 32767).astype("<i2")
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
            wanted -= samples.shape[1]
        container.mux(stream.encode(None))


def export(folder: Path) -> None:
    """A recogniser of full size, with random weights."""
    torch.manual_seed(0)
    build_model(builtin_config("v3_ctc")).eval().to_onnx(dir_path=folder, dtype="int8")


def measure(what: str, path: Path, onnx: Path) -> dict[str, Any]:
    """The time that it takes, seconds, and the most memory of this process."""
    started = time.perf_counter()
    if what == "diarize":
        found = len({turn.speaker for turn in diarize(path)})
    else:
        speakers = "auto" if what == "both" else None
        result = load(onnx).transcribe_longform(path, vad="silero", speakers=speakers)
        found = len({segment.speaker for segment in result})
    took_s = time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"what": what, "took s": took_s, "MB": round(most), "speakers": found}


def measured_apart(what: Sequence[str], path: Path, onnx: Path, hours: float) -> list[Any]:
    """A row for each, from a process of its own."""
    rows = []
    for each in what:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            row = pool.submit(measure, each, path, onnx).result()
        rows.append({"hours": hours, **row, "x": hours * 3600 / row["took s"]})
    return rows


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0])
    parser.add_argument("--onnx", type=Path, help="keeps the export, for the next run")
    parser.add_argument("--skip", nargs="*", default=[], choices=["diarize", "recognise", "both"])
    arguments = parser.parse_args()
    what = [each for each in ("diarize", "recognise", "both") if each not in arguments.skip]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        onnx = arguments.onnx or Path(scratch) / "onnx"
        if not onnx.exists() and what != ["diarize"]:
            export(onnx)
        for hours in arguments.hours:
            path = Path(scratch) / "long.flac"
            write_long(arguments.folder, hours, path)
            rows += measured_apart(what, path, onnx, hours)
    report("cost of speakers", rows)


if __name__ == "__main__":
    main()
