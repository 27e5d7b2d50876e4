"""The card of a fine-tuned model: where it comes from, what it learnt from, how well it does."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import yaml  # type: ignore[import-untyped]

import gigaam
from gigaam.evaluation.emotion_report import FIGURES, EmotionReport
from gigaam.evaluation.recognition_report import RecognitionReport
from gigaam.evaluation.report_text import FIGURE_NAMES, counted, percent, percent_interval
from gigaam.model import GigaAM, GigaAMASR
from gigaam.training.corpus import Corpus
from gigaam.training.options import RunOptions

__all__ = ["figures", "model_card"]


def model_card(
    model: GigaAM,
    options: RunOptions,
    corpus: Corpus,
    reports: Sequence[RecognitionReport | EmotionReport],
) -> str:
    """The card, in Markdown.

    Args:
        model: What came of the run.
        options: What the run was told.
        corpus: What the model learnt from.
        reports: How it does on development and test sets.
    """
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    settings = yaml.safe_dump(asdict(options), allow_unicode=True, sort_keys=False)
    parts = [
        f"# {model.cfg.model_name}",
        f"{_what(model)}, {size:.1f} million parameters. {_origin(options)} Made on "
        f"{datetime.date.today().isoformat()} with gigaam {gigaam.__version__} and torch "
        f"{torch.__version__}.",
        f'```python\nimport gigaam\n\nmodel = gigaam.load_model("{Path(options.out).name}")\n```',
        f"## Training data\n\n{_data(options, corpus)}",
    ]
    if reports:
        parts.append(f"## How well it does\n\n{_table(reports)}")
    parts.append(f"## Settings\n\n```yaml\n{settings}```")
    return "\n\n".join(parts) + "\n"


def _what(model: GigaAM) -> str:
    if isinstance(model, GigaAMASR):
        n_tokens = len(model.decoding.tokenizer)
        return f"A speech recogniser ({model.cfg.model_class.upper()}, {n_tokens} tokens)"
    return "An emotion recogniser"


def _origin(options: RunOptions) -> str:
    if options.model.init is None:
        return f"Trained from random weights, in the likeness of `{options.model.architecture}`."
    return f"Trained from `{options.model.init}`."


def _data(options: RunOptions, corpus: Corpus) -> str:
    manifests = ", ".join(f"`{manifest}`" for manifest in options.data.train)
    hours = corpus.duration_s / 3600
    used = f"{counted(len(corpus.utterances), 'utterance')}, {hours:.2f} h, of {manifests}."
    if not corpus.left_out:
        return used
    reasons = "; ".join(f"{why}: {n}" for why, n in corpus.left_out.most_common())
    return f"{used} Left out: {reasons}."


def _table(reports: Sequence[RecognitionReport | EmotionReport]) -> str:
    names = [name for name, _ in figures(reports[0])]
    rows = [["set", "utterances", *names], ["---", *["---:"] * (len(names) + 1)]]
    rows += [_row(report) for report in reports]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\nIn brackets intervals of 95 % (bootstrap over utterances)."


def _row(report: RecognitionReport | EmotionReport) -> list[str]:
    cells = [figure for _, figure in figures(report)]
    return [f"`{Path(report.manifest).name}`", str(report.scores.utterances), *cells]


def figures(report: RecognitionReport | EmotionReport) -> list[tuple[str, str]]:
    """What a card says of a set: names of figures and, with their intervals, the figures."""
    if isinstance(report, RecognitionReport):
        names = ["CER", "WER"]
        rates = (report.scores.raw_cer, report.scores.raw_wer)
        values = [(rate.edits.rate, rate.interval) for rate in rates]
    else:
        names = [FIGURE_NAMES[name] for name in FIGURES]
        values = list(zip(report.scores.values, report.scores.intervals, strict=True))
    return [
        (name, f"{percent(value)} ({percent_interval(interval)})")
        for name, (value, interval) in zip(names, values, strict=True)
    ]
