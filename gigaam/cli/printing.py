"""Where the results of the command line go: lines on stdout, or files."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from gigaam.cli.jobs import Job
from gigaam.errors import GigaAMError
from gigaam.output.formats import render, save
from gigaam.quoting import said
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word

Result: TypeAlias = "TranscriptionResult | LongformTranscriptionResult"


class Printer(ABC):
    """Puts results where they are wanted."""

    needs_times = False
    """Whether it cannot do without word timestamps."""

    def segment(self, segment: Segment) -> None:
        """Takes a segment of the recording at work; its whole result follows later."""
        return

    @abstractmethod
    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""


class LinePrinter(Printer):
    """Prints on stdout, each line after the recording's path and a tab if there are several.

    Args:
        with_path: Whether there are several.
    """

    def __init__(self, with_path: bool) -> None:
        self._with_path = with_path

    def _print(self, job: Job, lines: Iterable[str]) -> None:
        prefix = f"{job.path}\t" if self._with_path else ""
        print_lines(prefix + line for line in lines)


class TextPrinter(LinePrinter):
    """Prints texts; of a single long recording a line per segment as soon as it is there."""

    def segment(self, segment: Segment) -> None:
        """Prints it, if no path has to stand before it."""
        if not self._with_path:
            print_lines([render([segment], "txt").rstrip("\n")])

    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""
        if self._with_path or isinstance(result, TranscriptionResult):
            self._print(job, [result.text])


class WordPrinter(LinePrinter):
    """Prints a line per word: start, end, word, channel where channels were split, any speaker."""

    needs_times = True

    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""
        if isinstance(result, LongformTranscriptionResult):
            lines: Iterable[str] = (line for each in result for line in word_lines(each))
        else:
            lines = (_word_line(word) for word in result.words or ())
        self._print(job, lines)


def word_lines(segment: Segment) -> list[str]:
    """A line for each word of a segment, as `WordPrinter` prints them."""
    return [_word_line(word, segment) for word in segment.words or ()]


def _word_line(word: Word, segment: Segment | None = None) -> str:
    labels = [segment and segment.channel, word.speaker or (segment and segment.speaker)]
    told = [str(label) for label in labels if label is not None]
    return "\t".join([f"{word.start:.2f}", f"{word.end:.2f}", word.text, *told])


class JsonPrinter(Printer):
    """Prints a JSON object per recording."""

    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""
        fields: dict[str, Any] = {"path": str(job.path)}
        if isinstance(result, LongformTranscriptionResult):
            fields |= result.to_dict()
        else:
            fields |= {"text": result.text, "confidence": result.confidence}
            if result.words is not None:
                fields["words"] = [word.to_dict() for word in result.words]
        print_lines([to_json(fields)])


class FormatPrinter(Printer):
    """Prints what a file of a format would hold.

    Args:
        format: A name of `gigaam.output.formats.FORMATS`.
    """

    def __init__(self, format: str) -> None:
        self._format = format
        self.needs_times = format != "txt"

    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""
        write_out(render(result, self._format))


class FileWriter(Printer):
    """Writes each result into its job's files, whole or not at all.

    Args:
        formats: Those of a job's files, in their order.
    """

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = formats
        self.needs_times = any(format != "txt" for format in formats)

    def result(self, job: Job, result: Result) -> None:
        """Takes the result of a recording."""
        for output, format in zip(job.outputs, self._formats, strict=True):
            output.parent.mkdir(parents=True, exist_ok=True)
            save(result, output, format)


def choose_printer(
    formats: Sequence[str], as_json: bool, word_timestamps: bool, with_path: bool
) -> Printer:
    """The printer for a terminal or pipe."""
    if formats:
        return FormatPrinter(formats[0])
    if as_json:
        return JsonPrinter()
    return WordPrinter(with_path) if word_timestamps else TextPrinter(with_path)


def to_json(fields: dict[str, Any]) -> str:
    """One line of JSON that is valid UTF-8 even where a path is not: such bytes stay escaped."""
    line = json.dumps(fields, ensure_ascii=False)
    return line.encode("utf-8", "backslashreplace").decode()


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines; see `write_out`."""
    write_out("".join(f"{line}\n" for line in lines))


def write_out(text: str) -> None:
    """Writes on stdout, and lets it be seen at once.

    Raises:
        BrokenPipeError: Nobody reads it, or it cannot be written, which has then been told: the
            command is to end.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _end_of_printing(error) from error


def check_stdout() -> None:
    """Finds out before the work whether its results can be printed; see `write_out`."""
    try:
        os.write(sys.stdout.fileno(), b"")
    except io.UnsupportedOperation:  # not a file but an object in its place
        return
    except OSError as error:
        raise _end_of_printing(error) from error


def _end_of_printing(error: OSError) -> BrokenPipeError:
    complain(f"cannot write to the standard output: {error.strerror}")
    # What is still in its buffer is lost anyway, and would be tried again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def complain(message: str) -> None:
    """Prints a message for a person on stderr."""
    print(f"gigaam: {message}", file=sys.stderr)


def reason(path: Path, error: Exception) -> str:
    """Why a recording failed, with its path once; what we did not foresee names its kind too."""
    message = said(error).replace(f"'{path}': ", f"{path}: ", 1)
    if not isinstance(error, (GigaAMError, OSError)):
        message = f"{type(error).__name__}: {message}"
    return message if str(path) in message else f"{path}: {message}"
