"""What a task is: an objective, its batches and its validation as one object.

To add a task, write a module with a class like `gigaam.training.tasks.emotion.EmotionTask` and
register what prepares it, see `gigaam.training.tasks.register_task`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from gigaam.dataset.manifests import Utterance
from gigaam.evaluation.bootstrap import Interval
from gigaam.evaluation.evaluating import OnDone
from gigaam.evaluation.report_text import percent, percent_interval
from gigaam.model import GigaAM
from gigaam.training.augment import AugmentOptions
from gigaam.training.configuration import typed
from gigaam.training.corpus import Corpus
from gigaam.training.data import SpeechFiles
from gigaam.training.epochs import EpochLoader, Recipe
from gigaam.training.initial_model import initial_model
from gigaam.training.objective import Objective
from gigaam.training.options import RunOptions
from gigaam.training.origin import Origin
from gigaam.training.sampler import BucketSampler

__all__ = ["Assessment", "ErrorCount", "Material", "Share", "Task"]


class Share(NamedTuple):
    """The part of the work of one of the processes that train together.

    Attributes:
        rank: The process's number, from 0.
        world_size: Number of processes.
    """

    rank: int = 0
    world_size: int = 1


class ErrorCount(NamedTuple):
    """Errors in some utterances.

    Attributes:
        errors: How many there are.
        total: How many there could be, such as characters in the reference.
    """

    errors: int
    total: int


class Assessment(NamedTuple):
    """How well a model does on a manifest, for its card.

    Attributes:
        manifest: Path of the manifest.
        utterances: Number of utterances with a result.
        figures: Names of figures and, with their intervals, the figures.
    """

    manifest: str
    utterances: int
    figures: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Material:
    """What a run works with, whatever its task.

    Attributes:
        options: The run's options.
        origin: Where training begins.
        config: Config of the model to be trained.
        corpus: The training set.
        dev: The development set, which the model is validated on; may be empty.
    """

    options: RunOptions
    origin: Origin
    config: Mapping[str, Any]
    corpus: Corpus
    dev: Sequence[Utterance]

    def __deepcopy__(self, memo: object) -> Material:
        return self  # averaging weights copies the whole module: utterances need not be

    def initial_model(self) -> GigaAM:
        """The model that training begins with."""
        return initial_model(
            self.config,
            self.origin,
            self.corpus.utterances,
            seed=self.options.seed,
            dropout=self.options.training.dropout,
        )

    def labelled_batches(self, encode: Callable[[str], Sequence[int]], share: Share) -> EpochLoader:
        """Batches of the training set, each example with the labels of its text.

        Args:
            encode: Returns the labels of a text.
            share: The part of them for this process.
        """
        data, training = self.options.data, self.options.training
        sampler = BucketSampler(
            [utterance.duration_s / min(data.speed) for utterance in self.corpus.utterances],
            data.batch_s,
            seed=self.options.seed,
            rank=share.rank,
            world_size=share.world_size,
        )
        recipe = Recipe(
            utterances=self.corpus.utterances,
            encode=encode,
            augmentation=typed(AugmentOptions, "augmentation", self.options.augmentation),
            speed=(min(data.speed), max(data.speed)),
            n_bins=self.config["preprocessor"].get("features", 64),
            seed=self.options.seed,
            epochs=training.steps * training.accumulate / len(sampler),
        )
        return EpochLoader(recipe, sampler, data.workers)


class Task(Protocol):
    """One thing that a model can be trained for."""

    @property
    def material(self) -> Material:
        """What the run works with."""

    @property
    def error_name(self) -> str:
        """What `count_errors` counts on the development set, such as "CER on dev"."""

    @property
    def configuration(self) -> str:
        """The packaged configuration with which a trained model can be trained further."""

    def objective(self) -> Objective:
        """The loss of the model with its initial weights."""

    def batches(self, share: Share) -> EpochLoader:
        """The batches that the objective is minimised over, epoch by epoch.

        Args:
            share: The part of them for this process.
        """

    def count_errors(
        self, model: GigaAM, utterances: Sequence[Utterance], files: SpeechFiles
    ) -> ErrorCount:
        """The model's errors in some utterances of the development set.

        Args:
            model: The model being trained, in evaluation mode.
            utterances: Some of the development set.
            files: Reads their samples.
        """

    def assess(self, model: GigaAM, manifest: str, on_done: OnDone) -> Assessment:
        """How well the trained model does on a manifest.

        Args:
            model: The model, in evaluation mode.
            manifest: Path of the manifest.
            on_done: Called with the seconds of each utterance that is done.
        """

    def describe(self, model: GigaAM) -> str:
        """What the model is, for its card, such as "An emotion recogniser"."""


def shown(value: float, interval: Interval) -> str:
    """A figure with its interval, both in percent."""
    return f"{percent(value)} ({percent_interval(interval)})"
