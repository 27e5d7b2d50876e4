"""``gigaam bulk run``: whole archives, resumable, on this machine or on a cluster."""

from __future__ import annotations

import sys
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gigaam.bulk.records import RowFormat
from gigaam.cli.bulk_results import export_results, report_results
from gigaam.cli.command_group import Command, CommandGroup
from gigaam.cli.command_options import (
    BatchSize,
    Device,
    Onnx,
    Quiet,
    Talk,
    Verbose,
    choices,
    refuse,
    talk,
)
from gigaam.cli.completion import complete_models
from gigaam.cli.listening_options import (
    ChannelMix,
    DecodeLoudGaps,
    Detector,
    MaxPause,
    Segmenting,
    Track,
    listening_arguments,
)
from gigaam.cli.named_models import DEFAULT_MODEL, RECOGNITION, NamedModel
from gigaam.cli.printing import complain
from gigaam.cli.search_options import (
    LM,
    BeamSize,
    Hotword,
    HotwordFile,
    HotwordWeight,
    Inflect,
    LMWeight,
    WordBonus,
    search_options,
)
from gigaam.cli.speaker_options import KnownSpeakers, Speakers, speaker_wishes
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.quoting import said

if TYPE_CHECKING:
    from gigaam.bulk import Executor
    from gigaam.bulk.running import BulkRun
    from gigaam.bulk.shard import Retry

__all__ = ["bulk"]

_Where = Literal["local", "ray"]

COMPLETE_WITH_FAILURES = 3

