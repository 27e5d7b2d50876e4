"""``gigaam bulk export`` and ``gigaam bulk report``: what came of a bulk run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gigaam.cli.command_options import Quiet, refuse
from gigaam.cli.completion import complete_formats
from gigaam.cli.printing import check_stdout, complain, print_lines
from gigaam.cli.progress import progress_display
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.output.formats import FORMATS
from gigaam.output.whole_file import write_whole
from gigaam.quoting import counted, said

if TYPE_CHECKING:
    from gigaam.bulk.exporting import ExportResult
    from gigaam.bulk.reporting import BulkReport

__all__ = ["export_results", "report_results"]

_Out = Annotated[
    str,
    typer.Argument(
        metavar="OUT", help="Directory of the run's results, or its address in a store."
    ),
]


def export_results(
    out: _Out,
    output_dir: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Write a file per recording and format here; also an address: s3://bucket/texts.",
        ),
    ],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAMES",
            help=f"{', '.join(FORMATS)}: one or several, with commas.",
            autocompletion=complete_formats,
        ),
    ] = "txt",
    quiet: Quiet = False,
) -> None:
    """Write the results of a bulk run into files: txt, srt, vtt, json, tsv.

    They are called as recordings are. Recordings that failed in the run have none; how many they
    are is told on stderr. The exit code is 1 if a result could not be written.
    """
    names = _formats(formats)
    from gigaam.bulk.exporting import export
    from gigaam.bulk.results import read_run

    _check_place(out)
    try:
        n_entries = read_run(out)[1].n_entries
        with progress_display(n_entries, hidden=quiet) as display:
            result = export(out, names, output_dir, on_done=lambda row: display.finish(0.0))
    except ArgumentError as error:
        refuse("--output-dir", str(error))
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    if not quiet:
        _tell(result, out)
    for id, why in result.unwritable:
        complain(f"{id}: {why}")
    if (more := result.n_unwritable - len(result.unwritable)) > 0:
        complain(f"{more:,} more could not be written")
    if result.n_unwritable:
        raise typer.Exit(1)


def report_results(
    out: _Out,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write an HTML report instead of printing."),
    ] = None,
    lowest: Annotated[
        int, typer.Option(metavar="N", min=0, help="List the N recordings of lowest confidence.")
    ] = 20,
) -> None:
    """Tell what came of a bulk run: hours, speed, failures, warnings, what to look at.

    A run that is not finished is reported as far as it is done.
    """
    if as_json and html_file is not None:
        refuse("--html", "does not go with --json")
    if html_file is None:
        check_stdout()
    from gigaam.bulk.reporting import report

    _check_place(out)
    try:
        found = report(out, lowest=lowest)
        if html_file is not None:
            _write_page(html_file, found)
    except (GigaAMError, OSError) as error:
        complain(said(error))
        raise typer.Exit(1) from error
    if as_json:
        content = json.dumps(found.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        print_lines([content.encode("utf-8", "backslashreplace").decode()])
    elif html_file is None:
        print_lines(found.to_text().splitlines())


def _formats(formats: str) -> list[str]:
    names = [name.strip().lower() for name in formats.split(",")]
    for name in names:
        if name not in FORMATS:
            refuse("--format", f"{name!r} is not one of {', '.join(FORMATS)}")
    return names


def _check_place(out: str) -> None:
    """Refuses an address of no kind that there is."""
    from gigaam.bulk.places import files_at

    try:
        files_at(out)
    except ArgumentError as error:
        refuse("OUT", str(error))
    except GigaAMError as error:
        complain(said(error))
        raise typer.Exit(1) from error


def _write_page(file: Path, report: BulkReport) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, report.to_html().encode())


def _tell(result: ExportResult, out: str) -> None:
    """Says what was written, and what was not."""
    complain(
        f"{result.output_dir}: {counted(result.n_written, 'file')} of "
        f"{counted(result.n_recordings, 'recording')}"
    )
    if result.n_failed_rows:
        complain(
            f"{counted(result.n_failed_rows, 'recording')} failed in the run, without files here: "
            f"gigaam bulk report {out} tells why"
        )
    if result.n_shards_missing:
        complain(
            f"the run is not finished: left are {counted(result.n_left, 'recording')} of "
            f"{counted(result.n_shards_missing, 'shard')}"
        )
