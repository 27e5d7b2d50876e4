"""The checkpoints of a run: the last one, to go on from, and the best one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gigaam.training.interruption import Interruption

__all__ = ["DEV_ERROR", "BestCheckpoint", "LastCheckpoint", "look_follows"]

DEV_ERROR = "dev/error"
"""What the best weights have least of: the part of characters, or of emotions, that are wrong."""


_LOOKS = ("step", "error", "latest_step", "latest_error")


def look_follows(trainer: Trainer) -> bool:
    """Whether the development set is looked at after the batch that ends."""
    batches = trainer.fit_loop.total_batch_idx + 1
    return bool(trainer.enable_validation) and batches % int(trainer.val_check_batch or 1) == 0


class BestCheckpoint(Callback):
    """Keeps the weights with the fewest errors on the development set.

    Args:
        folder: Of the run's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "best.ckpt"
        self.error = self.latest_error = float("inf")
        self.step = self.latest_step = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves, if it was never better."""
        if trainer.state.fn != "fit":
            return
        self.latest_step = trainer.global_step
        self.latest_error = float(trainer.callback_metrics[DEV_ERROR])
        if self.latest_error < self.error:
            self.step, self.error = self.latest_step, self.latest_error
            _save_whole(trainer, self.path)

    def state_dict(self) -> dict[str, Any]:
        """How good it and the latest one are, and where they were found."""
        return {name: getattr(self, name) for name in _LOOKS}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from there."""
        for name in _LOOKS:
            setattr(self, name, state_dict[name])


class LastCheckpoint(Callback):
    """Saves what a run goes on from: now and then, at its end, and when it is to stop.

    Where the development set is looked at after a step, it is saved after the look: going on from
    there, Lightning does not look again.

    Args:
        folder: Of the run's checkpoints.
        every: Steps between two.
        interruption: Says whether the run is to stop.
    """

    def __init__(self, folder: Path, every: int, interruption: Interruption) -> None:
        self.path = folder / "last.ckpt"
        self._every, self._interruption = every, interruption
        self._passed = 0  # the step after the last batch
        self._between_steps = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a run that is to stop is stopped between two steps."""
        self._passed = self._interruption.saved = trainer.global_step
        self._interruption.waits = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves, if it is time and no look follows."""
        self._between_steps = trainer.global_step > self._passed
        self._passed = trainer.global_step
        if not look_follows(trainer):
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what was to be saved before the look."""
        if trainer.state.fn == "fit":
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing is left to wait for."""
        self._interruption.waits = False

    def _save(self, trainer: Trainer) -> None:
        if not self._between_steps:  # gradients are being accumulated, no checkpoint has them
            return
        wanted = trainer.strategy.reduce_boolean_decision(self._interruption.wanted, all=False)
        step = trainer.global_step
        if wanted or step % self._every == 0 or step == trainer.max_steps:
            _save_whole(trainer, self.path)
            self._interruption.saved = step
        if wanted:
            self._interruption.stop()


def _save_whole(trainer: Trainer, path: Path) -> None:
    """Saves a checkpoint, which replaces an older one as a whole."""
    unfinished = path.with_name(path.name + ".part")
    trainer.save_checkpoint(unfinished)
    if trainer.is_global_zero:
        os.replace(unfinished, path)
