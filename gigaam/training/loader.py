"""Planned examples → padded batches of samples and labels.

Shapes: B batch, n samples, U labels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.manifests import Utterance
from gigaam.errors import DatasetError, GigaAMError
from gigaam.training.augment import (
    AugmentOptions,
    SpectrogramMasks,
    augment,
    background,
    change_speed,
    draw_masks,
)
from gigaam.training.data import SpeechFiles

logger = logging.getLogger(__name__)

N_BABBLING = 4
"""Voices mixed into babble noise: enough that no word can be made out."""

Example = tuple[NDArray[np.float32], SpectrogramMasks]


@dataclass(frozen=True)
class Draw:
    """The plan of one training example.

    Attributes:
        utterances: One or more utterances, spoken one after another.
        speed: Factor; above 1 is faster and higher.
        lead_s: Silence before the first utterance, in seconds.
        gap_s: Silence between utterances, in seconds.
        trail_s: Silence after the last utterance, in seconds.
        number: The example's place in the pass: together with the seed and the pass it determines
            everything else that is random about it.
    """

    utterances: tuple[Utterance, ...]
    speed: float
    lead_s: float
    gap_s: float
    trail_s: float
    number: int

    @property
    def duration_s(self) -> float:
        """Length of the finished example, in seconds."""
        speech = sum(u.duration_s for u in self.utterances) / self.speed
        return self.lead_s + speech + self.gap_s * (len(self.utterances) - 1) + self.trail_s

    @property
    def text(self) -> str:
        """The transcription of the whole example."""
        return " ".join(u.text for u in self.utterances)


@dataclass(frozen=True)
class Batch:
    """The examples of one training step.

    Attributes:
        wav: float32 [B, n], zero-padded.
        lengths: int64 [B], samples.
        labels: int64 [B, U], zero-padded.
        label_lengths: int64 [B].
        masks: Parts of each example's log-mel to hide.
        seed: Seed of everything else that is random in a step with this batch.
    """

    wav: Tensor
    lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    masks: tuple[SpectrogramMasks, ...]
    seed: int = 0

    @property
    def audio_s(self) -> float:
        """Seconds of audio, padding excluded."""
        return float(self.lengths.sum()) / SAMPLE_RATE

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return replace(
            self,
            wav=self.wav.to(device, non_blocking=True),
            lengths=self.lengths.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            label_lengths=self.label_lengths.to(device, non_blocking=True),
        )


class BatchMaker:
    """Makes the batches of one pass over the data.

    Args:
        files: Reads samples.
        encode: Returns the labels of a text.
        options: Augmentation.
        n_bins: Mel bands, for the masks.
        seed: The run's seed.
        pass_number: Number of the pass, from 0.
        babblers: Utterances that babble noise is mixed from.
    """

    def __init__(
        self,
        *,
        files: SpeechFiles,
        encode: Callable[[str], Sequence[int]],
        options: AugmentOptions,
        n_bins: int,
        seed: int,
        pass_number: int,
        babblers: Sequence[Utterance],
    ) -> None:
        self._files, self._options, self._n_bins = files, options, n_bins
        self._encode = encode
        self._seed, self._pass, self._babblers = seed, pass_number, babblers

    def make(self, draws: Sequence[Draw]) -> Batch:
        """The batch of these examples; the same draws always give the same batch.

        A recording that cannot be read is skipped with a warning.

        Raises:
            DatasetError: None of the recordings can be read.
        """
        examples = dict(self._readable(draws))
        if not examples:
            raise DatasetError("no recording of a whole batch can be read; see the log")
        waveforms, masks = zip(*examples.values(), strict=True)
        wav, lengths = pad(waveforms, np.float32)
        spelt = [np.array(self._encode(draw.text), np.int64) for draw in examples]
        labels, label_lengths = pad(spelt, np.int64)
        chance = np.random.default_rng(
            [self._seed, self._pass, draws[0].number, 1]
        )  # 1: a stream of its own
        return Batch(wav, lengths, labels, label_lengths, masks, int(chance.integers(2**31)))

    def _readable(self, draws: Sequence[Draw]) -> Iterator[tuple[Draw, Example]]:
        for draw in draws:
            try:
                yield draw, self.example(draw)
            except GigaAMError as error:
                logger.warning("left out: %s: %s", draw.utterances[0].path, error)

    def example(self, draw: Draw) -> Example:
        """The samples, float32 [n], and masks of one example."""
        rng = np.random.default_rng([self._seed, self._pass, draw.number])
        pieces = [background(rng, round(draw.lead_s * SAMPLE_RATE))]
        for i, utterance in enumerate(draw.utterances):
            if i:
                pieces.append(background(rng, round(draw.gap_s * SAMPLE_RATE)))
            pieces.append(change_speed(self._files.read(utterance), draw.speed))
        pieces.append(background(rng, round(draw.trail_s * SAMPLE_RATE)))
        wav = augment(np.concatenate(pieces), self._options, rng, self._babble)
        return wav, draw_masks(self._options, rng, self._n_bins, len(wav) / SAMPLE_RATE)

    def _babble(self, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        total = np.zeros(n, np.float32)
        for i in rng.integers(len(self._babblers), size=N_BABBLING):
            voice = self._files.read(self._babblers[i])
            level = float(np.sqrt(np.mean(voice**2))) + 1e-6
            total += np.resize(np.roll(voice, -int(rng.integers(len(voice)))), n) / level
        return total


def pad(rows: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> tuple[Tensor, Tensor]:
    """Rows of different lengths as one zero-padded tensor [B, longest], and their lengths [B]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    padded = np.zeros((len(rows), int(lengths.max())), dtype)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded), torch.from_numpy(lengths)
