"""Fine-tuning: a model and recordings → a model directory with its card.

The training loop is Lightning's (`gigaam.training.runs`); this is what surrounds it.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from gigaam.assembly import build_model
from gigaam.dataset.manifests import read_manifest
from gigaam.errors import ArgumentError, MissingDependencyError
from gigaam.evaluation.scoring import require_jiwer
from gigaam.model import GigaAM
from gigaam.output.whole_file import write_whole
from gigaam.training.first_layer import plain_state_dict
from gigaam.training.model_card import model_card
from gigaam.training.options import RunOptions
from gigaam.training.tasks import Task, prepare

if TYPE_CHECKING:
    from gigaam.training.runs.running import Run

__all__ = ["fine_tune"]

OPTIONS_FILE = "run.yaml"
CARD_FILE = "README.md"


def fine_tune(options: RunOptions, *, progress: bool = True) -> GigaAM:
    """Trains a model and saves it in ``options.out``, with its card, logs and checkpoints.

    A run that was cut short resumes from its last checkpoint when started again with the same
    options; on a CPU the result is bit for bit that of an uninterrupted run. Ctrl-C saves a
    checkpoint before it stops the run; a second Ctrl-C stops at once.

    Args:
        options: The run's options; see `gigaam.training.read_options`.
        progress: Whether to show on stderr the progress of the run and how well the model does.

    Returns:
        The model, in evaluation mode.

    Raises:
        ArgumentError: The options do not go together, or the folder holds another run.
        DatasetError: A manifest is invalid, or there is nothing to learn from.
        MissingDependencyError: Lightning is not installed (the extra ``train``).
        KeyboardInterrupt: Ctrl-C stopped the run; the message says which step is saved.
    """
    running = _require_extra()
    folder = Path(options.out)
    task = prepare(options)
    run: Run = running.Run(task, progress=progress)
    _claim(folder, options)
    with run.interruption:
        run.train()
        model = build_model(task.material.config)
        model.load_state_dict(plain_state_dict(run.model))
        model.eval()
        if run.is_first:
            _write(model, folder, task, run)
    return model


def _require_extra() -> ModuleType:
    """The module of runs, which needs Lightning, TensorBoard and jiwer."""
    try:
        require_jiwer()
        import_module("tensorboard")  # or Lightning would fail at the first step
        from gigaam.training.runs import running
    except ImportError as error:
        raise MissingDependencyError(
            f'fine-tuning needs the extra "train" ({error}): pip install ".[train]" in a clone of '
            "gigaam"
        ) from error
    return running


def _claim(folder: Path, options: RunOptions) -> None:
    """Writes the options into the folder, or checks that they are those of the run in it."""
    mine = asdict(options)
    noted = folder / OPTIONS_FILE
    begun = noted.exists() and any((folder / "checkpoints").glob("*"))
    if begun and (differing := _differing(_read_yaml(noted), mine)):
        complete = (folder / CARD_FILE).exists()
        raise ArgumentError(
            f"{folder} holds a {'complete ' if complete else ''}run with other options "
            f"({', '.join(differing)}; all are in {noted}): choose another out"
            + (f" (with model.init={folder} to train its model further)" if complete else "")
            + ", or remove the folder"
        )
    if not begun:
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(mine, allow_unicode=True, sort_keys=False)
        write_whole(noted, text.encode())


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} does not hold the options of a run: {error}") from error


def _differing(theirs: Any, mine: Any, name: str = "") -> list[str]:
    """The options in which two runs differ, each with both values."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        names = dict.fromkeys([*mine, *theirs])
        return [
            each
            for key in names
            for each in _differing(theirs.get(key), mine.get(key), f"{name}.{key}".lstrip("."))
        ]
    plain = list(mine) if isinstance(mine, tuple) else mine
    return [] if theirs == plain else [f"{name}={_shown(theirs)} there, {_shown(plain)} here"]


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _write(model: GigaAM, folder: Path, task: Task, run: Run) -> None:
    """Saves the model and its card, and shows how well the model does."""
    model.save(folder)
    from gigaam.cli.progress import progress_display  # which only runs on terminals need

    options, assessments = task.material.options, []
    for manifest in dict.fromkeys([*options.data.dev, *options.data.test]):
        n = len(read_manifest(manifest, required=()))
        with progress_display(n, hidden=not run.display.shown) as display:
            assessment = task.assess(model, manifest, display.finish)
        figures = ", ".join(f"{name} {value}" for name, value in assessment.figures)
        run.display.say(f"{manifest}: {figures}")
        assessments.append(assessment)
    card = model_card(task, model, assessments)
    write_whole(folder / CARD_FILE, card.encode())
