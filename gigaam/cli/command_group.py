"""How the commands show their help and their errors, alike whichever release of typer is there.

    gigaam: --vad: 'loud' is not one of auto, silero, pyannote, none
    Try 'gigaam transcribe -h' for help.

Every message starts with "gigaam: ". Options and arguments stand bare, what somebody typed in
single quotes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gigaam.cli.printing import complain

__all__ = ["Command", "CommandGroup"]

_UsageError: Any = typer.BadParameter.__mro__[1]  # typer has no public name for it
_NAME_IN_QUOTES = re.compile(r"'(--?[a-z][a-z-]*|[A-Z]+(?:=[A-Z]+)?)'(?: / '-{1,2}[a-z-]+')*")
_WRONG_WORDS = (
    (re.compile(r"^(Value error, |Assertion failed, |Input (?=should))"), ""),
    (re.compile(r"(, unable to parse .*| range)$"), ""),
    (re.compile(r"(?<= is not one of )'.*'"), lambda choices: choices[0].replace("'", "")),
)
"""What pydantic adds to what is wrong, and click's quotes around what would be right."""


class Command(TyperCommand):
    """A command whose help shows its arguments by their metavars alone."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in its usage line."""
        return ["[OPTIONS]", *(_shown(argument) for argument in self._arguments(ctx))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the two lists of the help."""
        arguments = [(_shown(each), each.help or "") for each in self._arguments(ctx)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        options: list[Any] = [each for each in self.get_params(ctx) if not _is_argument(each)]
        for option in options:
            option.show_envvar = False  # all have one or none, which the command's help tells
        records = [option.get_help_record(ctx) for option in options]
        with formatter.section("Options"):  # older releases escape defaults for rich
            formatter.write_dl([(name, text.replace("\\[", "[")) for name, text in records])

    def _arguments(self, ctx: Any) -> Iterator[Any]:
        return filter(_is_argument, self.get_params(ctx))


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _shown(argument: Any) -> str:
    return f"{argument.metavar}{'...' if argument.nargs != 1 else ''}"


class CommandGroup(TyperGroup):
    """The commands, which say what is wrong with a command line as all else is said."""

    def main(
        self,
        args: Any = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that is named, and exit; wrong usage is 2."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except _UsageError as error:
            if error.message.startswith("Usage: "):  # no command at all
                print(error.message, file=sys.stderr)
            else:
                complain(_wrong(error))
                if error.ctx is not None:
                    print(f"Try '{error.ctx.command_path} -h' for help.", file=sys.stderr)
            code = error.exit_code
        sys.exit(code if isinstance(code, int) else 0)


def _wrong(error: Any) -> str:
    """What is wrong, and with which option."""
    is_value = type(error) is typer.BadParameter
    message: str = error.message if is_value else error.format_message()
    message = " ".join(message.split()).rstrip(".")
    if not is_value:
        message = _NAME_IN_QUOTES.sub(r"\1", message)
        return message[:1].lower() + message[1:]
    for pattern, replacement in _WRONG_WORDS:
        message = pattern.sub(replacement, message)
    hint = error.param_hint
    if hint is None and error.param is not None:
        hint = error.param.metavar if _is_argument(error.param) else error.param.opts[0]
    return f"{hint}: {message}" if hint else message
