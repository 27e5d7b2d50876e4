"""The recordings of the training data, WAV files mapped into memory."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance
from gigaam.errors import DatasetError

_HEADER_TOLERANCE_S = 1.0
"""How far a recording's length may differ from its header, by which batches are planned."""


class SpeechFiles:
    """Reads the samples of utterances, in any order.

    16 kHz mono 16-bit WAV files are mapped into memory. Others are decoded from their beginning
    each time, so long ones that hold many utterances are better converted to WAV first.
    """

    def __init__(self) -> None:
        self._maps: dict[Path, NDArray[np.int16] | None] = {}

    def read(self, utterance: Utterance) -> NDArray[np.float32]:
        """The utterance's samples, float32 [n] in [-1, 1).

        Raises:
            AudioError: The recording cannot be read.
            DatasetError: The recording ends too soon, or the manifest has no duration and the
                recording is not as long as its header says.
        """
        if utterance.path not in self._maps:
            self._maps[utterance.path] = _map_wav(utterance.path)
        recording = self._maps[utterance.path]
        stop = utterance.first_sample + utterance.n_samples
        if recording is None or stop > len(recording):
            ((_, samples),) = iter_excerpts([utterance])
            if isinstance(samples, Exception):
                raise samples
            if utterance.to_end:
                _check_header(utterance, len(samples))
            return samples
        return np.divide(recording[utterance.first_sample : stop], 32768, dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {"_maps": {}}  # other processes map the files themselves


def _check_header(utterance: Utterance, n_samples: int) -> None:
    """Raises `DatasetError` unless an utterance is about as long as planned."""
    if abs(n_samples - utterance.n_samples) > _HEADER_TOLERANCE_S * SAMPLE_RATE:
        raise DatasetError(
            f"{n_samples / SAMPLE_RATE:.2f} s long, but {utterance.duration_s:.2f} s according to "
            "the file's header: write the duration into the manifest"
        )


def _map_wav(path: Path) -> NDArray[np.int16] | None:
    """The samples of a 16 kHz mono 16-bit WAV file, int16 [n], without reading them; else None."""
    try:
        with path.open("rb") as file:
            riff, _, kind = struct.unpack("<4sI4s", file.read(12))
            layout: tuple[int, ...] = ()
            while header := file.read(8):
                name, size = struct.unpack("<4sI", header)
                if name == b"data":
                    break
                content = file.read(size + size % 2)
                if name == b"fmt ":
                    layout = struct.unpack("<HHIIHH", content[:16])
            fits = layout[:3] + layout[5:] == (1, 1, SAMPLE_RATE, 16)
            if (riff, kind) != (b"RIFF", b"WAVE") or not fits:
                return None
            start = file.tell()
        return np.memmap(path, dtype="<i2", mode="r", offset=start)[: size // 2]
    except (OSError, struct.error, ValueError):
        return None  # decoding it will report what is wrong
