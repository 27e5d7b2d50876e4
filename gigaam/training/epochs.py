"""Batches for fine-tuning, epoch after epoch, from any point of a run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gigaam.dataset.manifests import Utterance
from gigaam.training.augment import AugmentOptions
from gigaam.training.data import SpeechFiles
from gigaam.training.loader import Batch, BatchMaker, Draw
from gigaam.training.runs.interruption import ignore_interrupts
from gigaam.training.sampler import BucketSampler

__all__ = ["EpochLoader", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How utterances are turned into examples.

    Attributes:
        utterances: The training set.
        encode: Returns the labels of a text.
        augmentation: Augmentation at its full strength.
        speed: Range of the speed factor.
        n_bins: Mel bands of the model.
        seed: The run's seed.
        epochs: Number of epochs of the run, over which augmentation gets stronger.
    """

    utterances: Sequence[Utterance]
    encode: Callable[[str], Sequence[int]]
    augmentation: AugmentOptions
    speed: tuple[float, float]
    n_bins: int
    seed: int
    epochs: float

    def draw(self, epoch: int, index: int) -> Draw:
        """The example for an utterance in an epoch; nothing else but the seed affects it."""
        rng = np.random.default_rng([self.seed, epoch, index, 0])  # 0: a stream of its own
        speed = float(rng.uniform(*self.speed))
        return Draw((self.utterances[index],), speed, 0.0, 0.0, 0.0, index)

    def maker(self, epoch: int) -> BatchMaker:
        """The maker of an epoch's batches."""
        return BatchMaker(
            files=SpeechFiles(),
            encode=self.encode,
            options=self.augmentation.at(min(1.0, epoch / self.epochs)),
            n_bins=self.n_bins,
            seed=self.seed,
            pass_number=epoch,
            babblers=self.utterances,
        )


class _Batches(Dataset[Batch]):
    """The batches of an epoch, made on demand from the indices of their utterances."""

    def __init__(self, recipe: Recipe, epoch: int) -> None:
        self._recipe, self._epoch, self._maker = recipe, epoch, recipe.maker(epoch)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return self._maker.make([self._recipe.draw(self._epoch, index) for index in indices])


class EpochLoader:
    """Yields an epoch's batches each time it is iterated over; resumes from its state.

    Since it has a ``state_dict``, Lightning keeps the state in its checkpoints.

    Args:
        recipe: How examples are made.
        sampler: Which utterances share a batch.
        workers: Processes that make batches; 0 makes them in this one.
    """

    def __init__(self, recipe: Recipe, sampler: BucketSampler, workers: int) -> None:
        self._recipe, self._sampler, self._workers = recipe, sampler, workers
        self._epoch = 0
        self._done = 0

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = self._epoch, self._done
        batches = DataLoader(
            _Batches(self._recipe, epoch),
            batch_size=None,
            sampler=self._sampler.epoch(epoch)[first:],
            num_workers=self._workers,
            worker_init_fn=ignore_interrupts,
            generator=torch.Generator(),  # or it would draw from the global one
        )
        for done, batch in enumerate(batches, start=first + 1):
            self._epoch, self._done = (epoch, done) if done < len(self) else (epoch + 1, 0)
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The current epoch, and how many of its batches have been yielded."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resumes from there."""
        self._epoch, self._done = state["epoch"], state["done"]
