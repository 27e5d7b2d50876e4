"""A real, if small, acoustic model: letters are tones, told by their spectrum."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding import CTCGreedyDecoding
from gigaam.decoding.log_probs import ArrayLogProbs

LETTERS = " абвгдежзийклмнопрст"


def tone(letter: str, frame_samples: int) -> NDArray[np.float32]:
    """A frame of a letter's tone, float32 [frame_samples], of full scale."""
    phase = 2 * np.pi * (10 + 5 * LETTERS.index(letter)) * np.arange(frame_samples) / frame_samples
    return np.sin(phase).astype(np.float32)


@dataclass
class Spectra:
    """Log-probabilities [B, T, V] of a batch and its lengths [B]."""

    log_probs: NDArray[np.float32]
    lengths: NDArray[np.int64]


class ToneReader:
    """A backend with a CTC head.

    Args:
        frame_samples: Samples per frame.
        blank: Magnitude of a spectrum's line above which a frame is its letter.
        softness: What magnitudes are divided by.
        padding: What stands after shorter recordings of a batch.
        memory_samples: Padded batches larger than this do not fit, as on a full GPU.
        seconds_per_batch: How long the encoder takes.
    """

    def __init__(
        self,
        frame_samples: int,
        blank: float,
        softness: float,
        padding: float = 0.25,
        memory_samples: float = np.inf,
        seconds_per_batch: float = 0.0,
    ) -> None:
        self.decoding = CTCGreedyDecoding(list(LETTERS))
        self.frame_samples = frame_samples
        self.blank, self.softness = blank, softness
        self.padding = padding
        self.memory_samples = memory_samples
        self.seconds_per_batch = seconds_per_batch
        self.batches: list[list[int]] = []  # samples of each recording of each batch

    def encode(self, waveforms: Sequence[NDArray[np.float32]]) -> Spectra:
        self.batches.append([len(samples) for samples in waveforms])
        time.sleep(self.seconds_per_batch)
        frame = self.frame_samples
        lengths = np.array([max(1, len(samples) // frame) for samples in waveforms])
        padded = np.full((len(waveforms), lengths.max() * frame), self.padding, np.float32)
        if padded.size > self.memory_samples:
            raise RuntimeError(f"out of memory: {padded.size} samples")
        for row, samples in zip(padded, waveforms, strict=True):
            row[: len(samples)] = samples[: len(row)]
        magnitudes = np.abs(np.fft.rfft(padded.reshape(len(waveforms), -1, frame)))
        tones = magnitudes[..., 10 : 10 + 5 * len(LETTERS) : 5]
        logits = np.concatenate([tones, np.full_like(tones[..., :1], self.blank)], axis=-1)
        logits /= self.softness
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return Spectra(log_probs.astype(np.float32), lengths)

    def emissions(self, encoded: Spectra) -> ArrayLogProbs:
        return ArrayLogProbs(encoded.log_probs)
