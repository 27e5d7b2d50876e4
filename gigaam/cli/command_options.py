"""Options that several commands have, and how much a command says."""

from __future__ import annotations

import warnings
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import typer

from gigaam.cli.completion import complete_models

__all__ = [
    "BatchSize",
    "Device",
    "Onnx",
    "Quiet",
    "Talk",
    "Verbose",
    "choices",
    "model_argument",
    "refuse",
    "talk",
]


_MODEL_HELP = "Name (see 'gigaam models'), .ckpt file or directory of a model."


def model_argument() -> Any:
    """The argument that names a model."""
    return typer.Argument(metavar="MODEL", help=_MODEL_HELP, autocompletion=complete_models)


def choices(literal: Any) -> str:
    """What the help shows for one of some words."""
    return "|".join(get_args(literal))


Onnx = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory of an exported model (DIR/NAME if it holds several), to run it "
        "without torch, in place of another model.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Where to compute: cpu, cuda, cuda:1. [default: cuda if any; cpu for exported models]",
    ),
]
BatchSize = Annotated[
    int, typer.Option(metavar="N", min=1, help="Recordings per pass of the encoder.")
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only errors: no progress and no warnings."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the device in use, and tracebacks of errors.")
]


class Talk(IntEnum):
    """How much a command says on stderr."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def talk(context: typer.Context, quiet: bool, verbose: bool) -> Talk:
    """What the two options say together; for the quiet, warnings are off to the command's end."""
    if quiet and verbose:
        refuse("--quiet", "does not go with --verbose")
    if quiet:
        context.with_resource(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        return Talk.QUIET
    return Talk.VERBOSE if verbose else Talk.NORMAL


def refuse(option: str, why: str) -> NoReturn:
    """Ends the command: the option cannot be honoured."""
    raise typer.BadParameter(why, param_hint=option)
