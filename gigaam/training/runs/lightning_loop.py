"""Fine-tuning as Lightning sees it: a training step, a validation, the loop around them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from omegaconf import OmegaConf
from torch import Tensor, nn

from gigaam.dataset.manifests import Utterance
from gigaam.errors import ArgumentError
from gigaam.model import GigaAM
from gigaam.training.data import SpeechFiles
from gigaam.training.loader import Batch
from gigaam.training.optimizer import OptimizerOptions, adamw, averaged
from gigaam.training.options import TrainingOptions
from gigaam.training.runs.checkpoints import DEV_ERROR
from gigaam.training.tasks.task import Task

__all__ = ["FineTuning", "lightning_hushed", "make_trainer"]

_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_LOG_EVERY_STEPS = 10


class FineTuning(LightningModule):
    """A task, the optimiser that minimises its objective, and its validation.

    Batch norms of a trained model keep their statistics, which are better than those of a batch.

    Args:
        task: What the model is trained for.
        options: Options of the optimiser.
    """

    def __init__(self, task: Task, options: OptimizerOptions) -> None:
        super().__init__()
        self._task, self._options = task, options
        self.objective = task.objective()
        self._files = SpeechFiles()
        self._errors, self._total = 0, 0

    @property
    def model(self) -> GigaAM:
        """The model that is trained."""
        return self.objective.model

    @property
    def _steps(self) -> int:
        return self._task.material.options.training.steps

    def train(self, mode: bool = True) -> FineTuning:
        """Sets training mode, except for the batch norms of a trained model."""
        super().train(mode)
        if self._task.material.origin.weights:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss per label."""
        training = self._task.material.options.training
        frozen = self.global_step < training.freeze_encoder_steps
        loss: Tensor = self.objective(batch, freeze_encoder=frozen)
        loss = loss / batch.label_lengths.sum().clamp(min=1)
        self.log("train/loss", loss, batch_size=len(batch.lengths))
        self.log("train/lr", self._options.lr_at(self.global_step / self._steps))
        self.log("train/audio_s", batch.audio_s, batch_size=len(batch.lengths))
        return loss

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Moves batches of examples; lists of utterances have nothing to move."""
        return batch.to(device) if isinstance(batch, Batch) else batch

    def configure_optimizers(self) -> Any:
        """AdamW; all its learning rates follow the same schedule, step by step."""
        options, steps = self._options, self._steps
        optimizer = adamw(self.objective, options, fused=False)

        def fraction_of_peak(step: int) -> float:
            return options.lr_at(min(1.0, step / steps)) / options.peak_lr

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, fraction_of_peak)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_validation_epoch_start(self) -> None:
        """Resets the counts."""
        self._errors, self._total = 0, 0

    def validation_step(self, utterances: Sequence[Utterance], batch_idx: int) -> None:
        """Counts the model's errors in some utterances."""
        with torch.autocast(self.device.type, enabled=False):
            counted = self._task.count_errors(self.model, utterances, self._files)
        self._errors += counted.errors
        self._total += counted.total

    def on_validation_epoch_end(self) -> None:
        """Logs the error rate over all processes."""
        counts = torch.tensor([self._errors, self._total], dtype=torch.float32, device=self.device)
        errors, total = self.trainer.strategy.reduce(counts, reduce_op="sum")
        self.log(DEV_ERROR, errors / total.clamp(min=1), rank_zero_only=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what ``load_model`` needs to open the checkpoint."""
        checkpoint["hyper_parameters"] = {
            "model_name": self.model.cfg.model_name,
            "model_cfg": OmegaConf.to_container(self.model.cfg),
        }


def make_trainer(
    folder: Path,
    training: TrainingOptions,
    optimizer: OptimizerOptions,
    *,
    has_dev: bool,
    callbacks: Sequence[Callback],
) -> Trainer:
    """Lightning's trainer, which writes its logs into a folder.

    Args:
        folder: The run's folder.
        training: How long to train, on which devices, and how often to validate.
        optimizer: For the parts that are the trainer's: clipping and averaging.
        has_dev: Whether there is a development set to validate on.
        callbacks: Further callbacks, which run after the weights have been averaged.

    Raises:
        ArgumentError: The precision, accelerator or strategy is not available.
    """
    precision, strategy = _precision(training), _strategy(training)
    batches_between_validations = training.validation_interval * training.accumulate
    try:
        return Trainer(
            accelerator=training.accelerator,
            devices=training.devices,
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type]
            max_steps=training.steps,
            accumulate_grad_batches=training.accumulate,
            gradient_clip_val=optimizer.clip,
            val_check_interval=batches_between_validations if has_dev else None,
            check_val_every_n_epoch=None if has_dev else 1,
            num_sanity_val_steps=0,
            log_every_n_steps=_LOG_EVERY_STEPS,
            logger=[CSVLogger(folder / "logs", "csv"), TensorBoardLogger(folder / "logs", "tb")],
            callbacks=[*_averaging(optimizer.ema_decay), *callbacks],
            default_root_dir=folder,
            use_distributed_sampler=False,  # ours shares batches out itself
            enable_checkpointing=False,  # our callbacks do it
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise ArgumentError(
            f"training.accelerator={training.accelerator}, devices={training.devices}, "
            f"strategy={training.strategy}: {error}"
        ) from error


def _precision(training: TrainingOptions) -> str:
    if training.precision not in _PRECISIONS:
        raise ArgumentError(
            f"training.precision must be one of {', '.join(_PRECISIONS)}, not "
            f"{training.precision!r}"
        )
    return _PRECISIONS[training.precision]


def _strategy(training: TrainingOptions) -> str:
    """The strategy; DDP must know if a frozen encoder has no gradients to share."""
    several = training.devices > 1 and training.strategy in ("auto", "ddp")
    if several and training.freeze_encoder_steps:
        return "ddp_find_unused_parameters_true"
    return training.strategy


def _averaging(decay: float) -> list[Callback]:
    """The callback that averages the weights, unless they are not averaged."""
    if not decay:
        return []
    return [WeightAveraging(avg_fn=partial(averaged, decay=decay), use_buffers=False)]


@contextmanager
def lightning_hushed() -> Iterator[None]:
    """Silences what Lightning says about itself and its use; errors still pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\b|torch\.utils\._pytree")
        warnings.filterwarnings(
            "ignore", message="Grad strides do not match"
        )  # torch's, about speed
        for each in loggers:
            each.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)
