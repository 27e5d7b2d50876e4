"""What a command line says about the search for words, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigaam.cli.command_options import refuse
from gigaam.decoding import DecodingOptions
from gigaam.decoding.hotwords import read_hotwords
from gigaam.errors import ArgumentError

__all__ = ["BeamSize", "Hotword", "HotwordFile", "HotwordWeight", "Inflect", "search_options"]

Hotword = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PHRASE", help="A name or term to expect; give it again for further ones."
    ),
]
HotwordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A file of them: a phrase per line, optionally with ':weight'."
    ),
]
HotwordWeight = Annotated[
    float | None,
    typer.Option(
        metavar="X", help="How much hotwords are preferred. [default: 1]", show_default=False
    ),
]
Inflect = Annotated[
    bool, typer.Option("--inflect", help="Expect the case forms of Russian hotwords, too.")
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Hypotheses kept in the search. [default: 1; with hotwords 8]",
        show_default=False,
    ),
]


def search_options(
    hotword: list[str] | None,
    hotwords: Path | None,
    hotword_weight: float | None,
    inflect: bool,
    beam_size: int | None,
) -> DecodingOptions | None:
    """How to search, or None for the model's own way."""
    phrases = None
    if not all(each.strip() for each in hotword or ()):
        refuse("--hotword", "is blank")
    if hotword or hotwords is not None:
        try:
            listed = () if hotwords is None else read_hotwords(hotwords)
        except ArgumentError as error:
            refuse("--hotwords", str(error))
        try:
            phrases = [*listed, *read_hotwords(hotword or ())]
        except ArgumentError as error:
            refuse("--hotword", str(error))
    for option, given in (("--hotword-weight", hotword_weight is not None), ("--inflect", inflect)):
        if given and phrases is None:
            refuse(option, "means nothing without --hotword or --hotwords")
    if phrases is None and beam_size is None:
        return None
    try:
        return DecodingOptions(
            beam_size=beam_size, hotwords=phrases, hotword_weight=hotword_weight, inflect=inflect
        )
    except ArgumentError as error:
        refuse("--hotword-weight", str(error))
