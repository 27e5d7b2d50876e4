"""What a command line says about the speech in recordings, checked."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from gigaam.chunking import ChunkingOptions
from gigaam.errors import ArgumentError
from gigaam.longform import Channels
from gigaam.phrases import DEFAULT_MAX_PAUSE_S, Segments, pause_limit_s
from gigaam.transcription import ListeningArguments

__all__ = ["DecodeLoudGaps", "MaxPause", "Segmenting", "listening_arguments"]

Segmenting = Annotated[
    Segments | None,
    typer.Option(
        help="Segments as recordings are cut, or phrases, which end at pauses. [default: phrases "
        "with --channels split, else chunks]"
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
        help="Whether what is long and loud, but no speech to --vad, is recognised too: it may be "
        "speech all the same, or noise."
    ),
]


def listening_arguments(
    vad: Literal["auto", "silero", "pyannote", "none"],
    channels: Channels,
    track: int | None,
    segments: Segments | None,
    max_pause: float | None,
    decode_loud_gaps: bool,
) -> ListeningArguments:
    """The arguments of recognition that the options stand for."""
    try:
        pause_limit_s(segments, max_pause, channels == "split")
    except ArgumentError as error:
        reason = "needs --segments phrases (or --channels split)"
        is_alone = max_pause is not None and max_pause > 0
        raise typer.BadParameter(
            reason if is_alone else str(error), param_hint="--max-pause"
        ) from error
    arguments: ListeningArguments = {
        "vad": vad,
        "channels": channels,
        "track": track,
        "segments": segments,
        "max_pause": max_pause,
    }
    if not decode_loud_gaps:
        if vad == "none":
            raise typer.BadParameter(
                "does not go with --vad none, for which everything is speech",
                param_hint="--no-decode-loud-gaps",
            )
        arguments["chunking"] = ChunkingOptions(decode_loud_gaps=False)
    return arguments
