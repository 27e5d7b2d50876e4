"""Fine-tuning as Lightning sees it: a step, a look at the development set, the loop around them."""

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

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.manifests import Utterance
from gigaam.errors import ArgumentError
from gigaam.evaluation.scoring import compare
from gigaam.model import GigaAMASR, GigaAMEmo
from gigaam.training.data import SpeechFiles
from gigaam.training.hearing import recognize
from gigaam.training.loader import Batch
from gigaam.training.objective import EmotionObjective, Objective
from gigaam.training.optimizer import OptimizerOptions, adamw, averaged
from gigaam.training.options import TrainingOptions
from gigaam.training.run_checkpoints import DEV_ERROR

__all__ = ["FineTuning", "lightning_hushed", "make_trainer"]

_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_LOG_EVERY_STEPS = 10


class FineTuning(LightningModule):
    """An objective, how it is minimised, and how well its model does meanwhile.

    Args:
        objective: What is minimised.
        options: How fast.
        steps: Changes of the weights in all.
        freeze_encoder_steps: Changes at the beginning that leave the encoder as it is.
        keeps_statistics: Whether batch norms keep the statistics they have. Those of a trained
            model know more than a batch does; a random one has yet to find them.
    """

    def __init__(
        self,
        objective: Objective | EmotionObjective,
        options: OptimizerOptions,
        *,
        steps: int,
        freeze_encoder_steps: int,
        keeps_statistics: bool,
    ) -> None:
        super().__init__()
        self.objective = objective
        self._options, self._steps = options, steps
        self._freeze_encoder_steps = freeze_encoder_steps
        self._keeps_statistics = keeps_statistics
        self._files = SpeechFiles()
        self._wrong_and_all = [0, 0]

    @property
    def model(self) -> GigaAMASR | GigaAMEmo:
        """What is trained."""
        return self.objective.model

    def train(self, mode: bool = True) -> FineTuning:
        """Training mode, batch norms apart; see `keeps_statistics`."""
        super().train(mode)
        if self._keeps_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss per label."""
        frozen = self.global_step < self._freeze_encoder_steps
        loss: Tensor = self.objective(batch, freeze_encoder=frozen)
        loss = loss / batch.label_lengths.sum().clamp(min=1)
        self.log("train/loss", loss, batch_size=len(batch.lengths))
        self.log("train/lr", self._options.lr_at(self.global_step / self._steps))
        self.log("train/audio_s", batch.audio_s, batch_size=len(batch.lengths))
        return loss

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Batches of examples are moved, lists of utterances have nothing to move."""
        return batch.to(device) if isinstance(batch, Batch) else batch

    def configure_optimizers(self) -> Any:
        """AdamW, its learning rates rising and falling together step by step."""
        options, steps = self._options, self._steps
        optimizer = adamw(self.objective, options, fused=False)

        def part_of_peak(step: int) -> float:
            return options.lr_at(min(1.0, step / steps)) / options.peak_lr

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, part_of_peak)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_validation_epoch_start(self) -> None:
        """Begins to count."""
        self._wrong_and_all = [0, 0]

    def validation_step(self, utterances: Sequence[Utterance], batch_idx: int) -> None:
        """Counts what the model gets wrong in some utterances."""
        with torch.autocast(self.device.type, enabled=False):
            wrong, total = _mistakes(self.model, utterances, self._files)
        self._wrong_and_all[0] += wrong
        self._wrong_and_all[1] += total

    def on_validation_epoch_end(self) -> None:
        """Logs the part that is wrong, over all processes."""
        counts = torch.tensor(self._wrong_and_all, dtype=torch.float32, device=self.device)
        wrong, total = self.trainer.strategy.reduce(counts, reduce_op="sum")
        self.log(DEV_ERROR, wrong / total.clamp(min=1), rank_zero_only=False)

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
    """Lightning's trainer, which leaves logs in a folder.

    Args:
        folder: The run's.
        training: How long, on what, and when to look up.
        optimizer: What of it is the trainer's: clipping, averaging.
        has_dev: Whether there is a development set, by which the best weights are kept.
        callbacks: What else happens meanwhile, after weights are averaged.

    Raises:
        ArgumentError: There is no such precision, accelerator or strategy here.
    """
    if training.precision not in _PRECISIONS:
        raise ArgumentError(
            f"training.precision must be one of {', '.join(_PRECISIONS)}, not "
            f"{training.precision!r}"
        )
    strategy = training.strategy
    if training.devices > 1 and strategy in ("auto", "ddp") and training.freeze_encoder_steps:
        strategy = "ddp_find_unused_parameters_true"  # a frozen encoder has no gradients to share
    eval_every = training.looks_every * training.accumulate
    try:
        return Trainer(
            accelerator=training.accelerator,
            devices=training.devices,
            strategy=strategy,
            precision=_PRECISIONS[training.precision],  # type: ignore[arg-type]
            max_steps=training.steps,
            accumulate_grad_batches=training.accumulate,
            gradient_clip_val=optimizer.clip,
            val_check_interval=eval_every if has_dev else None,
            check_val_every_n_epoch=None if has_dev else 1,
            num_sanity_val_steps=0,
            log_every_n_steps=_LOG_EVERY_STEPS,
            logger=[CSVLogger(folder / "logs", "csv"), TensorBoardLogger(folder / "logs", "tb")],
            callbacks=[*_averaging(optimizer.ema_decay), *callbacks],
            default_root_dir=folder,
            use_distributed_sampler=False,  # ours knows of the others
            enable_checkpointing=False,  # a callback's task
            enable_progress_bar=False,  # another's
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise ArgumentError(
            f"training.accelerator={training.accelerator}, devices={training.devices}, "
            f"strategy={training.strategy}: {error}"
        ) from error


def _averaging(decay: float) -> list[Callback]:
    """What averages the weights, if they are averaged."""
    if not decay:
        return []
    return [WeightAveraging(avg_fn=partial(averaged, decay=decay), use_buffers=False)]


@contextmanager
def lightning_hushed() -> Iterator[None]:
    """Lets Lightning say nothing of itself and of how it is used; errors pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\b|torch\.utils\._pytree")
        warnings.filterwarnings("ignore", message="Grad strides do not match")  # torch's, of speed
        for each in loggers:
            each.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


def _mistakes(
    model: GigaAMASR | GigaAMEmo, utterances: Sequence[Utterance], files: SpeechFiles
) -> tuple[int, int]:
    """Wrong characters and all, or wrong emotions and all."""
    if isinstance(model, GigaAMASR):
        compared = compare([u.text for u in utterances], recognize(model, utterances, files))
        return (
            sum(each.characters.errors for each in compared),
            sum(each.characters.length for each in compared),
        )
    told = (model.get_probs(files.read(u), input_rate=SAMPLE_RATE) for u in utterances)
    wrong = sum(
        max(probabilities, key=probabilities.__getitem__) != utterance.text
        for probabilities, utterance in zip(told, utterances, strict=True)
    )
    return wrong, len(utterances)
