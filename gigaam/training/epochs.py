"""Batches of fine-tuning, epoch after epoch, from where a run stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gigaam.dataset.manifests import Utterance
from gigaam.training.augment import AugmentOptions
from gigaam.training.data import Draw, SpeechFiles
from gigaam.training.interruption import ignore_interrupts
from gigaam.training.loader import Batch, BatchMaker
from gigaam.training.sampler import BucketSampler

__all__ = ["EpochLoader", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How examples are made of utterances.

    Attributes:
        utterances: What there is.
        encode: Gives the labels of a text.
        augmentation: What recordings may go through.
        speed: Range of the speed factor.
        n_bins: Mel bands of the model.
        seed: Of the run.
        epochs: How many there will be: augmentation grows with them.
    """

    utterances: Sequence[Utterance]
    encode: Callable[[str], Sequence[int]]
    augmentation: AugmentOptions
    speed: tuple[float, float]
    n_bins: int
    seed: int
    epochs: float

    def draw(self, epoch: int, index: int) -> Draw:
        """The example made of an utterance in an epoch: with the seed these say everything."""
        rng = np.random.default_rng([self.seed, epoch, index, 0])  # the last: not the sound's own
        speed = float(rng.uniform(*self.speed))
        return Draw((self.utterances[index],), speed, 0.0, 0.0, 0.0, index)

    def maker(self, epoch: int) -> BatchMaker:
        """Makes the examples of an epoch."""
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
    """The batches of an epoch, each made when it is asked for by its utterances' indices."""

    def __init__(self, recipe: Recipe, epoch: int) -> None:
        self._recipe, self._epoch, self._maker = recipe, epoch, recipe.maker(epoch)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return self._maker.make([self._recipe.draw(self._epoch, index) for index in indices])


class EpochLoader:
    """An epoch's batches whenever it is iterated over; goes on where its state says.

    Lightning keeps the state in its checkpoints, as it has ``state_dict``.

    Args:
        recipe: How examples are made.
        sampler: Which of them make a batch.
        workers: Processes that make them; 0 makes them in this one.
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
            generator=torch.Generator(),  # or it would draw from the generator of all
        )
        for done, batch in enumerate(batches, start=first + 1):
            self._epoch, self._done = (epoch, done) if done < len(self) else (epoch + 1, 0)
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Where it stands: the epoch, and how many of its batches were given out."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from there."""
        self._epoch, self._done = state["epoch"], state["done"]
