"""What shells complete: models, formats and options of training by name; all else is a file.

Where nothing is offered, the shells offer files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from gigaam.store import registry

__all__ = [
    "TRAINING_KEYS",
    "complete_configuration",
    "complete_formats",
    "complete_model_unless_exported",
    "complete_models",
    "complete_override",
]

TRAINING_KEYS = (
    *("out", "seed", "model.init", "model.architecture", "model.head", "model.vocabulary"),
    *("model.predictor_width", "model.name", "data.train", "data.dev", "data.test"),
    *("data.silence", "data.batch_s", "data.max_s", "data.normalize", "data.speed"),
    *("data.workers", "training.steps", "training.freeze_encoder_steps"),
    *("training.accumulate", "training.precision", "training.dropout"),
    *("training.checkpoint_activations", "training.eval_every", "training.save_every"),
    *("training.accelerator", "training.devices", "training.strategy", "optimizer.peak_lr"),
    *("optimizer.final_lr", "optimizer.warmup", "optimizer.weight_decay", "optimizer.clip"),
    *("optimizer.ema_decay", "optimizer.layer_decay", "augmentation.gain_db"),
    *("augmentation.noise", "augmentation.snr_db", "augmentation.telephone"),
    *("augmentation.reverberation", "augmentation.frequency_masks"),
    *("augmentation.frequency_mask_bins", "augmentation.time_masks_per_s"),
    *("augmentation.time_mask_s", "augmentation.full_from", "loss.auxiliary_ctc"),
    "loss.lattice_elements",
)
"""All options of training. Their dataclasses know them, too, but need torch: seconds per Tab."""

_MODELS = ("model.init", "model.architecture")
_FILES = (*_MODELS, "model.vocabulary", "data.train", "data.dev", "data.test", "out")
_CHOICES = {"model.head": ("ctc", "rnnt", "emo")}
_CONFIGURATIONS = Path(__file__).parents[1] / "training" / "configs"


def complete_models(incomplete: str) -> list[str]:
    """The models' names that begin so."""
    return _beginning([*registry.MODELS, *registry.ALIASES], incomplete)


def complete_model_unless_exported(context: typer.Context, incomplete: str) -> list[str]:
    """The models' names that begin so; none after --onnx, where a manifest is first."""
    return [] if context.params.get("onnx") else complete_models(incomplete)


def complete_formats(incomplete: str) -> list[str]:
    """The formats that begin so, also after others and a comma."""
    from gigaam.output.formats import FORMATS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(FORMATS, last)]


def complete_configuration(incomplete: str) -> list[str]:
    """The configurations of the package that begin so."""
    return _beginning(sorted(path.stem for path in _CONFIGURATIONS.glob("*.yaml")), incomplete)


def complete_override(context: typer.Context, incomplete: str) -> list[str]:
    """The options of training that begin so; of one, the values that there are."""
    key, equals, value = incomplete.partition("=")
    if equals:
        return [f"{key}={each}" for each in _values(key, value)]
    # bash has cut KEY=VALUE at the sign, and puts back the value alone.
    given: list[str] = context.params.get("overrides") or []
    before, last = ["", "", *given][-2:]
    if (key := before if last == "=" else last) in TRAINING_KEYS:
        return list(_values(key, incomplete))
    keys = _beginning(TRAINING_KEYS, incomplete)
    if len(keys) == 1 and (values := list(_values(keys[0], ""))):
        return [f"{keys[0]}={each}" for each in values]
    return [f"{key}=" for key in keys]


def _values(key: str, incomplete: str) -> Iterator[str]:
    if key in _MODELS:
        yield from complete_models(incomplete)
    if key in _FILES:
        yield from _paths(incomplete)
    yield from _beginning(_CHOICES.get(key, ()), incomplete)


def _paths(incomplete: str) -> Iterator[str]:
    """Files and folders that begin so, hidden ones if their dot is there."""
    folder, name = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda each: each.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            yield os.path.join(folder, entry.name) + ("/" if entry.is_dir() else "")


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
