"""The ``gigaam`` command: transcribe recordings, evaluate, list models, download them.

Results go to stdout, in UTF-8 whatever the locale; progress, warnings and errors go to stderr.
Exit codes: 0; 1 if anything failed, with the rest done; 2 for a wrong command line, before anything
is done; 3 for a bulk run that is complete, but in which recordings failed; 130 after
Ctrl-C. Every message starts with "gigaam: ".
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, TextIO

import typer

import gigaam
from gigaam.cli.bulk import bulk
from gigaam.cli.command_group import Command, CommandGroup
from gigaam.cli.diarize import diarize_recordings
from gigaam.cli.evaluate import evaluate_model
from gigaam.cli.export import export_model
from gigaam.cli.language_model import train_language_model
from gigaam.cli.live import live
from gigaam.cli.models import download_models, list_models
from gigaam.cli.printing import print_lines
from gigaam.cli.serve import serve
from gigaam.cli.standard_streams import prepare_streams
from gigaam.cli.train import train_model
from gigaam.cli.transcribe import transcribe
from gigaam.example_recording import EXAMPLE

app = typer.Typer(
    cls=CommandGroup,
    help="Speech recognition with GigaAM models.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: runs the command line and exits."""
    prepare_streams()
    _let_idle_threads_sleep()
    warnings.showwarning = _show_warning
    app()


def _let_idle_threads_sleep() -> None:
    """Keeps threads that wait for work from taking the cores of other processes meanwhile.

    OpenMP reads this when torch is loaded. Whoever sets one of these variables decides.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
        os.environ["OMP_WAIT_POLICY"] = "passive"


def _print_version(wanted: bool) -> None:
    if wanted:
        print_lines([f"gigaam {gigaam.__version__}"])
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


app.command("transcribe", cls=Command)(transcribe)
app.command("diarize", cls=Command)(diarize_recordings)
app.command("live", cls=Command)(live)
app.command("serve", cls=Command, context_settings={"auto_envvar_prefix": "GIGAAM_SERVE"})(serve)
app.command("export", cls=Command)(export_model)
app.add_typer(bulk, name="bulk")
app.command("eval", cls=Command)(evaluate_model)
app.command("train", cls=Command)(train_model)
app.command("lm", cls=Command)(train_language_model)
app.command("models", cls=Command)(list_models)
app.command("download", cls=Command)(download_models)


@app.command("example", cls=Command)
def example() -> None:
    """Print the path of the recording that comes with the package."""
    print_lines([str(EXAMPLE)])


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
