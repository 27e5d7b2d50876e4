"""A fine-tuning run: from the first step, or the last one saved, to the best weights."""

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
from gigaam.evaluation.report_text import clock
from gigaam.model import GigaAM
from gigaam.quoting import counted
from gigaam.training.configuration import typed
from gigaam.training.dropout import dropping_again
from gigaam.training.optimizer import OptimizerOptions
from gigaam.training.runs.checkpoints import BestCheckpoint, LastCheckpoint
from gigaam.training.runs.display import RunDisplay
from gigaam.training.runs.interruption import Interruption
from gigaam.training.runs.lightning_loop import FineTuning, lightning_hushed, make_trainer
from gigaam.training.tasks.task import Share, Task

__all__ = ["Run"]

logger = logging.getLogger(__name__)

_DEV_BATCH = 32  # utterances per validation step: enough to sort them by length


class Run:
    """A run that is ready to begin; errors in its options show before anything is trained.

    Args:
        task: What the model is trained for.
        progress: Whether to show progress.

    Raises:
        ArgumentError: The options do not go together.
    """

    def __init__(self, task: Task, *, progress: bool) -> None:
        self._task, self._material, options = task, task.material, task.material.options
        training, checkpoints = options.training, Path(options.out) / "checkpoints"
        optimizer = typed(OptimizerOptions, "optimizer", options.optimizer)
        self._module = FineTuning(task, optimizer)
        if training.checkpoint_activations:
            _checkpoint_activations(self.model.encoder)
        self._best = BestCheckpoint(checkpoints)
        self.display = RunDisplay(training.steps, task.error_name, self._best, progress)
        self.interruption = Interruption(self.display.stopping)
        self._last = LastCheckpoint(checkpoints, training.save_every, self.interruption)
        with lightning_hushed():
            self._trainer = make_trainer(
                Path(options.out),
                training,
                optimizer,
                has_dev=bool(self._material.dev),
                callbacks=[self._best, self.display, self._last],
            )
        self.display.shown &= self.is_first
        self._share = Share(self._trainer.global_rank, self._trainer.world_size)
        self._batches = task.batches(self._share)
        n_dev = len(self._material.dev)
        if 0 < n_dev < self._share.world_size:
            raise ArgumentError(
                f"the development set has {counted(n_dev, 'utterance')} for "
                f"{self._share.world_size} processes (training.devices): each needs one"
            )

    @property
    def model(self) -> GigaAM:
        """The model that is trained."""
        return self._module.model

    @property
    def is_first(self) -> bool:
        """Whether this is the one of the processes that writes files and shows progress."""
        return bool(self._trainer.is_global_zero)

    def train(self) -> None:
        """Trains until the model has its best weights, resuming a run that was cut short."""
        module, trainer, last = self._module, self._trainer, self._last.path
        stored = torch.load(last, weights_only=True) if last.exists() else None
        with lightning_hushed():
            if stored and stored["global_step"] == self._material.options.training.steps:
                self.display.complete(Path(self._material.options.out), self._task.configuration)
                module.load_state_dict(stored["state_dict"])
                self._best.load_state_dict(stored["callbacks"][self._best.state_key])
                self.interruption.saved = stored["global_step"]
            else:
                self._log_corpus()
                with self.display():
                    trainer.fit(
                        module,
                        self._batches,
                        self._dev_batches(),
                        ckpt_path=str(last) if stored else None,
                    )
            if self._material.dev:
                self._restore_best()

    def _log_corpus(self) -> None:
        corpus = self._material.corpus
        n, length = counted(len(corpus.utterances), "utterance"), clock(corpus.duration_s)
        logger.info("learning from %s, %s of sound", n, length)

    def _dev_batches(self) -> DataLoader[list[Utterance]] | None:
        """This process's share of the development set."""
        if not self._material.dev:
            return None
        mine = self._material.dev[self._share.rank :: self._share.world_size]
        batches: Any = [mine[at : at + _DEV_BATCH] for at in range(0, len(mine), _DEV_BATCH)]
        return DataLoader(batches, batch_size=None, collate_fn=_unchanged)

    def _restore_best(self) -> None:
        """Restores the best weights unless the last ones are the best."""
        error = self._best.latest_error
        if self._best.latest_step != self._material.options.training.steps:
            (final,) = self._trainer.validate(self._module, self._dev_batches(), verbose=False)
            (error,) = final.values()
        if self._best.error < error:
            stored = torch.load(self._best.path, weights_only=True)
            self._module.load_state_dict(stored["state_dict"])
            logger.info("the best weights are those after step %d", self._best.step)


def _unchanged(batch: list[Utterance]) -> list[Utterance]:
    return batch


def _checkpoint_activations(encoder: ConformerEncoder) -> None:
    """Makes the layers recompute their activations in the backward pass."""
    for layer in encoder.layers:
        layer.forward = partial(
            checkpoint, layer.forward, use_reentrant=False, context_fn=dropping_again
        )
