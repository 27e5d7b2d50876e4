"""What the command line says of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from gigaam.cli.command_options import choices, refuse

__all__ = [
    "AllowOrigin",
    "ApiKey",
    "ApiKeyFile",
    "AudioSocketPort",
    "Host",
    "JobHours",
    "JobRoot",
    "Jobs",
    "JobsDir",
    "LogLines",
    "MaxDuration",
    "MaxLive",
    "MaxRequests",
    "MaxUpload",
    "MaxWait",
    "ModelTtl",
    "Page",
    "Port",
    "Realtime",
    "RootPath",
    "ShutdownSeconds",
    "Speakers",
    "TrustedProxies",
    "Vosk",
    "WyomingPort",
    "keys_of",
]

_LogFormat: TypeAlias = Literal["text", "json"]

Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="0.0.0.0 to be reached from other machines.")
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes any free one.")]
RootPath = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="Where a proxy has put the server, such as /speech, which it takes off again.",
    ),
]
TrustedProxies = Annotated[
    str,
    typer.Option(
        metavar="ADDRESSES",
        help="Proxies whose word on who asks is taken: addresses or networks, with commas "
        "between; '*' for all.",
    ),
]
ApiKey = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="Whoever asks must show a key; others can see a command line: better set "
        "GIGAAM_SERVE_API_KEY or give --api-key-file.",
        show_default=False,
    ),
]
ApiKeyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file of them, one per line.")
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN",
        help="A web site whose pages may use the server, such as https://example.org; '*' for all.",
    ),
]
Speakers = Annotated[
    bool | None,
    typer.Option(
        help="Whether speakers are told apart where a request asks for it; --speakers makes the "
        "nets for that if need be. [default: if the nets are there]",
        show_default=False,
    ),
]
Realtime = Annotated[
    bool, typer.Option("--realtime", help="Speak OpenAI's Realtime protocol at /v1/realtime.")
]
Vosk = Annotated[
    bool, typer.Option("--vosk", help="Speak Vosk's protocol, for websockets at / and /vosk.")
]
WyomingPort = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        min=1,
        max=65535,
        help="Speak the Wyoming protocol (Home Assistant) there; it knows no keys.",
    ),
]
AudioSocketPort = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        min=1,
        max=65535,
        help="Take calls by AudioSocket (Asterisk) there; it knows no keys.",
    ),
]
Page = Annotated[bool, typer.Option(help="Whether there is a web page at /.")]
Jobs = Annotated[bool, typer.Option(help="Whether there are jobs for long recordings.")]
JobsDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where jobs are kept, which outlast the server. [default: gigaam/jobs in "
        "$XDG_STATE_HOME, or in ~/.local/state]",
        show_default=False,
    ),
]
JobRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Recordings in this directory can be named in place of an upload."
    ),
]
JobHours = Annotated[float, typer.Option(metavar="HOURS", help="How long a finished job is kept.")]
MaxUpload = Annotated[int, typer.Option(metavar="MB", min=1, help="The largest upload.")]
MaxDuration = Annotated[float, typer.Option(metavar="SECONDS", help="The longest recording.")]
MaxWait = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="Refuse requests while those before them take longer than this."
    ),
]
MaxRequests = Annotated[
    int, typer.Option(metavar="N", min=1, help="Requests at a time; further ones are refused.")
]
MaxLive = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Live sessions at a time that hear sound."),
]
ModelTtl = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Models other than the default one are unloaded after so long without use.",
    ),
]
LogLines = Annotated[
    _LogFormat,
    typer.Option(metavar=choices(_LogFormat), help="How the log on stderr is written."),
]
ShutdownSeconds = Annotated[
    int,
    typer.Option(
        metavar="SECONDS", min=0, help="How long what is at work is waited for at the end."
    ),
]


def keys_of(given: list[str], file: Path | None) -> tuple[str, ...]:
    """All keys that may be shown."""
    if file is None:
        return tuple(given)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        refuse("--api-key-file", str(error))
    listed = [line.strip() for line in lines if line.strip()]
    if not listed:  # the server would be open to all
        refuse("--api-key-file", f"there are no keys in {file}")
    return tuple(dict.fromkeys([*given, *listed]))
