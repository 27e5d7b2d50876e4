"""The card of a fine-tuned model: its origin, its training data, how well it does."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import yaml  # type: ignore[import-untyped]

import gigaam
from gigaam.model import GigaAM
from gigaam.quoting import counted
from gigaam.training.corpus import Corpus
from gigaam.training.options import RunOptions
from gigaam.training.tasks.task import Assessment, Task

__all__ = ["model_card"]


def model_card(task: Task, model: GigaAM, assessments: Sequence[Assessment]) -> str:
    """The card, in Markdown.

    Args:
        task: What the model was trained for.
        model: The trained model.
        assessments: How well it does on development and test sets.
    """
    material = task.material
    options = material.options
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    settings = yaml.safe_dump(asdict(options), allow_unicode=True, sort_keys=False)
    parts = [
        f"# {model.cfg.model_name}",
        f"{task.describe(model)}, {size:.1f} million parameters. {_origin(options)} Made on "
        f"{datetime.date.today().isoformat()} with gigaam {gigaam.__version__} and torch "
        f"{torch.__version__}.",
        f'```python\nimport gigaam\n\nmodel = gigaam.load_model("{Path(options.out).name}")\n```',
        f"## Training data\n\n{_data(options, material.corpus)}",
    ]
    if assessments:
        parts.append(f"## How well it does\n\n{_table(assessments)}")
    parts.append(f"## Settings\n\n```yaml\n{settings}```")
    return "\n\n".join(parts) + "\n"


def _origin(options: RunOptions) -> str:
    if options.model.init is None:
        return (
            f"Trained from random weights, with the architecture of `{options.model.architecture}`."
        )
    return f"Trained from `{options.model.init}`."


def _data(options: RunOptions, corpus: Corpus) -> str:
    manifests = ", ".join(f"`{manifest}`" for manifest in options.data.train)
    hours = corpus.duration_s / 3600
    used = f"{counted(len(corpus.utterances), 'utterance')}, {hours:.2f} h, from {manifests}."
    if not corpus.left_out:
        return used
    reasons = "; ".join(f"{why}: {n}" for why, n in corpus.left_out.most_common())
    return f"{used} Left out: {reasons}."


def _table(assessments: Sequence[Assessment]) -> str:
    names = [name for name, _ in assessments[0].figures]
    rows = [["set", "utterances", *names], ["---", *["---:"] * (len(names) + 1)]]
    rows += [_row(assessment) for assessment in assessments]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n95 % confidence intervals in brackets (bootstrap over utterances)."


def _row(assessment: Assessment) -> list[str]:
    cells = [figure for _, figure in assessment.figures]
    return [f"`{Path(assessment.manifest).name}`", str(assessment.utterances), *cells]
