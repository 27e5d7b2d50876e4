"""What a command line says about the search for words, checked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gigaam.cli.command_options import refuse
from gigaam.decoding import DecodingOptions
from gigaam.decoding.hotwords import Phrase, read_hotwords
from gigaam.errors import ArgumentError, GigaAMError

__all__ = [
    "LM",
    "BeamSize",
    "Hotword",
    "HotwordFile",
    "HotwordWeight",
    "Inflect",
    "LMWeight",
    "WordBonus",
    "described",
    "search_options",
]

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
LM = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A language model: 'packaged' for the one that comes with gigaam, a file of "
        "'gigaam lm', an ARPA or a KenLM file.",
    ),
]
LMWeight = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="How much the language model counts. [default: 0.5]",
        show_default=False,
    ),
]
WordBonus = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="What each word gains beside the language model, which prefers few. [default: 0.5]",
        show_default=False,
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Hypotheses kept in the search. [default: 1; 8 with hotwords or --lm; 16 for CTC "
        "models with --lm]",
        show_default=False,
    ),
]


def search_options(
    hotword: list[str] | None,
    hotwords: Path | None,
    hotword_weight: float | None,
    inflect: bool,
    lm: str | None,
    lm_weight: float | None,
    word_bonus: float | None,
    beam_size: int | None,
) -> DecodingOptions | None:
    """How to search, or None for the model's own way; what it needs is there."""
    phrases = _phrases(hotword, hotwords)
    for option, given, needed, there in (
        ("--hotword-weight", hotword_weight is not None, "--hotword or --hotwords", phrases),
        ("--inflect", inflect, "--hotword or --hotwords", phrases),
        ("--lm-weight", lm_weight is not None, "--lm", lm),
        ("--word-bonus", word_bonus is not None, "--lm", lm),
    ):
        if given and there is None:
            refuse(option, f"means nothing without {needed}")
    if inflect:
        _check_dictionary()
    if lm is not None:
        _check_language_model(lm)
    if phrases is None and lm is None and beam_size is None:
        return None
    try:
        return DecodingOptions(
            beam_size=beam_size,
            lm=lm,
            lm_weight=lm_weight,
            word_bonus=word_bonus,
            hotwords=phrases,
            hotword_weight=hotword_weight,
            inflect=inflect,
        )
    except ArgumentError as error:  # its message begins with the name of what is wrong
        name, _, why = str(error).partition(" ")
        refuse(f"--{name.replace('_', '-')}", why)


def described(decoding: DecodingOptions | None) -> dict[str, Any]:
    """What was asked for, for a report; hotwords with their weights."""
    if decoding is None:
        return {}
    told = {
        each.name: getattr(decoding, each.name)
        for each in fields(decoding)
        if getattr(decoding, each.name) != each.default
    }
    if "hotwords" in told:
        told["hotwords"] = {each.text: each.weight for each in decoding.phrases}
    return told


def _phrases(hotword: list[str] | None, hotwords: Path | None) -> list[Phrase] | None:
    """Those of both options, or None where neither is given."""
    if not all(each.strip() for each in hotword or ()):
        refuse("--hotword", "is blank")
    if not hotword and hotwords is None:
        return None
    listed: tuple[Phrase, ...] = ()
    if hotwords is not None:
        try:
            listed = read_hotwords(hotwords)
        except ArgumentError as error:
            refuse("--hotwords", str(error))
        if not listed:
            refuse("--hotwords", f"there are no phrases in {hotwords}")
    try:
        return [*listed, *read_hotwords(hotword or ())]
    except ArgumentError as error:
        refuse("--hotword", str(error))


def _check_dictionary() -> None:
    from gigaam.decoding.word_forms import Dictionary

    try:
        Dictionary()
    except GigaAMError as error:
        refuse("--inflect", str(error))


def _check_language_model(lm: str) -> None:
    """Opens it, which the search finds done."""
    from gigaam.ngrams import shared

    try:
        shared(lm)
    except (GigaAMError, OSError) as error:
        refuse("--lm", str(error))
