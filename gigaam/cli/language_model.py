"""``gigaam lm``: an n-gram language model from texts."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gigaam.cli.command_options import Quiet, refuse
from gigaam.cli.completion import complete_models
from gigaam.cli.printing import complain, print_lines
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.quoting import said
from gigaam.store import registry

__all__ = ["train_language_model"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def train_language_model(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Files with a sentence a line, plain, .gz, .xz or .bz2; - for the standard input.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="OUT", help="The model's file; one named .arpa becomes ARPA."
        ),
    ],
    order: Annotated[
        int, typer.Option(metavar="N", min=1, max=6, help="Words of the longest n-grams.")
    ] = 3,
    prune: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS|COUNTS",
            help="What is left out: n-grams that raise perplexity by less than a share (1e-8), or "
            "those that are there at most so often, by order (0,0,1).",
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Leave out what makes the file larger: 10MB."),
    ] = None,
    vocabulary_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the N most frequent words.")
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Text to measure perplexity on. [default: every 200th line, not trained on]",
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Count the pieces that this model spells with instead of words: a name such as "
            "v3_e2e_rnnt, a model's directory, or a SentencePiece file.",
            autocompletion=complete_models,
        ),
    ] = None,
    quantize: Annotated[
        bool, typer.Option(help="Whether logarithms are one byte each, or float32.")
    ] = True,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory to sort n-grams in.")
    ] = "512MB",
    quiet: Quiet = False,
) -> None:
    """Train a language model on texts: modified Kneser-Ney, in the file of a mapped model."""
    pruned = None if prune is None else _pruning(prune)
    limit = None if max_size is None else _bytes("--max-size", max_size)
    pieces = _tokenizer(tokenizer)
    from gigaam.ngrams import train

    try:
        card = train(
            texts,
            out,
            order=order,
            prune=pruned,
            max_size=limit,
            vocabulary_size=vocabulary_size,
            held_out=held_out or (),
            tokenizer=pieces,
            quantized=quantize,
            memory=_bytes("--memory", memory),
            report=None if quiet or not sys.stderr.isatty() else complain,
        )
    except ArgumentError as error:
        name, _, why = str(error).partition(" ")
        if name in ("order", "prune", "max_size", "vocabulary_size", "memory"):
            refuse(f"--{name.replace('_', '-')}", why)
        raise typer.BadParameter(str(error)) from error
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    if not quiet:
        complain(_summary(card))
    print_lines([str(out)])


def _tokenizer(model: str | None) -> Any:
    """The tokenizer of a model with pieces; one that has none ends the command."""
    if model is None:
        return None
    from gigaam.decoding.tokenizer import SentencePieceTokenizer

    try:
        path = _tokenizer_file(model)
        if path is None:
            refuse("--tokenizer", f"{model} has no pieces: a language model of words goes with it")
        return SentencePieceTokenizer(path)
    except GigaAMError as error:
        refuse("--tokenizer", str(error))


def _tokenizer_file(model: str) -> Path | None:
    path = Path(model)
    if path.is_dir():
        return next(iter(sorted(path.glob("*tokenizer.model"))), None)
    if path.exists() or not registry.is_known(model):
        return path
    from gigaam.store.download import fetch_tokenizer

    return fetch_tokenizer(registry.resolve(model))


def _pruning(text: str) -> float | Sequence[int]:
    parts = text.replace(",", " ").split()
    try:
        if len(parts) == 1 and parts[0] != "0":
            return float(parts[0])
        return [int(part) for part in parts]
    except ValueError:
        refuse("--prune", f"'{text}' is neither a number such as 1e-8 nor counts such as 0,0,1")


def _bytes(option: str, text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        refuse(option, f"'{text}' is no size such as 10MB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _summary(card: dict[str, Any]) -> str:
    """What was trained on what, in a line."""
    sizes = " + ".join(f"{count:,}" for count in card["ngrams"])
    told = f"{sizes} n-grams of {card['words']:,} words in {card['sentences']:,} sentences"
    if (held_out := card.get("held_out")) and held_out["perplexity"] is not None:
        unknown = held_out["unknown_words"] / max(held_out["words"], 1)
        told += f"; perplexity {held_out['perplexity']:.1f} on {held_out['sentences']:,} sentences "
        told += f"held out, {unknown:.1%} of their words unknown"
    return told
