"""Planned examples → padded batches of samples and labels, made in the background."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Generic, TypeVar

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
from gigaam.training.data import Draw, SpeechFiles

logger = logging.getLogger(__name__)

N_BABBLING = 4
"""Voices speaking at once in babble noise: enough that no word of theirs can be made out."""

T = TypeVar("T")

Example = tuple[NDArray[np.float32], SpectrogramMasks]


@dataclass(frozen=True)
class Batch:
    """Examples of one training step.

    Attributes:
        wav: float32 [B, n], zero-padded.
        lengths: int64 [B], samples.
        labels: int64 [B, U], zero-padded.
        label_lengths: int64 [B].
        masks: what to hide of each example's log-mel.
        seed: of what else is random in a step with this batch.
    """

    wav: Tensor
    lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    masks: tuple[SpectrogramMasks, ...]
    seed: int = 0

    @property
    def audio_s(self) -> float:
        """Seconds of audio without padding."""
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

    def split(self, parts: int) -> list[Batch]:
        """The same examples in at most `parts` batches of similar size, each as short as it can."""
        ends = torch.linspace(0, len(self.lengths), parts + 1).round().int().tolist()
        return [
            Batch(
                self.wav[first:end, : int(self.lengths[first:end].max())],
                self.lengths[first:end],
                self.labels[first:end, : int(self.label_lengths[first:end].max())],
                self.label_lengths[first:end],
                self.masks[first:end],
                self.seed + first,
            )
            for first, end in pairwise(ends)
            if end > first
        ]


class BatchMaker:
    """Makes the examples of one pass.

    Args:
        files: reads samples.
        encode: gives the labels of a text.
        options: augmentation.
        n_bins: mel bands, for the masks.
        seed: of the run.
        pass_number: from 0.
        babblers: utterances that babble noise is mixed from.
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

        A recording that cannot be read is left out, with a warning.

        Raises:
            DatasetError: None of them can be read.
        """
        examples = dict(self._readable(draws))
        if not examples:
            raise DatasetError("no recording of a whole batch can be read; see the log")
        waveforms, masks = zip(*examples.values(), strict=True)
        wav, lengths = pad(waveforms, np.float32)
        spelt = [np.array(self._encode(draw.text), np.int64) for draw in examples]
        labels, label_lengths = pad(spelt, np.int64)
        chance = np.random.default_rng([self._seed, self._pass, draws[0].number, 1])  # 1: its own
        return Batch(wav, lengths, labels, label_lengths, masks, int(chance.integers(2**31)))

    def _readable(self, draws: Sequence[Draw]) -> Iterator[tuple[Draw, Example]]:
        for draw in draws:
            try:
                yield draw, self.example(draw)
            except GigaAMError as error:
                logger.warning("left out: %s: %s", draw.utterances[0].path, error)

    def example(self, draw: Draw) -> Example:
        """Samples float32 [n] and masks of one example."""
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
    """Rows of different length as one zero-padded tensor [B, longest], and their lengths [B]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    padded = np.zeros((len(rows), int(lengths.max())), dtype)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def prefetch(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """The same items, up to `depth` of them made ahead in a background thread.

    An exception raised while making an item is raised here in its place. Closing the iterator stops
    the thread.
    """
    ready: queue.Queue[_Made[T]] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_make_ahead, args=(items, ready, stopped), name="batches", daemon=True
    )
    thread.start()
    try:
        while True:
            made = ready.get()
            if made.error is not None:
                raise made.error
            if not made.items:
                return
            yield from made.items
    finally:
        stopped.set()
        thread.join()


@dataclass(frozen=True)
class _Made(Generic[T]):
    """One item, or why there are no more: an error, or (without one) the end."""

    items: tuple[T, ...] = ()
    error: BaseException | None = None


def _make_ahead(items: Iterable[T], ready: queue.Queue[_Made[T]], stopped: threading.Event) -> None:
    try:
        for item in items:
            if not _hand_over(_Made((item,)), ready, stopped):
                return
        _hand_over(_Made(), ready, stopped)
    except BaseException as error:
        _hand_over(_Made(error=error), ready, stopped)


def _hand_over(made: _Made[T], ready: queue.Queue[_Made[T]], stopped: threading.Event) -> bool:
    """Whether there was still someone to take it."""
    while not stopped.is_set():
        try:
            ready.put(made, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
