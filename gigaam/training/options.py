"""The options of a fine-tuning run: the schema of its configuration.

The defaults adapt a recogniser to new recordings; `gigaam.training.configuration` reads other
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from gigaam.errors import ArgumentError
from gigaam.training.augment import AugmentOptions
from gigaam.training.objective import LossOptions
from gigaam.training.optimizer import OptimizerOptions

__all__ = ["DataOptions", "ModelOptions", "RunOptions", "TrainingOptions", "check_ranges"]


@dataclass
class ModelOptions:
    """The model to be trained.

    Attributes:
        init: Name, checkpoint or directory of the model to initialise from; None starts with random
            weights.
        architecture: Without `init`: name or directory of a model whose architecture to copy, or a
            YAML file with a model's config.
        head: "ctc", "rnnt" or "emo": the head on top of the encoder; None keeps the model's own.
        vocabulary: A file of characters, one per line, or a SentencePiece ``.model``; "manifest"
            takes the characters of the training texts; None keeps the model's own. The head's
            weights for tokens in both vocabularies are kept.
        predictor_width: Width of a new transducer's prediction and joint networks.
        name: The result's name in its config and card; None takes the name of the output folder.
    """

    init: str | None = None
    architecture: str | None = None
    head: str | None = None
    vocabulary: str | None = None
    predictor_width: int = 320
    name: str | None = None


@dataclass
class DataOptions:
    """The data, and how it is batched.

    Attributes:
        train: Manifests of the training set: a list, or a single path.
        dev: Manifests of the development set, on which the best weights are selected.
        test: Manifests evaluated once, at the end, for the model card.
        silence: Whether to learn utterances without a transcription (or with nothing but
            punctuation in it) as recordings in which nobody speaks. By default they are left out,
            since most are speech that nobody has transcribed yet.
        batch_s: Seconds of sound per batch and device, padding included.
        max_s: Longest utterance used, in seconds.
        normalize: Lower-case texts and strip their punctuation; None does so if the vocabulary has
            no capital letters.
        speed: Range of the factor by which recordings are sped up.
        workers: Processes per device that prepare batches; 0 prepares them in the main process.
    """

    train: Any = field(default_factory=list)
    dev: Any = field(default_factory=list)
    test: Any = field(default_factory=list)
    silence: bool = False
    batch_s: float = 120.0
    max_s: float = 25.0
    normalize: bool | None = None
    speed: tuple[float, float] = (0.9, 1.1)
    workers: int = 0

    def __setattr__(self, name: str, value: Any) -> None:
        """Takes a single manifest as a list of one."""
        super().__setattr__(name, _manifests(name, value) if name in _MANIFESTS else value)


_MANIFESTS = ("train", "dev", "test")
_VALIDATIONS = 10  # per run, unless training.eval_every says otherwise


def _manifests(name: str, value: Any) -> list[str]:
    """The value of an option as a list of manifests."""
    given: Sequence[Any] = [value] if isinstance(value, (str, PathLike)) else value or []
    try:
        return [fspath(path) for path in given]
    except TypeError as error:
        raise ArgumentError(f"data.{name} must be paths of manifests, not {value!r}") from error


@dataclass
class TrainingOptions:
    """The training loop.

    Attributes:
        steps: Optimiser steps in total.
        freeze_encoder_steps: Optimiser steps at the beginning during which the encoder is frozen;
            if equal to `steps`, it stays frozen.
        accumulate: Batches per optimiser step.
        precision: "32", "bf16" or "fp16" (GPUs only): the precision the encoder computes in.
        dropout: Dropout rate on each module's residual branch in the encoder's layers, against
            overfitting to a small training set.
        checkpoint_activations: Recompute the activations of the encoder's layers instead of
            keeping them: half the memory for a third more time.
        eval_every: Optimiser steps between validations; None validates ten times per run.
        save_every: Optimiser steps between checkpoints to resume from; a run stopped by Ctrl-C
            also saves one.
        accelerator: "cpu", "gpu" or "auto".
        devices: Number of devices; several are coordinated by `strategy`.
        strategy: One of Lightning's strategies: "auto", "ddp", "fsdp" …
    """

    steps: int = 1000
    freeze_encoder_steps: int = 0
    accumulate: int = 1
    precision: str = "32"
    dropout: float = 0.0
    checkpoint_activations: bool = False
    eval_every: int | None = None
    save_every: int = 100
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"

    @property
    def validation_interval(self) -> int:
        """Optimiser steps between validations."""
        return self.eval_every or -(-self.steps // _VALIDATIONS)


@dataclass
class RunOptions:
    """A fine-tuning run.

    Attributes:
        out: Output folder: a model directory that also holds logs and checkpoints.
        seed: Determines everything random.
        model: The model to be trained.
        data: The data, and how it is batched.
        training: The training loop.
        optimizer: See `gigaam.training.optimizer.OptimizerOptions`.
        augmentation: See `gigaam.training.augment.AugmentOptions`.
        loss: See `gigaam.training.objective.LossOptions`.
    """

    out: str = "fine-tuned"
    seed: int = 0
    model: ModelOptions = field(default_factory=ModelOptions)
    data: DataOptions = field(default_factory=DataOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    optimizer: dict[str, Any] = field(default_factory=lambda: asdict(OptimizerOptions()))
    augmentation: dict[str, Any] = field(default_factory=lambda: asdict(AugmentOptions()))
    loss: dict[str, Any] = field(default_factory=lambda: asdict(LossOptions()))

    @property
    def model_name(self) -> str:
        """The result's name in its config and card."""
        return self.model.name or Path(self.out).name


_AT_LEAST_ONE = ("steps", "accumulate", "eval_every", "save_every", "devices")


def check_ranges(options: RunOptions) -> None:
    """Checks that numbers are within their ranges.

    Raises:
        ArgumentError: One is not; the message names it.
    """
    training, data = options.training, options.data
    for name in _AT_LEAST_ONE:
        value = getattr(training, name)
        _require(value is None or value >= 1, f"training.{name}", "1 or more", value)
    _require(
        training.freeze_encoder_steps >= 0,
        *("training.freeze_encoder_steps", "0 or more", training.freeze_encoder_steps),
    )
    _require(0 <= training.dropout < 1, "training.dropout", "from 0 to below 1", training.dropout)
    _require(data.batch_s > 0, "data.batch_s", "above 0", data.batch_s)
    _require(data.max_s > 0, "data.max_s", "above 0", data.max_s)
    _require(data.workers >= 0, "data.workers", "0 or more", data.workers)
    factors = len(data.speed) == 2 and min(data.speed) > 0
    _require(factors, "data.speed", "two factors above 0, as in [0.9,1.1]", list(data.speed))


def _require(holds: bool, name: str, range_: str, value: Any) -> None:
    if not holds:
        raise ArgumentError(f"{name} must be {range_}, not {value}")
