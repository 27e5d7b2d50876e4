"""What a command line says about where live sound comes from, checked."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from gigaam.audio.pushed import SAMPLE_FORMATS
from gigaam.audio.resampling import LAYOUTS, RATE_RANGE
from gigaam.cli.command_options import refuse
from gigaam.cli.printing import complain
from gigaam.errors import AudioError, MissingDependencyError
from gigaam.live.microphone import Microphone, microphones
from gigaam.live.reader import Reader
from gigaam.live.sources import Container, LiveSource, RawSound, SoundFormat

__all__ = [
    "InputChannels",
    "InputOptions",
    "ListMicrophones",
    "MicrophoneName",
    "Rate",
    "Raw",
    "microphone_lines",
]

MicrophoneName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|NUMBER",
        help="Record from this microphone; 'default' is the system's choice. [default: that one, "
        "if nothing is piped in]",
        show_default=False,
    ),
]
ListMicrophones = Annotated[
    bool, typer.Option("--list-microphones", help="Print the microphones, and do nothing else.")
]
Raw = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="The standard input is PCM without a header: s16le, mulaw and others by FFmpeg's "
        "names. [default: it is a file or stream with a header]",
        show_default=False,
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(
        metavar="HZ",
        min=RATE_RANGE[0],
        max=RATE_RANGE[1],
        help="Samples per second of raw sound or a microphone. [default: 16000, or the "
        "microphone's own]",
        show_default=False,
    ),
]
InputChannels = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=len(LAYOUTS),
        help="Channels of raw sound or a microphone. [default: 1]",
        show_default=False,
    ),
]

_PIPE_PIECES = 100  # of 0.1 s; then whoever writes into the pipe has to wait
_MICROPHONE_PIECES = 6_000  # nobody waits there: after ten minutes sound would be lost
_GRACE_S = 0.5  # Ctrl-C goes to the recorder before the pipe as well, and it has a last word


@dataclass(frozen=True)
class InputOptions:
    """The options of the sound.

    Attributes:
        microphone: A part of the name of a microphone, its number, or "default".
        raw: The format of PCM on the standard input.
        rate: Its rate, or that of the microphone, Hz.
        n_channels: Its channels, or those of the microphone.
        apart: Whether channels are recognised one by one.
        track: The audio track of what stands on the standard input.
    """

    microphone: str | None
    raw: str | None
    rate: int | None
    n_channels: int | None
    apart: bool
    track: int | None

    def reader(self) -> tuple[Reader, str]:
        """What reads the sound, and the name of the microphone, if it is one."""
        self._check()
        if self.microphone is None and not sys.stdin.isatty():
            return Reader(self._standard_input(), _PIPE_PIECES, _GRACE_S), ""
        microphone = self._microphone()
        return Reader(microphone, _MICROPHONE_PIECES), microphone.name

    def _check(self) -> None:
        """Refuses what would be dropped, or is unknown."""
        refused: dict[str, object] = {"--raw": self.raw, "--track": self.track}
        if self.microphone is not None:
            why = "does not go with --microphone: it is about the standard input"
        elif sys.stdin.isatty():
            why = "nothing is piped in: ffmpeg -i talk.mp4 -f s16le - | gigaam live --raw s16le"
        elif self.raw is None:
            refused = {"--rate": self.rate, "--input-channels": self.n_channels}
            why = "means nothing without --raw or --microphone"
        else:
            del refused["--raw"]
            why = "does not go with --raw, which has none"
        for option, value in refused.items():
            if value is not None:
                refuse(option, why)
        if self.raw is not None and self.raw not in SAMPLE_FORMATS:
            refuse("--raw", f"{self.raw!r} is not one of {', '.join(SAMPLE_FORMATS)}")

    def _standard_input(self) -> LiveSource:
        file = _unbuffered_input()
        if self.raw is None:
            return Container(file, self.apart, self.track)
        sound = SoundFormat(self.rate or SoundFormat.rate, self.raw, self.n_channels or 1)
        return RawSound(file, sound)

    def _microphone(self) -> Microphone:
        """The microphone; one that cannot be had ends the command."""
        name = self.microphone
        device: str | int | None = None if name in (None, "default") else name
        if name is not None and name.isdecimal():
            device = int(name)
        try:
            return Microphone(device, rate=self.rate, n_channels=self.n_channels or 1)
        except AudioError as error:
            if name is not None:
                refuse("--microphone", str(error))
            complain(f"{error}; sound can be piped in as well")
            raise typer.Exit(1) from error
        except MissingDependencyError as error:
            complain(str(error))
            raise typer.Exit(1) from error


def microphone_lines() -> list[str]:
    """A line for each microphone: number, name, channels, and which is the system's choice."""
    try:
        found = microphones()
    except MissingDependencyError as error:
        complain(str(error))
        raise typer.Exit(1) from error
    if not found:
        complain("there is no microphone on this machine")
    return [
        f"{number}\t{name}\t{n_channels}" + ("\tdefault" if is_default else "")
        for number, name, n_channels, is_default in found
    ]


def _unbuffered_input() -> Any:
    """The standard input, which gives bytes as soon as there are some."""
    try:
        file: Any = io.FileIO(sys.stdin.fileno(), closefd=False)
    except io.UnsupportedOperation:  # not a file but an object in its place
        return sys.stdin.buffer
    file.name = "standard input"  # which messages tell
    return file
