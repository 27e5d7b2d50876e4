"""Options that several commands have, and how much a command says."""

from __future__ import annotations

import warnings
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gigaam import registry

__all__ = [
    "BatchSize",
    "Device",
    "Onnx",
    "Quiet",
    "Talk",
    "Verbose",
    "complete_formats",
    "complete_models",
    "model_argument",
    "refuse",
    "talk",
]


def complete_models(incomplete: str) -> list[str]:
    """The models' names that begin so, for the shell."""
    names = [*registry.MODELS, *registry.ALIASES]
    return [name for name in names if name.startswith(incomplete)]


def complete_formats(incomplete: str) -> list[str]:
    """The formats that begin so, also after others and a comma, for the shell."""
    from gigaam.formats import FORMATS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in FORMATS if name.startswith(last)]


_MODEL_HELP = "Name (see 'gigaam models'), .ckpt file or directory of a model."


def model_argument() -> Any:
    """The argument that names a model."""
    return typer.Argument(help=_MODEL_HELP, autocompletion=complete_models, show_default=False)


Onnx = Annotated[
    Path | None,
    typer.Option(
        help="Directory of an exported model (DIRECTORY/NAME if it holds several), to run it "
        "without torch, in place of another model."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where to compute: cpu, cuda, cuda:1. [default: cuda if any; with --onnx, cpu]"
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Recordings per pass of the encoder.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but what failed: no progress, no warning")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more: what runs where, and where it failed.")
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
