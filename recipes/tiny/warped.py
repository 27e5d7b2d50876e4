"""Other speakers made of the held-out recordings: the same speech, with other vocal tracts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter, read_rows, split_waveform

WARPS = (0.86, 1.16)


def warp(pcm: NDArray[np.int16], factor: float) -> NDArray[np.int16]:
    """Formants and pitch `factor` times as high, the tempo as it was; int16 [n], 16 kHz."""
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(SAMPLE_RATE), "-"]
    effects = ["speed", str(factor), "rate", str(SAMPLE_RATE), "tempo", "-s", f"{1 / factor:.5f}"]
    command = ["sox", "-G", "-D", *raw, *raw, *effects]
    heard = subprocess.run(command, input=pcm.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(heard, "<i2")


def write_split(directory: Path, name: str, of: list[str]) -> None:
    """Writes the table `name`: every utterance of the tables `of`, by each warp in turn."""
    with SplitWriter(directory, name) as writer:
        for table in of:
            samples = split_waveform(directory / f"{table}.wav")
            for number, row in enumerate(read_rows(directory / f"{table}.tsv")):
                factor = WARPS[number % len(WARPS)]
                pcm = samples[row.first_sample : row.first_sample + row.samples]
                writer.add(warp(pcm, factor), row.transcription, f"{row.speaker}_{factor:.2f}")
