"""``gigaam train``: fine-tune a model."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from gigaam.errors import GigaAMError
from gigaam.printing import complain

__all__ = ["train_model"]


def train_model(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="A YAML file, or fine_tune, new_language, from_nothing or emotion.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Options, such as model.init=v3_ctc data.train=[train.tsv] out=my_model.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Fine-tune a model on the recordings of a manifest; needs the extra "train".

    The folder "out" is then a model directory, with a card, logs (CSV, TensorBoard) and
    checkpoints. A run that was cut short goes on when the same command is given again.
    """
    from gigaam.training.configuration import read_options
    from gigaam.training.fine_tuning import fine_tune

    logging.basicConfig(format="%(message)s")
    logging.getLogger("gigaam").setLevel(logging.WARNING if quiet else logging.INFO)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it talks of itself
    try:
        options = read_options(config, overrides or [])
        fine_tune(options, progress=not quiet)
    except (GigaAMError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error
    typer.echo(options.out)
