"""Fine-tuning: a model and recordings → a model directory with its card.

The loop is Lightning's; what goes in and what comes out is here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
import yaml  # type: ignore[import-untyped]
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

from gigaam.dataset.manifests import Utterance
from gigaam.encoder import ConformerEncoder
from gigaam.errors import ArgumentError, MissingDependencyError
from gigaam.evaluation.evaluating import evaluate
from gigaam.loading import build_model
from gigaam.model import GigaAM
from gigaam.training.augment import AugmentOptions
from gigaam.training.configuration import typed
from gigaam.training.dropout import dropping_again
from gigaam.training.epochs import EpochLoader, Recipe
from gigaam.training.first_layer import plain_state_dict
from gigaam.training.model_card import model_card
from gigaam.training.optimizer import OptimizerOptions
from gigaam.training.options import RunOptions
from gigaam.training.sampler import BucketSampler
from gigaam.training.task import Task, first_objective, prepare
from gigaam.whole_file import write_whole

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from gigaam.training.lightning_loop import FineTuning

__all__ = ["fine_tune"]

logger = logging.getLogger(__name__)

OPTIONS_FILE = "run.yaml"
CARD_FILE = "README.md"

_DEV_BATCH = 32  # utterances per step of a validation: enough to be sorted by length


def fine_tune(options: RunOptions, *, progress: bool = True) -> GigaAM:
    """Trains a model and leaves it in ``options.out``, with its card, logs and checkpoints.

    Started again with the same options, a run that was cut short goes on from its last checkpoint;
    on a CPU exactly as if it had not been.

    Args:
        options: What, on what, and how; see `gigaam.training.read_options`.
        progress: Whether to show a progress bar.

    Returns:
        The model, in evaluation mode.

    Raises:
        ArgumentError: The options do not go together, or the folder holds another run.
        DatasetError: A manifest is not what it should be, or nothing can be learnt from them.
        MissingDependencyError: Lightning is not installed (the extra ``train``).
    """
    loop = _require_lightning()
    folder, training = Path(options.out), options.training
    task = prepare(options)
    optimizer = typed(OptimizerOptions, "optimizer", options.optimizer)
    module = loop.FineTuning(
        first_objective(task, options),
        optimizer,
        steps=training.steps,
        freeze_encoder_steps=training.freeze_encoder_steps,
        keeps_statistics=bool(task.start.weights),
    )
    if training.checkpoint_activations:
        _checkpoint_activations(module.model.encoder)
    _claim(folder, options)
    trainer = loop.make_trainer(
        folder, training, optimizer, has_dev=bool(task.dev), progress=progress
    )
    last = loop.last_checkpoint(folder)
    stored = torch.load(last, weights_only=True) if last.exists() else None
    if stored and stored["global_step"] == training.steps:
        module.load_state_dict(stored["state_dict"])
    else:
        trainer.fit(
            module,
            _training_batches(task, options, trainer),
            _dev_batches(task.dev, trainer),
            ckpt_path=str(last) if stored else None,
        )
    if task.dev:
        _restore_best(module, trainer, task.dev)
    model = build_model(task.config)
    model.load_state_dict(plain_state_dict(module.model))
    model.eval()
    if trainer.is_global_zero:
        _write(model, folder, options, task)
    return model


def _require_lightning() -> ModuleType:
    """The loop, which needs Lightning."""
    try:
        from gigaam.training import lightning_loop
    except ImportError as error:
        raise MissingDependencyError(
            f"fine-tuning needs Lightning ({error}): pip install '.[train]' in a clone of gigaam"
        ) from error
    return lightning_loop


def _claim(folder: Path, options: RunOptions) -> None:
    """Notes the options in the folder, or sees that they are those of the run in it."""
    mine = yaml.safe_dump(asdict(options), allow_unicode=True, sort_keys=False)
    noted = folder / OPTIONS_FILE
    if noted.exists() and noted.read_text(encoding="utf-8") != mine:
        raise ArgumentError(
            f"{folder} holds a run with other options, see {noted}: choose another out, or remove "
            "the folder"
        )
    if not noted.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(noted, mine.encode())


def _checkpoint_activations(encoder: ConformerEncoder) -> None:
    """Makes the layers compute anew, going backward, what they computed going forward."""
    for layer in encoder.layers:
        layer.forward = partial(
            checkpoint, layer.forward, use_reentrant=False, context_fn=dropping_again
        )


def _training_batches(task: Task, options: RunOptions, trainer: Trainer) -> EpochLoader:
    data, training = options.data, options.training
    utterances = task.corpus.utterances
    sampler = BucketSampler(
        [utterance.duration_s / min(data.speed) for utterance in utterances],
        data.batch_s,
        seed=options.seed,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    recipe = Recipe(
        utterances=utterances,
        encode=task.encode,
        augmentation=typed(AugmentOptions, "augmentation", options.augmentation),
        speed=(min(data.speed), max(data.speed)),
        n_bins=task.config["preprocessor"].get("features", 64),
        seed=options.seed,
        epochs=training.steps * training.accumulate / len(sampler),
    )
    return EpochLoader(recipe, sampler, data.workers)


def _dev_batches(
    utterances: Sequence[Utterance], trainer: Trainer
) -> DataLoader[list[Utterance]] | None:
    """This process's share of the development set."""
    if not utterances:
        return None
    mine = utterances[trainer.global_rank :: trainer.world_size]
    batches: Any = [mine[first : first + _DEV_BATCH] for first in range(0, len(mine), _DEV_BATCH)]
    return DataLoader(batches, batch_size=None, collate_fn=_unchanged)


def _unchanged(batch: list[Utterance]) -> list[Utterance]:
    return batch


def _restore_best(module: FineTuning, trainer: Trainer, dev: Sequence[Utterance]) -> None:
    """Gives the module its best weights, should the last ones not be those."""
    (final,) = trainer.validate(module, _dev_batches(dev, trainer), verbose=False)
    (error,) = final.values()
    best: Any = trainer.checkpoint_callback
    if best.best_model_score is not None and best.best_model_score < error:
        stored = torch.load(best.best_model_path, weights_only=True)
        module.load_state_dict(stored["state_dict"])
        logger.info("the best weights are those after %d steps", stored["global_step"])


def _write(model: GigaAM, folder: Path, options: RunOptions, task: Task) -> None:
    """Saves the model and its card."""
    model.save(folder)
    sets = [*options.data.dev, *options.data.test]
    reports = [evaluate(model, manifest) for manifest in sets]  # type: ignore[call-overload]
    card = model_card(model, options, task.corpus, reports)
    write_whole(folder / CARD_FILE, card.encode())
