"""The ``gigaam`` command: transcribe recordings, evaluate, list models, download them.

Results go to stdout, in UTF-8 whatever the locale; progress, warnings and errors go to stderr.
Exit codes: 0; 1 if anything failed, with the rest done; 2 for a wrong command line.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

import gigaam
from gigaam import registry
from gigaam.errors import ArgumentError, GigaAMError, UnknownModelError
from gigaam.evaluation_command import evaluate_model
from gigaam.formats import FORMATS
from gigaam.jobs import Job, find_recordings, plan_jobs
from gigaam.listening_options import (
    DecodeLoudGaps,
    MaxPause,
    Segmenting,
    listening_arguments,
)
from gigaam.named_models import load_recogniser
from gigaam.printing import (
    FileWriter,
    Printer,
    choose_printer,
    complain,
    print_lines,
    reason,
    to_json,
)
from gigaam.progress import ProgressDisplay, progress_display
from gigaam.training_command import train_model
from gigaam.transcription import Transcription

if TYPE_CHECKING:
    from gigaam.recognition import SpeechRecognition

EXAMPLE = Path(__file__).parent / "assets" / "example.wav"
"""The recording that comes with the package."""

_DEFAULT_MODEL = "rnnt"

app = typer.Typer(
    help="Speech recognition with GigaAM models.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: runs the command line and exits."""
    for stream, on_unencodable in ((sys.stdout, "surrogateescape"), (sys.stderr, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            # Results are data: piped into a file they must not depend on the terminal's locale.
            stream.reconfigure(encoding="utf-8", errors=on_unencodable)
    warnings.showwarning = _show_warning
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gigaam {gigaam.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Speech recognition with GigaAM models."""


@app.command()
def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Recordings and videos in any format that FFmpeg reads, directories of them, "
            "patterns such as 'calls/**/*.mp3', or - for the standard input.",
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Name (see 'gigaam models'), .ckpt file or directory of a model.")
    ] = _DEFAULT_MODEL,
    onnx: Annotated[
        Path | None,
        typer.Option(
            help="Directory of an exported model (DIRECTORY/NAME if it holds several), to run it "
            "without torch."
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help=f"{', '.join(FORMATS)}: one to print, or several for --output-dir, with commas.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Write a file per recording and format here. [format: txt]"),
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
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings per pass of the encoder.")] = 8,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1. [default: cuda if any]")
    ] = None,
) -> None:
    """Turn recordings of any length into text, subtitles or JSON.

    Without --output-dir results are printed: the text of one recording stands alone, of several
    each after its path and a tab. A recording that fails does not stop the others; what failed and
    why is listed on stderr at the end.
    """
    listening = listening_arguments(vad, channels, track, segments, max_pause, decode_loud_gaps)
    names = _format_names(formats, output_dir, as_json or word_timestamps)
    try:
        jobs = plan_jobs(find_recordings(files), output_dir, names)
    except ArgumentError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from error
    todo = [job for job in jobs if not (skip_existing and job.is_done)]
    if not todo:
        complain(f"nothing to do: the files of {len(jobs)} recordings are there")
        return
    printer: Printer = FileWriter(names)
    if output_dir is None:
        printer = choose_printer(names, as_json, word_timestamps, with_path=len(jobs) > 1)
    transcription = Transcription(
        _loaded(model, onnx, device),
        word_timestamps=word_timestamps or printer.needs_times,
        batch_size=batch_size,
        longform=listening,
    )
    # Where results appear on the terminal, they themselves show the progress.
    hidden = output_dir is None and sys.stdout.isatty()
    with progress_display(len(todo), hidden) as display:
        failures = _run(transcription, todo, printer, display)
    for path, failure in failures:
        complain(reason(path, failure))
    if failures and len(todo) > 1:
        complain(f"{len(failures)} of {len(todo)} recordings failed")
    if output_dir is not None:
        complain(display.summary())
    if failures:
        raise typer.Exit(1)


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(help="Name (see 'gigaam models'), .ckpt file or directory of a model.")
    ],
    directory: Annotated[Path, typer.Argument(help="Where the ONNX files go.")],
    dtype: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(help="Precision of the encoder: int8 is for CPUs, float16 for GPUs."),
    ] = "float32",
    external_data: Annotated[
        bool | None,
        typer.Option(help="Whether weights lie beside the graphs. [default: if over 1.5 GB]"),
    ] = None,
    layout: Annotated[
        Literal["gigaam", "onnx-asr", "sherpa-onnx"],
        typer.Option(help="Whose files: this library's, or those that another engine opens."),
    ] = "gigaam",
) -> None:
    """Export a model to ONNX and print the files."""
    try:
        loaded = gigaam.load_model(model, device="cpu")
        from gigaam.onnx.export import export as export_model

        written = export_model(
            loaded, directory, external_data=external_data, dtype=dtype, layout=layout
        )
        print_lines(map(str, written))
    except (GigaAMError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error


app.command("eval")(evaluate_model)
app.command("train")(train_model)


@app.command()
def models(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per model.")
    ] = False,
) -> None:
    """List the models: name, line, task, parameters, size, cached or not."""
    infos = registry.MODELS.values()
    if as_json:
        print_lines(to_json(_model_fields(info)) for info in infos)
    else:
        header = ("NAME", "ALIAS", "LINE", "TASK", "PARAMETERS", "SIZE", "CACHED")
        print_lines(_aligned([header, *(_model_row(info) for info in infos)]))


@app.command("download")
def download_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="See 'gigaam models'.")],
) -> None:
    """Download models into the cache and print where they are."""
    try:
        infos = [registry.resolve(name) for name in names]
    except UnknownModelError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from error
    from gigaam import download

    failed = False
    for info in infos:
        try:
            print_lines([str(download.fetch(info.name))])
        except (GigaAMError, OSError) as error:
            complain(f"{info.name}: {error}")
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def example() -> None:
    """Print the path of the recording that comes with the package."""
    print_lines([str(EXAMPLE)])


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


def _format_names(formats: str | None, output_dir: Path | None, printed: bool) -> list[str]:
    """The formats that were asked for; none if texts are to be printed."""
    names = [name.strip().lower() for name in formats.split(",")] if formats else []
    if unknown := [name for name in names if name not in FORMATS]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is not one of {', '.join(FORMATS)}", param_hint="--format"
        )
    if output_dir is not None:
        if printed and not names:
            raise typer.BadParameter("--json and --word-timestamps print: here it is --format json")
        return list(dict.fromkeys(names)) or ["txt"]
    if len(names) > 1:
        raise typer.BadParameter("several formats need --output-dir", param_hint="--format")
    if names and printed:
        raise typer.BadParameter("does not go with --json or --word-timestamps on the terminal")
    return names


def _loaded(model: str, onnx: Path | None, device: str | None) -> SpeechRecognition:
    """The recogniser to work with; one that cannot be loaded ends the command."""
    try:
        return load_recogniser(model, onnx, device, "--model")
    except (GigaAMError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error


def _model_fields(info: registry.ModelInfo) -> dict[str, Any]:
    from gigaam import download  # its lock takes 30 ms to import: not for those who transcribe

    path = download.cached_path(info.name)
    return {
        "name": info.name,
        "aliases": list(registry.aliases(info.name)),
        "line": info.line,
        "task": info.task,
        "parameters": info.parameters,
        "size_bytes": info.size_bytes,
        "languages": list(info.languages),
        "licence": info.licence,
        "cached": path is not None,
        "path": None if path is None else str(path),
    }


def _model_row(info: registry.ModelInfo) -> tuple[str, ...]:
    from gigaam import download

    millions = "-" if info.parameters is None else f"{info.parameters / 1e6:.1f}M"
    megabytes = "-" if info.size_bytes is None else f"{info.size_bytes / 1e6:.0f} MB"
    cached = "packaged" if info.is_packaged else "yes" if download.cached_path(info.name) else "no"
    alias = ", ".join(registry.aliases(info.name)) or "-"
    return info.name, alias, info.line, info.task, millions, megabytes, cached


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines whose columns start at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints a warning for a person: what happened, not the line of code that said so."""
    print(f"gigaam: warning: {message}", file=file or sys.stderr)
