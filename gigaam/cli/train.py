"""``gigaam train``: fine-tune a model."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gigaam.cli.completion import complete_configuration, complete_override
from gigaam.cli.printing import complain
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.quoting import said

if TYPE_CHECKING:
    from gigaam.training.options import RunOptions

__all__ = ["train_model"]

_INTERRUPTED = 130  # the exit code of programs ended by Ctrl-C


def train_model(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="A YAML file, or fine_tune, new_language, from_nothing or emotion.",
            autocompletion=complete_configuration,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]",
            help="Options, such as model.init=v3_ctc data.train=train.tsv data.dev=dev.tsv "
            "out=my_model training.steps=200. Quote lists: 'data.train=[a.tsv,b.tsv]'.",
            autocompletion=complete_override,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")
    ] = False,
) -> None:
    """Fine-tune a model on the recordings of a manifest; needs the extra "train".

    The folder "out" becomes a model directory, with a card, logs (CSV, TensorBoard) and
    checkpoints. A run that was interrupted, or stopped by Ctrl-C, resumes when the same command is
    given again. All options: docs/fine-tuning.md.
    """
    first = _is_first_process()
    shown = first and not quiet
    command = ["gigaam", "train", config, *(overrides or []), *(["--quiet"] if quiet else [])]
    try:
        with _messages_on_stderr(first, quiet):
            from gigaam.recognition import SpeechRecognition
            from gigaam.training.configuration import read_options
            from gigaam.training.fine_tuning import fine_tune

            try:
                options = read_options(config, overrides or [])
            except ArgumentError as error:
                raise typer.BadParameter(str(error)) from error
            model = fine_tune(options, progress=shown)
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        complain(f"training needs the package {error.name}: pip install '.[train]' in a clone")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        if first:
            complain(f"{str(stop) or 'stopped'}; to resume:\n  {shlex.join(command)}")
        raise typer.Exit(_INTERRUPTED) from stop
    if shown:
        complain(_what_next(options, recognises=isinstance(model, SpeechRecognition)))
    if first:
        typer.echo(options.out)


def _is_first_process() -> bool:
    """Whether this is the one of the processes training together that prints anything."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


class _Stderr(logging.Handler):
    """Shows messages like the command's own, above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a message."""
        kind = "warning: " if record.levelno == logging.WARNING else ""
        complain(kind + record.getMessage())


@contextmanager
def _messages_on_stderr(first: bool, quiet: bool) -> Iterator[None]:
    """Shows the library's log: everything, only warnings or, in other processes, only errors."""
    logger, handler = logging.getLogger("gigaam"), _Stderr()
    previous = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if not first else logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(previous)


def _what_next(options: RunOptions, recognises: bool) -> str:
    """Commands to continue with after a run."""
    commands = [["gigaam", "eval", options.out, "test.tsv"]]
    if recognises:
        commands.insert(0, ["gigaam", "transcribe", "--model", options.out, "FILE"])
    lines = [f"{options.out} is ready; its card is {options.out}/README.md. Next:"]
    return "\n  ".join([*lines, *(shlex.join(command) for command in commands)])
