"""The ``gigaam`` command: transcribe recordings, list models, download them.

Results go to stdout, in UTF-8 whatever the locale; progress, warnings and errors go to stderr.
Exit codes: 0; 1 if anything failed, with the rest done; 2 for a wrong command line.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

import gigaam
from gigaam import download, registry
from gigaam.errors import GigaAMError, UnknownModelError

if TYPE_CHECKING:
    from gigaam.model import GigaAMASR
    from gigaam.types import TranscriptionResult

EXAMPLE = Path(__file__).parent / "assets" / "example.wav"
"""The recording that comes with the package."""

_DEFAULT_MODEL = "rnnt"
_RECOGNITION_TASKS = ("ctc", "rnnt")
_WINDOW_BATCHES = 8  # batches handed to the model at once: enough to sort recordings by length

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
        list[Path],
        typer.Argument(metavar="FILE", help="Recordings in any format that FFmpeg reads."),
    ],
    model: Annotated[
        str, typer.Option(help="Name (see 'gigaam models'), .ckpt file or directory of a model.")
    ] = _DEFAULT_MODEL,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Print each word with its start and end, seconds.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Recordings per pass of the encoder.")] = 8,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1. [default: cuda if any]")
    ] = None,
) -> None:
    """Print the text of recordings.

    The text of one recording stands alone; of several, each after its path and a tab. A recording
    that fails does not stop the others; what failed and why is listed on stderr at the end.
    """
    recogniser = _load_recogniser(model, device)
    show = _json_line if as_json else _word_lines if timestamps else _text_line
    failures: list[tuple[Path, Exception]] = []
    with _progress(len(files)) as advance:
        for window in _windows(files, batch_size):
            results = recogniser.transcribe(
                window, word_timestamps=timestamps, batch_size=batch_size, on_error="return"
            )
            for path, result in zip(window, results, strict=True):
                if isinstance(result, Exception):
                    failures.append((path, result))
                else:
                    _print_lines(show(path, result, len(files) > 1))
            advance(len(window))
    for path, error in failures:
        _complain(_reason(path, error))
    if failures:
        if len(files) > 1:
            _complain(f"{len(failures)} of {len(files)} recordings failed")
        raise typer.Exit(1)


@app.command()
def models(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per model.")
    ] = False,
) -> None:
    """List the models: name, line, task, parameters, size, cached or not."""
    infos = registry.MODELS.values()
    if as_json:
        _print_lines(_to_json(_model_fields(info)) for info in infos)
    else:
        header = ("NAME", "ALIAS", "LINE", "TASK", "PARAMETERS", "SIZE", "CACHED")
        _print_lines(_aligned([header, *(_model_row(info) for info in infos)]))


@app.command("download")
def download_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="See 'gigaam models'.")],
) -> None:
    """Download models into the cache and print where they are."""
    try:
        infos = [registry.resolve(name) for name in names]
    except UnknownModelError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from error
    failed = False
    for info in infos:
        try:
            _print_lines([str(download.fetch(info.name))])
        except (GigaAMError, OSError) as error:
            _complain(f"{info.name}: {error}")
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def example() -> None:
    """Print the path of the recording that comes with the package."""
    _print_lines([str(EXAMPLE)])


def _load_recogniser(model: str, device: str | None) -> GigaAMASR:
    """The model of that name, if it can recognise speech; else the command line is wrong."""
    recognisers = [i.name for i in registry.MODELS.values() if i.task in _RECOGNITION_TASKS]
    no_recogniser = typer.BadParameter(
        f"{model!r} does not recognise speech; these do: {', '.join(recognisers)}",
        param_hint="--model",
    )
    # Asked before anything is downloaded; a file has to be opened to know.
    if registry.is_known(model) and registry.resolve(model).task not in _RECOGNITION_TASKS:
        raise no_recogniser
    try:
        loaded = gigaam.load_model(model, device=device)
    except UnknownModelError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from error
    except (GigaAMError, OSError) as error:
        _complain(str(error))
        raise typer.Exit(1) from error
    if not isinstance(loaded, gigaam.GigaAMASR):
        raise no_recogniser
    return loaded


def _windows(files: Sequence[Path], batch_size: int) -> Iterator[Sequence[Path]]:
    """The files in runs: first a batch, so that results appear early, then ever longer ones."""
    start, size = 0, batch_size
    while start < len(files):
        yield files[start : start + size]
        start, size = start + size, min(2 * size, _WINDOW_BATCHES * batch_size)


def _text_line(path: Path, result: TranscriptionResult, with_path: bool) -> list[str]:
    return [f"{path}\t{result}" if with_path else str(result)]


def _word_lines(path: Path, result: TranscriptionResult, with_path: bool) -> list[str]:
    prefix = f"{path}\t" if with_path else ""
    return [f"{prefix}{w.start:.2f}\t{w.end:.2f}\t{w.text}" for w in result.words or ()]


def _json_line(path: Path, result: TranscriptionResult, with_path: bool) -> list[str]:
    fields: dict[str, Any] = {"path": str(path), "text": result.text}
    fields["confidence"] = result.confidence
    if result.words is not None:
        fields["words"] = [word.to_dict() for word in result.words]
    return [_to_json(fields)]


def _model_fields(info: registry.ModelInfo) -> dict[str, Any]:
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


def _to_json(fields: dict[str, Any]) -> str:
    """One line of JSON that is valid UTF-8 even where a path is not: such bytes stay escaped."""
    line = json.dumps(fields, ensure_ascii=False)
    return line.encode("utf-8", "backslashreplace").decode()


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _complain(message: str) -> None:
    print(f"gigaam: {message}", file=sys.stderr)


def _reason(path: Path, error: Exception) -> str:
    """Why a recording failed, with its path once; what we did not foresee names its kind too."""
    message = str(error) if isinstance(error, GigaAMError) else f"{type(error).__name__}: {error}"
    return message if str(path) in message else f"{path}: {message}"


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


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on a terminal's stderr while results go elsewhere; yields what advances it.

    Where stdout is the terminal too the results themselves show the progress.
    """
    if total == 1 or not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,  # rich would print the results on its own console
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
