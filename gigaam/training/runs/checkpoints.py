"""The checkpoints of a run: the last one, to resume from, and the best one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gigaam.training.runs.interruption import Interruption

__all__ = ["DEV_ERROR", "BestCheckpoint", "LastCheckpoint", "validation_follows"]

DEV_ERROR = "dev/error"
"""The metric that selects the best weights (lower is better): the task's error rate on dev."""

_STATE = ("step", "error", "latest_step", "latest_error")


def validation_follows(trainer: Trainer) -> bool:
    """Whether the model is validated after the batch that is ending."""
    batches = trainer.fit_loop.total_batch_idx + 1
    return bool(trainer.enable_validation) and batches % int(trainer.val_check_batch or 1) == 0


class BestCheckpoint(Callback):
    """Keeps the weights with the lowest error on the development set.

    Args:
        folder: Folder of the run's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "best.ckpt"
        self.error = self.latest_error = float("inf")
        self.step = self.latest_step = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the weights if they are the best so far."""
        if trainer.state.fn != "fit":
            return
        self.latest_step = trainer.global_step
        self.latest_error = float(trainer.callback_metrics[DEV_ERROR])
        if self.latest_error < self.error:
            self.step, self.error = self.latest_step, self.latest_error
            _save_whole(trainer, self.path)

    def state_dict(self) -> dict[str, Any]:
        """Steps and errors of the best and of the latest validation."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores them."""
        for name in _STATE:
            setattr(self, name, state_dict[name])


class LastCheckpoint(Callback):
    """Saves the checkpoint that a run resumes from: regularly, at its end, and when it is stopped.

    After a step with a validation, it saves once the model has been validated: a run resumed from
    there does not validate it again.

    Args:
        folder: Folder of the run's checkpoints.
        every: Steps between checkpoints.
        interruption: Says whether the run is to stop.
    """

    def __init__(self, folder: Path, every: int, interruption: Interruption) -> None:
        self.path = folder / "last.ckpt"
        self._every, self._interruption = every, interruption
        self._passed = 0  # the step after the last batch
        self._between_steps = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on the run stops between two steps."""
        self._passed = self._interruption.saved = trainer.global_step
        self._interruption.waits = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if a checkpoint is due and no validation follows."""
        self._between_steps = trainer.global_step > self._passed
        self._passed = trainer.global_step
        if not validation_follows(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the checkpoint that waited for the validation."""
        if trainer.state.fn == "fit":
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on Ctrl-C no longer waits for a step."""
        self._interruption.waits = False

    def _save(self, trainer: Trainer) -> None:
        if not self._between_steps:  # accumulated gradients are not part of checkpoints
            return
        wanted = trainer.strategy.reduce_boolean_decision(self._interruption.wanted, all=False)
        step = trainer.global_step
        if wanted or step % self._every == 0 or step == trainer.max_steps:
            _save_whole(trainer, self.path)
            self._interruption.saved = step
        if wanted:
            self._interruption.stop()


def _save_whole(trainer: Trainer, path: Path) -> None:
    """Saves a checkpoint; the older one is replaced only once it is complete."""
    unfinished = path.with_name(path.name + ".part")
    trainer.save_checkpoint(unfinished)
    if trainer.is_global_zero:
        os.replace(unfinished, path)
