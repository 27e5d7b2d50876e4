"""What a fine-tuning run is told: the schema of its configuration.

The defaults adapt a recogniser to new recordings; `gigaam.training.configuration` reads the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from typing import Any

from gigaam.errors import ArgumentError
from gigaam.training.augment import AugmentOptions
from gigaam.training.objective import LossOptions
from gigaam.training.optimizer import OptimizerOptions

__all__ = ["DataOptions", "ModelOptions", "RunOptions", "TrainingOptions", "check_ranges"]


@dataclass
class ModelOptions:
    """What is trained.

    Attributes:
        init: Name, checkpoint or directory of the model to start from; None begins with random
            weights.
        architecture: Without `init`: name or directory of a model to be like, or a YAML file with
            a model's config.
        head: "ctc", "rnnt" or "emo": the head over the encoder; None keeps that of the model.
        vocabulary: A file of characters, one per line, or a SentencePiece ``.model``; "manifest"
            takes the characters of the training texts; None keeps the model's. What the old head
            knows of tokens in both vocabularies is kept.
        predictor_width: Width of a new transducer's prediction and joint networks.
        name: What the result is called in its config and card; None is the output's name.
    """

    init: str | None = None
    architecture: str | None = None
    head: str | None = None
    vocabulary: str | None = None
    predictor_width: int = 320
    name: str | None = None


@dataclass
class DataOptions:
    """What it learns from.

    Attributes:
        train: Manifests: a list, or the path of one.
        dev: Those by which the best weights are chosen.
        test: Those read once, at the end, for the card.
        silence: Whether utterances without a transcription, or whose transcription is punctuation
            alone, are recordings in which nobody speaks, to be learnt as such. Else they are left
            out: most are speech that nobody has written down yet.
        batch_s: Seconds of sound per batch and device, padding included.
        max_s: Longer utterances are left out.
        normalize: Lower-case texts and free them of punctuation; None does so for vocabularies
            without capitals.
        speed: Range of the factor by which recordings are played faster.
        workers: Processes that prepare batches on each device; 0 prepares them in the main one.
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
        """Takes a single manifest for a list of one."""
        super().__setattr__(name, _manifests(name, value) if name in _MANIFESTS else value)


_MANIFESTS = ("train", "dev", "test")
_LOOKS = 10  # at the development set, unless training.eval_every says otherwise


def _manifests(name: str, value: Any) -> list[str]:
    """What was given for a list of manifests, as one."""
    given: Sequence[Any] = [value] if isinstance(value, (str, PathLike)) else value or []
    try:
        return [fspath(path) for path in given]
    except TypeError as error:
        raise ArgumentError(f"data.{name} must be paths of manifests, not {value!r}") from error


@dataclass
class TrainingOptions:
    """How it learns.

    Attributes:
        steps: Changes of the weights in all.
        freeze_encoder_steps: Changes at the beginning that leave the encoder as it is; as many as
            `steps` freeze it for good.
        accumulate: Batches per change.
        precision: "32", "bf16" or "fp16" (GPUs only): what the encoder computes in.
        dropout: Part of what the modules of the encoder's layers add that is lost in training:
            against learning a small set by heart.
        checkpoint_activations: Compute the encoder's layers twice instead of keeping what they
            computed: half the memory, a third more time.
        eval_every: Changes between looks at the development set; None looks ten times.
        save_every: Changes between checkpoints to go on from; a run that is stopped by Ctrl-C
            makes one, too.
        accelerator: "cpu", "gpu" or "auto".
        devices: How many; several train with `strategy`.
        strategy: One of Lightning's: "auto", "ddp", "fsdp" …
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
    def looks_every(self) -> int:
        """Changes between looks at the development set."""
        return self.eval_every or -(-self.steps // _LOOKS)


@dataclass
class RunOptions:
    """A fine-tuning run.

    Attributes:
        out: Folder of the result: a model directory, with logs and checkpoints in it.
        seed: All randomness is a function of it.
        model: What is trained.
        data: What it learns from.
        training: How.
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


_AT_LEAST_ONE = ("steps", "accumulate", "eval_every", "save_every", "devices")


def check_ranges(options: RunOptions) -> None:
    """Sees that numbers are what they can be.

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
