"""A fine-tuning run: from the first step, or the last one that was saved, to the best weights."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

from gigaam.dataset.manifests import Utterance
from gigaam.encoder import ConformerEncoder
from gigaam.errors import ArgumentError
from gigaam.evaluation.report_text import clock, counted
from gigaam.model import GigaAM
from gigaam.training.augment import AugmentOptions
from gigaam.training.configuration import typed
from gigaam.training.dropout import dropping_again
from gigaam.training.epochs import EpochLoader, Recipe
from gigaam.training.interruption import Interruption
from gigaam.training.lightning_loop import FineTuning, lightning_hushed, make_trainer
from gigaam.training.optimizer import OptimizerOptions
from gigaam.training.options import RunOptions
from gigaam.training.run_checkpoints import BestCheckpoint, LastCheckpoint
from gigaam.training.run_display import RunDisplay
from gigaam.training.sampler import BucketSampler
from gigaam.training.task import Task, first_objective

__all__ = ["Run"]

logger = logging.getLogger(__name__)

_DEV_BATCH = 32  # utterances per step of a validation: enough to be sorted by length


class Run:
    """A run that can begin; what its options have wrong shows before.

    Args:
        task: What it is about.
        options: What it was told.
        progress: Whether to show how far it is.

    Raises:
        ArgumentError: The options do not go together.
    """

    def __init__(self, task: Task, options: RunOptions, *, progress: bool) -> None:
        self._task, self._options = task, options
        training, checkpoints = options.training, Path(options.out) / "checkpoints"
        optimizer = typed(OptimizerOptions, "optimizer", options.optimizer)
        self._augmentation = typed(AugmentOptions, "augmentation", options.augmentation)
        self._module = FineTuning(
            first_objective(task, options),
            optimizer,
            steps=training.steps,
            freeze_encoder_steps=training.freeze_encoder_steps,
            keeps_statistics=bool(task.start.weights),
        )
        if training.checkpoint_activations:
            _checkpoint_activations(self.model.encoder)
        self._best = BestCheckpoint(checkpoints)
        self.display = RunDisplay(training.steps, task.measure, self._best, progress)
        self.interruption = Interruption(self.display.stopping)
        self._last = LastCheckpoint(checkpoints, training.save_every, self.interruption)
        with lightning_hushed():
            self._trainer = make_trainer(
                Path(options.out),
                training,
                optimizer,
                has_dev=bool(task.dev),
                callbacks=[self._best, self.display, self._last],
            )
        self.display.shown &= self.is_first
        if 0 < len(task.dev) < self._trainer.world_size:
            raise ArgumentError(
                f"the development set has {counted(len(task.dev), 'utterance')} for "
                f"{self._trainer.world_size} processes (training.devices): each needs one"
            )

    @property
    def model(self) -> GigaAM:
        """What is trained."""
        return self._module.model

    @property
    def is_first(self) -> bool:
        """Whether this process is the one, of those that train together, that writes and shows."""
        return bool(self._trainer.is_global_zero)

    def train(self) -> None:
        """Leaves the model with its best weights; goes on where a run was cut short."""
        module, trainer, last = self._module, self._trainer, self._last.path
        stored = torch.load(last, weights_only=True) if last.exists() else None
        with lightning_hushed():
            if stored and stored["global_step"] == self._options.training.steps:
                config = "emotion" if self._task.config["model_class"] == "emo" else "fine_tune"
                self.display.complete(Path(self._options.out), config)
                module.load_state_dict(stored["state_dict"])
                self._best.load_state_dict(stored["callbacks"][self._best.state_key])
                self.interruption.saved = stored["global_step"]
            else:
                self._tell_what_is_learnt()
                with self.display():
                    trainer.fit(
                        module,
                        self._training_batches(),
                        self._dev_batches(),
                        ckpt_path=str(last) if stored else None,
                    )
            if self._task.dev:
                self._restore_best()

    def _tell_what_is_learnt(self) -> None:
        corpus = self._task.corpus
        n, length = counted(len(corpus.utterances), "utterance"), clock(corpus.duration_s)
        logger.info("learning from %s, %s of sound", n, length)

    def _training_batches(self) -> EpochLoader:
        data, training = self._options.data, self._options.training
        utterances = self._task.corpus.utterances
        sampler = BucketSampler(
            [utterance.duration_s / min(data.speed) for utterance in utterances],
            data.batch_s,
            seed=self._options.seed,
            rank=self._trainer.global_rank,
            world_size=self._trainer.world_size,
        )
        recipe = Recipe(
            utterances=utterances,
            encode=self._task.encode,
            augmentation=self._augmentation,
            speed=(min(data.speed), max(data.speed)),
            n_bins=self._task.config["preprocessor"].get("features", 64),
            seed=self._options.seed,
            epochs=training.steps * training.accumulate / len(sampler),
        )
        return EpochLoader(recipe, sampler, data.workers)

    def _dev_batches(self) -> DataLoader[list[Utterance]] | None:
        """This process's share of the development set."""
        if not self._task.dev:
            return None
        mine = self._task.dev[self._trainer.global_rank :: self._trainer.world_size]
        batches: Any = [mine[at : at + _DEV_BATCH] for at in range(0, len(mine), _DEV_BATCH)]
        return DataLoader(batches, batch_size=None, collate_fn=_unchanged)

    def _restore_best(self) -> None:
        """Gives the model its best weights, should the last ones not be those."""
        error = self._best.latest_error
        if self._best.latest_step != self._options.training.steps:
            (final,) = self._trainer.validate(self._module, self._dev_batches(), verbose=False)
            (error,) = final.values()
        if self._best.error < error:
            stored = torch.load(self._best.path, weights_only=True)
            self._module.load_state_dict(stored["state_dict"])
            logger.info("the best weights are those after step %d", self._best.step)


def _unchanged(batch: list[Utterance]) -> list[Utterance]:
    return batch


def _checkpoint_activations(encoder: ConformerEncoder) -> None:
    """Makes the layers compute anew, going backward, what they computed going forward."""
    for layer in encoder.layers:
        layer.forward = partial(
            checkpoint, layer.forward, use_reentrant=False, context_fn=dropping_again
        )
