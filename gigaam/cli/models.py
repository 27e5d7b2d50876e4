"""``gigaam models`` and ``gigaam download``: which models there are, and having them here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from gigaam.cli.command_options import Quiet, refuse
from gigaam.cli.completion import complete_models
from gigaam.cli.printing import complain, print_lines, to_json
from gigaam.errors import GigaAMError, UnknownModelError
from gigaam.quoting import said
from gigaam.store import registry

__all__ = ["download_models", "list_models"]


def list_models(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per model.")
    ] = False,
) -> None:
    """List the models: name, line, task, parameters, size, cached or not."""
    infos = registry.MODELS.values()
    if as_json:
        print_lines(to_json(_fields(info)) for info in infos)
    else:
        header = ("NAME", "ALIAS", "LINE", "TASK", "PARAMETERS", "SIZE", "CACHED")
        print_lines(_aligned([header, *(_row(info) for info in infos)]))


def download_models(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="See 'gigaam models'.", autocompletion=complete_models),
    ],
    quiet: Quiet = False,
) -> None:
    """Download models into the cache and print where they are."""
    try:
        infos = [registry.resolve(name) for name in names]
    except UnknownModelError as error:
        refuse("NAME", str(error))
    from gigaam.store import download

    failed = False
    for info in infos:
        try:
            print_lines([str(download.fetch(info.name, progress=False if quiet else None))])
        except BrokenPipeError:  # nobody reads any more
            raise
        except (GigaAMError, OSError) as error:
            complain(f"{info.name}: {said(error)}")
            failed = True
    if failed:
        raise typer.Exit(1)


def _fields(info: registry.ModelInfo) -> dict[str, Any]:
    from gigaam.store import (
        download,  # its lock takes 30 ms to import: not for those who transcribe
    )

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


def _row(info: registry.ModelInfo) -> tuple[str, ...]:
    from gigaam.store import download

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
