"""``gigaam eval``: error rates of a model on transcribed recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import gigaam
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.named_models import load_evaluable
from gigaam.printing import complain, print_lines, reason
from gigaam.progress import progress_display
from gigaam.whole_file import write_whole

if TYPE_CHECKING:
    from gigaam.evaluation.evaluating import EmotionModel
    from gigaam.recognition import SpeechRecognition
    from gigaam.training import EmotionReport, RecognitionReport

__all__ = ["evaluate_model"]


def evaluate_model(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL MANIFEST",
            help="Name (see 'gigaam models'), .ckpt file or directory of a model, and .tsv or "
            ".jsonl files with path and transcription (or emotion), optionally offset, duration "
            "and any further columns. With --onnx manifests alone.",
        ),
    ],
    onnx: Annotated[
        Path | None,
        typer.Option(
            help="Directory of an exported model (DIRECTORY/NAME if it holds several), to "
            "evaluate it without torch."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Also tell apart by a column, such as speaker."),
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Show so many of the worst utterances.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to look at.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings per pass of the encoder.")] = 8,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1. [default: cuda if any]")
    ] = None,
) -> None:
    """Evaluate a model: error rates with intervals, or accuracies for emotions.

    A recording that fails does not stop the others; it is listed on stderr, and the exit code is 1.
    """
    model_name, manifests = (str(onnx), names) if onnx else (names[0], names[1:])
    if not manifests:
        raise typer.BadParameter("no manifest", param_hint="MANIFEST")
    try:
        n_utterances = _count(manifests, by)
        for file in filter(None, (json_file, html_file)):
            file.parent.mkdir(parents=True, exist_ok=True)
        model = load_evaluable(model_name, onnx, device, "MODEL")
        reports = _evaluate(model, manifests, n_utterances, by, batch_size)
        if json_file is not None:
            write_whole(json_file, _encoded(_as_json(model_name, reports)))
        if html_file is not None:
            from gigaam.evaluation.report_html import report_page

            page = report_page(model_name, gigaam.__version__, reports, worst)
            write_whole(html_file, _encoded(page))
    except (GigaAMError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error
    _print(reports, worst)


def _count(manifests: Sequence[str], by: str | None) -> int:
    """Utterances of all manifests; what is wrong with one shows before a model is loaded."""
    from gigaam.dataset.manifests import read_manifest
    from gigaam.evaluation.outcomes import check_column

    total = 0
    for manifest in manifests:
        utterances = read_manifest(manifest, required=())
        try:
            if by is not None:
                check_column(utterances, by)
        except ArgumentError as error:
            raise typer.BadParameter(f"{manifest}: {error}", param_hint="--by") from error
        total += len(utterances)
    return total


def _evaluate(
    model: SpeechRecognition | EmotionModel,
    manifests: Sequence[str],
    n_utterances: int,
    by: str | None,
    batch_size: int,
) -> list[RecognitionReport | EmotionReport]:
    from gigaam.training import evaluate

    with progress_display(n_utterances, hidden=False) as display:
        return [
            evaluate(model, manifest, by=by, batch_size=batch_size, on_done=display.finish)
            for manifest in manifests
        ]


def _as_json(model: str, reports: Sequence[RecognitionReport | EmotionReport]) -> str:
    content = {
        "gigaam": gigaam.__version__,
        "model": model,
        "reports": [report.to_dict() for report in reports],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _encoded(text: str) -> bytes:
    """UTF-8 even where a path is not: such bytes stay escaped."""
    return text.encode("utf-8", "backslashreplace")


def _print(reports: Sequence[RecognitionReport | EmotionReport], n_worst: int) -> None:
    """Prints the reports; what failed goes to stderr and makes the exit code."""
    from gigaam.evaluation.report_text import report_lines

    for report in reports:
        print_lines(report_lines(report, n_worst))
    for report in reports:
        for utterance, error in report.heard.failures:
            where = f"{report.manifest}, line {utterance.line}"
            complain(f"{where}: {reason(utterance.path, error)}")
    if any(report.heard.failures for report in reports):
        raise typer.Exit(1)
