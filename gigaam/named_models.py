"""The models that a command line names, if they can do what the command is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

import gigaam
from gigaam import registry
from gigaam.errors import UnknownModelError

if TYPE_CHECKING:
    from gigaam.evaluation.evaluating import EmotionModel
    from gigaam.recognition import SpeechRecognition

__all__ = ["load_evaluable", "load_recogniser"]


@dataclass(frozen=True)
class _Ability:
    """What a command needs.

    Attributes:
        tasks: Of models that have it.
        lack: What is said of those that do not.
    """

    tasks: tuple[str, ...]
    lack: str


_RECOGNITION = _Ability(("ctc", "rnnt"), "does not recognise speech")
_EVALUATION = _Ability(("ctc", "rnnt", "emo"), "neither recognises speech nor tells emotions")


def load_recogniser(
    name: str, onnx: Path | None, device: str | None, option: str
) -> SpeechRecognition:
    """A speech recogniser.

    Args:
        name: A model's name or path; unused if there is an exported one.
        onnx: Directory of an exported model, or DIRECTORY/NAME.
        device: Where to compute.
        option: What of the command line names the model.

    Raises:
        BadParameter: There is no such model, or it is none.
        GigaAMError: It cannot be loaded.
    """
    return cast("SpeechRecognition", _load(_RECOGNITION, name, onnx, device, option))


def load_evaluable(
    name: str, onnx: Path | None, device: str | None, option: str
) -> SpeechRecognition | EmotionModel:
    """A model that can be evaluated: a speech or an emotion recogniser; see `load_recogniser`."""
    return cast("SpeechRecognition | EmotionModel", _load(_EVALUATION, name, onnx, device, option))


def _load(ability: _Ability, name: str, onnx: Path | None, device: str | None, option: str) -> Any:
    if onnx is not None:
        return _load_exported(ability, onnx)
    able = [info.name for info in registry.MODELS.values() if info.task in ability.tasks]
    unable = typer.BadParameter(
        f"{name!r} {ability.lack}; these do: {', '.join(able)}", param_hint=option
    )
    # Asked before anything is downloaded; a file has to be opened to know.
    if registry.is_known(name) and registry.resolve(name).name not in able:
        raise unable
    try:
        loaded = gigaam.load_model(name, device=device)
    except UnknownModelError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    if loaded.cfg.model_class not in ability.tasks:
        raise unable
    return loaded


def _load_exported(ability: _Ability, path: Path) -> Any:
    from gigaam.onnx import load

    # Of several models in one directory one is named as if it were a file.
    loaded = load(path) if path.is_dir() else load(path.parent, name=path.name)
    if loaded.metadata.kind not in ability.tasks:
        raise typer.BadParameter(f"the model in {path} {ability.lack}", param_hint="--onnx")
    return loaded
