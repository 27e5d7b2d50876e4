"""What a command line says about the speech in recordings, checked."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from gigaam.cli.command_options import choices, refuse
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.longform import Channels
from gigaam.recognition.longform_arguments import LongformArguments
from gigaam.recognition.phrases import DEFAULT_MAX_PAUSE_S, Segments, pause_limit_s

__all__ = [
    "ChannelMix",
    "DecodeLoudGaps",
    "Detector",
    "MaxPause",
    "Segmenting",
    "Track",
    "listening_arguments",
]

_Detector: TypeAlias = Literal["auto", "silero", "pyannote", "none"]

Detector = Annotated[
    _Detector,
    typer.Option(
        metavar=choices(_Detector), help="What finds the speech in recordings over 30 seconds."
    ),
]
ChannelMix = Annotated[
    Channels,
    typer.Option(metavar=choices(Channels), help="Take all channels as one, or each by itself."),
]
Track = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Which audio track of each file, from 0. [default: the one that ffmpeg takes]",
    ),
]

Segmenting = Annotated[
    Segments | None,
    typer.Option(
        metavar=choices(Segments),
        help="Segments as recordings are cut, or phrases, which end at pauses. [default: phrases "
        "with --channels split, else chunks]",
    ),
]
MaxPause = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help=f"The pause that ends a phrase. [default: {DEFAULT_MAX_PAUSE_S:g}]",
        show_default=False,
    ),
]
DecodeLoudGaps = Annotated[
    bool,
    typer.Option(
        help="Whether to recognise long, loud stretches in which --vad finds no speech: they may "
        "be speech all the same, or noise."
    ),
]


def listening_arguments(
    vad: _Detector,
    channels: Channels,
    track: int | None,
    segments: Segments | None,
    max_pause: float | None,
    decode_loud_gaps: bool,
) -> LongformArguments:
    """The arguments of recognition that the options stand for."""
    try:
        pause_limit_s(segments, max_pause, channels == "split")
    except ArgumentError as error:
        reason = "needs --segments phrases (or --channels split)"
        is_alone = max_pause is not None and max_pause > 0
        refuse("--max-pause", reason if is_alone else str(error))
    arguments: LongformArguments = {
        "vad": vad,
        "channels": channels,
        "track": track,
        "segments": segments,
        "max_pause": max_pause,
    }
    if not decode_loud_gaps:
        if vad == "none":
            refuse(
                "--no-decode-loud-gaps",
                "does not go with --vad none, for which everything is speech",
            )
        arguments["chunking"] = ChunkingOptions(decode_loud_gaps=False)
    return arguments