bulk = typer.Typer(
    cls=CommandGroup,
    help="Recognise whole archives, resumable, on this machine or on a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@bulk.command("run", cls=Command)
def run_in_bulk(
    context: typer.Context,
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="A manifest (.tsv, .jsonl of gigaam, NeMo or Lhotse, .parquet, webdataset .tar), "
            "a directory, a pattern, or - for a list on the standard input; also s3://, gs://, "
            "hdfs://, https://.",
        ),
    ],
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help="Directory of the results, or its address in a store."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Name (see 'gigaam models'), .ckpt file or directory of a model, also of an "
            f"exported one. [default: {DEFAULT_MODEL}]",
            autocompletion=complete_models,
        ),
    ] = None,
    onnx: Onnx = None,
    executor: Annotated[
        _Where,
        typer.Option(metavar=choices(_Where), help="Processes of this machine, or a Ray cluster."),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of a running cluster: auto, HOST:PORT or ray://HOST:PORT. [default: a local one]",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|MIN-MAX",
            help="Models at work at once; Ray takes two numbers, too. [default: one a core]",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Threads of each. [default: all cores shared out; 1 with Ray]",
            show_default=False,
        ),
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="GPUs of each of Ray's workers, as 1 or 0.5."),
    ] = None,
    shard_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="About how much sound is in a file of results. [default: 60]",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        RowFormat | None,
        typer.Option(
            metavar=choices(RowFormat),
            help="What the results are written as. [default: parquet]",
            show_default=False,
        ),
    ] = None,
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="all|KINDS",
            help="Try recordings again that failed before: all, or kinds of errors, with commas. "
            "Those that may succeed later, as when a store did not answer, always are.",
        ),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Append what happens as JSON lines; - prints them."),
    ] = None,
    vad: Detector = "auto",
    channels: ChannelMix = "mix",
    track: Track = None,
    segments: Segmenting = None,
    max_pause: MaxPause = None,
    decode_loud_gaps: DecodeLoudGaps = True,
    speakers: Speakers = None,
    known_speaker: KnownSpeakers = None,
    hotword: Hotword = None,
    hotwords: HotwordFile = None,
    hotword_weight: HotwordWeight = None,
    inflect: Inflect = False,
    lm: LM = None,
    lm_weight: LMWeight = None,
    word_bonus: WordBonus = None,
    beam_size: BeamSize = None,
    batch_size: BatchSize = 8,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Recognise all recordings of a manifest into files of rows.

    A recording that fails has a row with its error. Interrupted or killed, the same command goes on
    where it was; with another model, other options or another manifest it refuses. Exit code 3 says
    that all is done, but recordings have failed.
    """
    from gigaam.bulk.running import BulkRun

    listening = listening_arguments(vad, channels, track, segments, max_pause, decode_loud_gaps)
    listening["decoding"] = search_options(
        hotword, hotwords, hotword_weight, inflect, lm, lm_weight, word_bonus, beam_size
    )
    if (wishes := speaker_wishes(speakers, known_speaker)) is not None:
        listening["speakers"], listening["known_speakers"] = wishes.count, wishes.known or None
    how_much = talk(context, quiet, verbose)
    if model is not None and onnx is not None:
        refuse("--model", "does not go with --onnx, which names a model itself")
    name = model or DEFAULT_MODEL
    NamedModel(RECOGNITION, name, onnx, device, option="--model", how_much=how_much).check()
    try:
        run = BulkRun(
            manifest=manifest,
            out=out,
            model=name if onnx is None else str(onnx),
            device=device,
            executor=_executor(executor, ray_address, workers, threads, gpus),
            batch_size=batch_size,
            shard_minutes=shard_minutes,
            format=format,
            retry=_retry(retry),
            listening=listening,
            stdin=sys.stdin.buffer,
        )
    except ArgumentError as error:
        name, _, why = str(error).partition(" ")
        refuse(f"--{name.replace('_', '-')}", why)
    _work(run, events, how_much)


def _work(run: BulkRun, events: str | None, how_much: Talk) -> None:
    """Does it, shows it, and ends the command if something is not as it should be."""
    from gigaam.cli.bulk_progress import EventFile, RunDisplay, summary

    try:
        with ExitStack() as stack:
            takers = [stack.enter_context(RunDisplay(run.executor.called, how_much)).take]
            if events is not None:
                takers.append(stack.enter_context(EventFile(events)).take)
            result = run.work(lambda event: [take(event) for take in takers])
    except KeyboardInterrupt:
        complain("interrupted: the same command goes on from here")
        raise
    except BrokenPipeError:
        raise
    except (GigaAMError, OSError) as error:
        complain(said(error))
        if how_much == Talk.VERBOSE:
            traceback.print_exception(error)
        raise typer.Exit(1) from error
    if how_much != Talk.QUIET:
        complain(summary(result))
    if result.n_shards_with_failures:
        raise typer.Exit(COMPLETE_WITH_FAILURES)


def _executor(
    where: _Where,
    address: str | None,
    workers: str | None,
    threads: int | None,
    gpus: float | None,
) -> Executor:
    crew = _numbers(workers)
    if where == "ray":
        from gigaam.bulk.ray_executor import RayExecutor

        wanted = crew[0] if crew is not None and crew[0] == crew[1] else crew
        return RayExecutor(address, workers=wanted, threads=threads or 1, gpus=gpus or 0.0)
    for option, given in (("--ray-address", address), ("--gpus", gpus)):
        if given is not None:
            refuse(option, "needs --executor ray")
    if crew is not None and crew[0] != crew[1]:
        refuse("--workers", "takes one number, unless --executor is ray")
    from gigaam.bulk.local import LocalExecutor

    return LocalExecutor(crew and crew[0], threads)


def _numbers(workers: str | None) -> tuple[int, int] | None:
    """At least and at most so many; None if nothing is said."""
    if workers is None:
        return None
    parts = workers.split("-")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        refuse("--workers", f"must be N or MIN-MAX, numbers from 1 on, not {workers!r}")
    least, most = int(parts[0]), int(parts[-1])
    if least > most:
        refuse("--workers", f"{least} is more than {most}")
    return least, most


def _retry(retry: str | None) -> Retry:
    from gigaam.bulk.shard import Retry

    if retry is None:
        return Retry()
    kinds = [kind.strip() for kind in retry.split(",") if kind.strip()]
    if not kinds:
        refuse("--retry", "is blank: name kinds of errors, or all")
    return Retry.of(kinds)


bulk.command("export", cls=Command)(export_results)
bulk.command("report", cls=Command)(report_results)
