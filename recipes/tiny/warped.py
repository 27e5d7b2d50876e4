"""Other speakers made of the held-out recordings: the same speech, with other vocal tracts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter, read_rows, split_waveform
from recipes.tiny.sound import RAW, sox

WARPS = (0.86, 1.16)


def warp(pcm: NDArray[np.int16], factor: float) -> NDArray[np.int16]:
    """Formants and pitch `factor` times as high, the tempo as it was; int16 [n], 16 kHz."""
    effects = ("speed", str(factor), "rate", str(SAMPLE_RATE), "tempo", "-s", f"{1 / factor:.5f}")
    return np.frombuffer(sox(pcm.tobytes(), "-G", *RAW, *RAW, *effects), "<i2")


def write_split(directory: Path, name: str, of: list[str]) -> None:
    """Writes the table `name`: every utterance of the tables `of`, by each warp in turn."""
    with SplitWriter(directory, name) as writer:
        for table in of:
            samples = split_waveform(directory / f"{table}.wav")
            for number, row in enumerate(read_rows(directory / f"{table}.tsv")):
                factor = WARPS[number % len(WARPS)]
                pcm = samples[row.first_sample : row.first_sample + row.samples]
                writer.add(warp(pcm, factor), row.transcription, f"{row.speaker}_{factor:.2f}")
