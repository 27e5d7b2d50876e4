"""Speech on disk: one long WAV file per split and a table of what is said where in it.

A split `train_festvox` is two files: `train_festvox.wav` (16 kHz, mono, 16 bits, utterances one
after another after a 44-byte header, so that training can memory-map it) and `train_festvox.tsv`
with one row per utterance. Paths are relative to the table; offsets and durations are whole numbers
of samples written in seconds with seven digits, exactly what a sample of 1/16000 s needs.
"""

from __future__ import annotations

import csv
import os
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WAV_HEADER_BYTES = 44
MOST_SAMPLES = (2**32 - 1 - WAV_HEADER_BYTES) // 2
COLUMNS = ("path", "duration", "transcription", "offset", "speaker")


@dataclass(frozen=True)
class Row:
    """One utterance: `duration` and `offset` in seconds, `transcription` normalised."""

    path: str
    duration: float
    transcription: str
    offset: float
    speaker: str

    @property
    def first_sample(self) -> int:
        """Index of the utterance's first sample in the WAV file."""
        return round(self.offset * SAMPLE_RATE)

    @property
    def samples(self) -> int:
        """Length of the utterance in samples."""
        return round(self.duration * SAMPLE_RATE)


class SplitWriter:
    """Writes `NAME.wav` and `NAME.tsv`, which get their names only once they are complete."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._wav, self._table = directory / f"{name}.wav", directory / f"{name}.tsv"
        self._rows: list[Row] = []
        self._samples = 0
        self._file = wave.open(str(_unfinished(self._wav)), "wb")  # noqa: SIM115
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)

    def add(self, pcm: NDArray[np.int16], transcription: str, speaker: str) -> None:
        """Appends one utterance: 16 kHz int16 samples and its normalised text."""
        if self._samples + len(pcm) > MOST_SAMPLES:
            raise ValueError(f"{self._wav}: a WAV file holds no more than 37 hours")
        self._file.writeframes(pcm.astype("<i2").tobytes())
        duration, offset = len(pcm) / SAMPLE_RATE, self._samples / SAMPLE_RATE
        self._rows.append(Row(self._wav.name, duration, transcription, offset, speaker))
        self._samples += len(pcm)

    @property
    def seconds(self) -> float:
        """Speech written so far, in seconds."""
        return self._samples / SAMPLE_RATE

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is not None:
            return
        write_rows(_unfinished(self._table), self._rows)
        os.replace(_unfinished(self._wav), self._wav)
        os.replace(_unfinished(self._table), self._table)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes a manifest table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            fields = (
                row.path,
                f"{row.duration:.7f}",
                row.transcription,
                f"{row.offset:.7f}",
                row.speaker,
            )
            file.write("\t".join(fields) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The utterances of a manifest table, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Row(
                r["path"],
                float(r["duration"]),
                r["transcription"],
                float(r["offset"]),
                r["speaker"],
            )
            for r in table
        ]


def read_wav(path: Path) -> NDArray[np.int16]:
    """The samples of a 16-bit mono WAV file at 16 kHz; other files are refused."""
    with wave.open(str(path), "rb") as file:
        layout = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if layout != (1, 2, SAMPLE_RATE):
            raise ValueError(
                f"{path}: expected 16 kHz mono 16-bit, got (channels, bytes, rate) {layout}"
            )
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def split_waveform(path: Path) -> NDArray[np.int16]:
    """All samples of a split's WAV file as a read-only memory map, int16 [samples]."""
    return np.memmap(path, dtype="<i2", mode="r", offset=WAV_HEADER_BYTES)
