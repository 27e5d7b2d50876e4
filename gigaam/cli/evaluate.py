"""``gigaam eval``: error rates of a model on transcribed recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import gigaam
from gigaam.cli.command_options import BatchSize, Device, Onnx, Quiet, Verbose, refuse, talk
from gigaam.cli.completion import complete_model_unless_exported
from gigaam.cli.named_models import EVALUATION, NamedModel
from gigaam.cli.printing import check_stdout, complain, print_lines, reason
from gigaam.cli.progress import ProgressDisplay, progress_display
from gigaam.cli.search_options import (
    LM,
    BeamSize,
    Hotword,
    HotwordFile,
    HotwordWeight,
    Inflect,
    LMWeight,
    WordBonus,
    described,
    search_options,
)
from gigaam.cli.speaker_options import COUNT_METAVAR, SpeakerWishes, speaker_wishes
from gigaam.decoding import DecodingOptions
from gigaam.errors import ArgumentError, AudioFileNotFoundError, GigaAMError
from gigaam.output.whole_file import write_whole
from gigaam.quoting import said
from gigaam.store import registry

if TYPE_CHECKING:
    from gigaam.evaluation.evaluating import EmotionModel
    from gigaam.evaluation.report_text import Report
    from gigaam.recognition import SpeechRecognition
    from gigaam.speakers import Speakers

__all__ = ["evaluate_model"]


def evaluate_model(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Name (see 'gigaam models'), .ckpt file or directory of a model, also of an "
            "exported one. Omit it with --onnx.",
            autocompletion=complete_model_unless_exported,
        ),
    ],
    manifests: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MANIFEST",
            help=".tsv or .jsonl files with path and transcription (or emotion), optionally "
            "offset, duration and any further columns; with --speakers rttm, stm or seglst.",
        ),
    ] = None,
    onnx: Onnx = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Also report results per value of a column, such as speaker."
        ),
    ] = None,
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar=COUNT_METAVAR,
            help="Tell speakers apart, and report DER and cpWER. Files with turns or with words of "
            "speakers are named by the manifest's columns rttm, stm, seglst.",
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show the N worst utterances.")
    ] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the full report as JSON.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write an HTML report.")
    ] = None,
    hotword: Hotword = None,
    hotwords: HotwordFile = None,
    hotword_weight: HotwordWeight = None,
    inflect: Inflect = False,
    lm: LM = None,
    lm_weight: LMWeight = None,
    word_bonus: WordBonus = None,
    beam_size: BeamSize = None,
    batch_size: BatchSize = 8,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Evaluate a model: error rates, or accuracies for emotions, with intervals.

    A recording that fails does not stop the others; it is listed on stderr, and the exit code is 1.
    """
    how_much = talk(context, quiet, verbose)
    manifests = [model, *(manifests or [])] if onnx else manifests or []
    _check(onnx, manifests, json_file, html_file)
    decoding = search_options(
        hotword, hotwords, hotword_weight, inflect, lm, lm_weight, word_bonus, beam_size
    )
    wishes = speaker_wishes(speakers, None)
    check_stdout()
    named = NamedModel(EVALUATION, model, onnx, device, how_much=how_much)
    named.check()
    try:
        n_utterances = _count(manifests, by, wishes)
        for file in filter(None, (json_file, html_file)):
            file.parent.mkdir(parents=True, exist_ok=True)
        told_apart = None if wishes is None else wishes.diarizer()
        recogniser = named.load()
        with progress_display(n_utterances, hidden=quiet) as display:
            reports = [
                _evaluate(recogniser, each, by, batch_size, decoding, told_apart, display)
                for each in manifests
            ]
        if json_file is not None:
            write_whole(json_file, _encoded(_as_json(named.called, decoding, speakers, reports)))
        if html_file is not None:
            write_whole(
                html_file, _encoded(_as_page(named.called, decoding, speakers, reports, worst))
            )
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    _print(reports, worst)


def _check(
    onnx: Path | None, manifests: Sequence[str], json_file: Path | None, html_file: Path | None
) -> None:
    """Refuses options that do not go together."""
    if not manifests:
        refuse("MANIFEST", "none given")
    if onnx is not None and registry.is_known(manifests[0]) and not Path(manifests[0]).exists():
        refuse("MODEL", f"{manifests[0]} does not go with --onnx, which names the model itself")
    if json_file is not None and html_file is not None and json_file == html_file:
        refuse("--html", f"{html_file} is also the file of --json")


def _count(manifests: Sequence[str], by: str | None, wishes: SpeakerWishes | None) -> int:
    """Number of utterances in all manifests; errors in them show before a model is loaded."""
    from gigaam.dataset.manifests import read_manifest
    from gigaam.evaluation.outcomes import check_column
    from gigaam.evaluation.speaker_references import read_references

    total = 0
    for manifest in manifests:
        utterances = read_manifest(manifest, required=())
        try:
            if by is not None:
                check_column(utterances, by)
        except ArgumentError as error:
            refuse("--by", f"{manifest}: {error}")
        if utterances and not any(utterance.path.exists() for utterance in utterances):
            missing = utterances[0].path
            raise AudioFileNotFoundError(
                f"{manifest}: all its recordings are missing, such as {missing}"
            )
        if wishes is not None:
            read_references(utterances)
        total += len(utterances)
    return total


def _evaluate(
    model: SpeechRecognition | EmotionModel,
    manifest: str,
    by: str | None,
    batch_size: int,
    decoding: DecodingOptions | None,
    speakers: Speakers | None,
    display: ProgressDisplay,
) -> Report:
    from gigaam.training import evaluate

    return evaluate(
        model,
        manifest,
        by=by,
        batch_size=batch_size,
        on_done=display.finish,
        decoding=decoding,
        speakers=speakers,
    )


def _as_json(
    model: str,
    decoding: DecodingOptions | None,
    speakers: str | None,
    reports: Sequence[Report],
) -> str:
    content = {
        "gigaam": gigaam.__version__,
        "model": model,
        "decoding": described(decoding),
        "speakers": speakers,
        "reports": [report.to_dict() for report in reports],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _as_page(
    model: str,
    decoding: DecodingOptions | None,
    speakers: str | None,
    reports: Sequence[Report],
    n_worst: int,
) -> str:
    from gigaam.evaluation.report_html import report_page

    options = described(decoding)
    if "hotwords" in options:
        options["hotwords"] = len(options["hotwords"])
    if speakers is not None:
        options["speakers"] = speakers
    told = ", ".join(f"{name} {value}" for name, value in options.items())
    return report_page(f"{model} ({told})" if told else model, gigaam.__version__, reports, n_worst)


def _encoded(text: str) -> bytes:
    """As UTF-8; bytes of paths that are not UTF-8 stay escaped."""
    return text.encode("utf-8", "backslashreplace")


def _print(reports: Sequence[Report], n_worst: int) -> None:
    """Prints the reports; failures go to stderr and set the exit code."""
    from gigaam.evaluation.report_text import report_lines

    for report in reports:
        print_lines(report_lines(report, n_worst))
    for report in reports:
        for utterance, error in report.run.failures:
            where = f"{report.manifest}, line {utterance.line}"
            complain(f"{where}: {reason(utterance.path, error)}")
    if any(report.run.failures for report in reports):
        raise typer.Exit(1)
