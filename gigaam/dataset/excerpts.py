"""The samples of a manifest's utterances, from any file that FFmpeg reads.

Every recording is decoded once, from front to back; training maps its WAV files into memory
instead (`gigaam.training.data.SpeechFiles`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource, iter_audio
from gigaam.audio.tape import Tape
from gigaam.dataset.manifests import Utterance
from gigaam.errors import DatasetError

__all__ = ["ExcerptReader", "iter_excerpts"]

Waveform = NDArray[np.float32]

_TOLERANCE_S = 0.1
"""How much sooner than the manifest says a recording may end: codecs pad, people round."""


def iter_excerpts(utterances: Sequence[Utterance]) -> Iterator[tuple[int, Waveform | Exception]]:
    """Index and samples of every utterance, or the error that prevented reading it, file by file.

    Within a file they are sorted by offset. One utterance and one block of its file are in memory
    at a time.

    Args:
        utterances: The utterances to read.

    Returns:
        Pairs of an index into `utterances` and float32 [n], mono, 16 kHz.
    """

    def place(index: int) -> tuple[Path, int]:
        return utterances[index].path, utterances[index].first_sample

    order = sorted(range(len(utterances)), key=place)
    for path, indices in groupby(order, key=lambda index: utterances[index].path):
        reader = ExcerptReader(path)
        for index in indices:
            wanted = utterances[index]
            length = None if wanted.to_end else wanted.n_samples
            yield index, reader.excerpt(wanted.first_sample, length)


class ExcerptReader:
    """Stretches of one recording, which is decoded only as far as needed."""

    def __init__(
        self, source: AudioSource, channel: int | None = None, track: int | None = None
    ) -> None:
        """A reader at the beginning of a recording.

        Args:
            source: The recording.
            channel: The only one to be heard, from 0; by default all are mixed.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        self._source, self._channel, self._track = source, channel, track
        self._tape = Tape()
        self._blocks: Iterator[Waveform] | None = None
        self._failure: Exception | None = None

    def excerpt(self, first: int, length: int | None) -> Waveform | Exception:
        """The samples of a stretch, or why there are none.

        Args:
            first: Where it begins, in samples at 16 kHz; must not decrease from call to call.
            length: How long it is, in samples; None to the end.
        """
        end = None if length is None else first + length
        self._tape.forget(first)
        while end is None or self._tape.end < end:
            block = self._next_block()
            if block is None:
                break
            self._tape.append(block)
            self._tape.forget(first)
        available = self._tape.end
        if end is not None and available >= end:
            return self._tape.cut(first, end)
        if self._failure is not None:
            return self._failure
        if available > first and (end is None or end - available <= _TOLERANCE_S * SAMPLE_RATE):
            return self._tape.cut(first, available)
        place = (
            f"begins at {first / SAMPLE_RATE:.2f}"
            if end is None
            else (f"ends at {end / SAMPLE_RATE:.2f}")
        )
        return DatasetError(
            f"the recording ends at {available / SAMPLE_RATE:.2f} s, but according to the manifest "
            f"this utterance {place} s"
        )

    def _next_block(self) -> Waveform | None:
        """The next block; None at the end and after a failure."""
        if self._failure is not None:
            return None
        try:
            if self._blocks is None:
                self._blocks = iter_audio(self._source, channel=self._channel, track=self._track)
            return next(self._blocks, None)
        except Exception as error:
            self._failure = error
            return None
