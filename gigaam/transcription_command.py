"""``gigaam transcribe``: recordings of any length to text, subtitles or JSON."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gigaam.command_options import (
    BatchSize,
    Device,
    Onnx,
    Quiet,
    Talk,
    Verbose,
    complete_formats,
    complete_models,
    refuse,
    talk,
)
from gigaam.errors import GigaAMError
from gigaam.formats import FORMATS
from gigaam.jobs import Job
from gigaam.listening_options import (
    DecodeLoudGaps,
    MaxPause,
    Segmenting,
    listening_arguments,
)
from gigaam.named_models import DEFAULT_MODEL, RECOGNITION, NamedModel
from gigaam.output_options import OutputOptions
from gigaam.printing import Printer, check_stdout, complain, reason
from gigaam.progress import ProgressDisplay, progress_display
from gigaam.transcription import Transcription

if TYPE_CHECKING:
    from gigaam.recognition import SpeechRecognition

__all__ = ["transcribe"]


def transcribe(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Recordings and videos in any format that FFmpeg reads, directories of them, "
            "patterns such as 'calls/**/*.mp3', or - for the standard input.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Name (see 'gigaam models'), .ckpt file or directory of a model. "
            f"[default: {DEFAULT_MODEL}]",
            autocompletion=complete_models,
        ),
    ] = None,
    onnx: Onnx = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help=f"{', '.join(FORMATS)}: one to print, or several for --output-dir, with commas.",
            autocompletion=complete_formats,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Write the result of one recording to this file, in the format that its extension "
            "or --format names.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Write a file per recording and format here. [format: txt]"
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Leave out recordings whose files are there."),
    ] = False,
    word_timestamps: Annotated[
        bool,
        typer.Option(
            "--word-timestamps",
            "--timestamps",
            help="Print each word with its start and end, seconds; store words in json.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording and line.")
    ] = False,
    vad: Annotated[
        Literal["auto", "silero", "pyannote", "none"],
        typer.Option(help="What finds the speech in recordings over 30 seconds."),
    ] = "auto",
    channels: Annotated[
        Literal["mix", "split"],
        typer.Option(help="Recognise all channels as one, or each by itself."),
    ] = "mix",
    track: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Which audio track of each file, from 0. [default: the one that ffmpeg takes]",
        ),
    ] = None,
    segments: Segmenting = None,
    max_pause: MaxPause = None,
    decode_loud_gaps: DecodeLoudGaps = True,
    batch_size: BatchSize = 8,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn recordings of any length into text, subtitles or JSON.

    Without --output or --output-dir results are printed: the text of one recording stands alone,
    of several each after its path and a tab. A recording that fails does not stop the others; what
    failed and why is listed on stderr at the end.
    """
    if model is not None and onnx is not None:
        refuse("--model", "does not go with --onnx, which names a model itself")
    listening = listening_arguments(vad, channels, track, segments, max_pause, decode_loud_gaps)
    outputs = OutputOptions(formats, output, output_dir, as_json, word_timestamps, skip_existing)
    how_much = talk(context, quiet, verbose)
    named = NamedModel(
        RECOGNITION, model or DEFAULT_MODEL, onnx, device, option="--model", how_much=how_much
    )
    named.check()
    jobs = outputs.jobs(files)
    todo = [job for job in jobs if not (skip_existing and job.is_done)]
    if not todo and not quiet:
        complain(f"nothing to do: the files of {len(jobs)} recordings are there")
    if todo and outputs.are_printed:
        check_stdout()
    there = _without_missing(todo)
    n_failed = len(todo) - len(there)
    if there:
        printer = outputs.printer(len(jobs))
        transcription = Transcription(
            _loaded(named),
            word_timestamps=word_timestamps or printer.needs_times,
            batch_size=batch_size,
            longform=listening,
        )
        # Where results appear on the terminal, they themselves show the progress.
        hidden = quiet or (outputs.are_printed and sys.stdout.isatty())
        with progress_display(len(there), hidden) as display:
            failures = _run(transcription, there, printer, display)
        n_failed += _told(failures, how_much)
    if n_failed and len(todo) > 1:
        complain(f"{n_failed} of {len(todo)} recordings failed")
    if there and not (outputs.are_printed or quiet):
        complain(display.summary())
    if n_failed:
        raise typer.Exit(1)


def _without_missing(jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose recordings are there; of the others it is told, before a model is loaded."""
    for job in jobs:
        if job.is_missing:
            complain(f"{job.path}: there is no such file")
    return [job for job in jobs if not job.is_missing]


def _loaded(named: NamedModel) -> SpeechRecognition:
    """The recogniser to work with; one that cannot be loaded ends the command."""
    try:
        recogniser: SpeechRecognition = named.load()
    except (GigaAMError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error
    return recogniser


def _run(
    transcription: Transcription,
    jobs: Sequence[Job],
    printer: Printer,
    display: ProgressDisplay,
) -> list[tuple[Path, Exception]]:
    """Recognises and writes; gives what failed."""
    failures: list[tuple[Path, Exception]] = []
    for outcome in transcription.run(jobs, on_progress=display.at, on_segment=printer.segment):
        result = outcome.result
        if not isinstance(result, Exception):
            try:
                printer.result(outcome.job, result)
            except BrokenPipeError:  # nobody reads any more
                raise
            except (GigaAMError, OSError) as error:
                result = error
        if isinstance(result, Exception):
            failures.append((outcome.job.path, result))
        display.finish(outcome.duration_s)
    return failures


def _told(failures: Sequence[tuple[Path, Exception]], how_much: Talk) -> int:
    """How many there are, after telling why."""
    for path, failure in failures:
        complain(reason(path, failure))
        if how_much == Talk.VERBOSE:
            traceback.print_exception(failure)
    return len(failures)
