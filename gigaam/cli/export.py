"""``gigaam export``: a model as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from gigaam.cli.command_options import Quiet, Verbose, choices, model_argument, refuse, talk
from gigaam.cli.named_models import EXPORT, NamedModel
from gigaam.cli.printing import complain, print_lines
from gigaam.errors import GigaAMError
from gigaam.quoting import said

__all__ = ["export_model"]

_Dtype: TypeAlias = Literal["float32", "float16", "int8"]
_Layout: TypeAlias = Literal["gigaam", "onnx-asr", "sherpa-onnx"]


_SPEAKERS = "speakers"
_PLAIN = ("float32", None, "gigaam")


def _export_speakers(directory: Path, is_plain: bool) -> None:
    if not is_plain:
        refuse("MODEL", f"{_SPEAKERS} goes with no --dtype, --external-data or --layout")
    from gigaam.speakers.graphs import check_torch

    try:
        check_torch()
        from gigaam.speakers.export import export

        print_lines(map(str, export(directory)))
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error


def export_model(
    context: typer.Context,
    model: Annotated[str, model_argument()],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Where the ONNX files go.")
    ],
    dtype: Annotated[
        _Dtype,
        typer.Option(
            metavar=choices(_Dtype),
            help="Precision of the encoder: int8 is for CPUs, float16 for GPUs.",
        ),
    ] = "float32",
    external_data: Annotated[
        bool | None,
        typer.Option(help="Whether weights lie beside the graphs. [default: if over 1.5 GB]"),
    ] = None,
    layout: Annotated[
        _Layout,
        typer.Option(
            metavar=choices(_Layout),
            help="Whose files: this library's, or those that another engine opens.",
        ),
    ] = "gigaam",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Export a model to ONNX and print the files.

    MODEL may be "speakers": the nets that tell speakers apart.
    """
    if model == _SPEAKERS:
        _export_speakers(directory, is_plain=(dtype, external_data, layout) == _PLAIN)
        return
    named = NamedModel(EXPORT, model, device="cpu", how_much=talk(context, quiet, verbose))
    try:
        loaded = named.load()
        from gigaam.onnx.export import export

        written = export(loaded, directory, external_data=external_data, dtype=dtype, layout=layout)
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    print_lines(map(str, written))
