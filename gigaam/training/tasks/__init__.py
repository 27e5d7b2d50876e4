"""What models can be trained for; the head of the model decides on the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gigaam.errors import ArgumentError
from gigaam.training.options import RunOptions, check_ranges
from gigaam.training.origin import Origin, find_origin
from gigaam.training.tasks.emotion import prepare_emotion
from gigaam.training.tasks.recognition import prepare_recognition
from gigaam.training.tasks.task import Task

__all__ = ["Task", "TaskBuilder", "prepare", "register_task"]

TaskBuilder: TypeAlias = Callable[[Origin, RunOptions], Task]
"""Reads a run's manifests and adapts the model's config and them to each other."""

_BUILDERS: dict[str, TaskBuilder] = {
    "ctc": prepare_recognition,
    "rnnt": prepare_recognition,
    "emo": prepare_emotion,
}


def register_task(head: str, builder: TaskBuilder) -> None:
    """Makes ``model.head=HEAD`` train the task that `builder` prepares.

    Args:
        head: Name of the head; models of the class of this name are trained for the task by
            default.
        builder: Prepares the task of a run.
    """
    _BUILDERS[head] = builder


def prepare(options: RunOptions) -> Task:
    """The task of a run.

    Raises:
        ArgumentError: The options do not go together, or no task has such a head.
        DatasetError: A manifest is invalid, or there is nothing to learn from.
        UnknownModelError: There is no such model to begin with.
    """
    check_ranges(options)
    origin = find_origin(options.model)
    if not options.data.train:
        raise ArgumentError("data.train names no manifest: give one, as in data.train=train.tsv")
    head = options.model.head or origin.config["model_class"]
    if head not in _BUILDERS:
        raise ArgumentError(
            f"the model has no head to train: model.head must be one of {', '.join(_BUILDERS)}"
        )
    return _BUILDERS[head](origin, options)
