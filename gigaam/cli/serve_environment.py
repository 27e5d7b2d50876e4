"""What the environment says of a server: variables that are unknown or empty are refused."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, NoReturn

import typer

from gigaam.cli.command_options import refuse
from gigaam.errors import ArgumentError

__all__ = ["check_environment", "phrases_of", "refuse_setting"]

_PREFIX = "GIGAAM_SERVE_"
_SECRETS = (f"{_PREFIX}API_KEY", f"{_PREFIX}API_KEY_FILE")
_OPTIONS = {
    "allow_origins": "--allow-origin",
    "api_keys": "--api-key",
    "job_root": "--job-root",
    "job_ttl_s": "--job-hours",
    "max_duration_s": "--max-duration",
    "max_wait_s": "--max-wait",
    "model_ttl_s": "--model-ttl",
    "root_path": "--root-path",
    "trusted_proxies": "--trusted-proxies",
}
"""What the settings of a server are called on the command line, where they can be wrong there."""


def check_environment(context: typer.Context) -> None:
    """Refuses variables that would have no effect, and secrets that were not set."""
    known = {_PREFIX + str(each.name).upper(): each for each in context.command.params}
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX):
            continue
        if name not in known:
            refuse(name, f"there is no such setting{_meant(name, known)}")
        if name in _SECRETS and not os.environ[name].strip():  # the server would be open to all
            refuse(name, "is empty: was a secret not set? For a server without keys, unset it")


def _meant(name: str, known: dict[str, Any]) -> str:
    positive = name.replace(f"{_PREFIX}NO_", _PREFIX)
    if positive != name and positive in known:
        return f"; {positive}=false is meant"
    similar = get_close_matches(name, known, 1, 0.8)
    return f"; is {similar[0]} meant?" if similar else ""


def phrases_of(context: typer.Context, hotword: list[str] | None) -> list[str] | None:
    """The phrases of ``--hotword``, of which a variable has one a line: they may have spaces."""
    source = context.get_parameter_source("hotword")
    if source is None or source.name != "ENVIRONMENT":
        return hotword
    lines = os.environ[f"{_PREFIX}HOTWORD"].splitlines()
    return [line for line in lines if line.strip()]


def refuse_setting(error: ArgumentError) -> NoReturn:
    """Ends the command as `refuse` does; the message of the error begins with the setting."""
    name, _, why = str(error).partition(" ")
    if name not in _OPTIONS:
        raise typer.BadParameter(str(error)) from error
    refuse(_OPTIONS[name], why)
