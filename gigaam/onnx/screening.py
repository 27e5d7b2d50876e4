"""ONNX files judged before they are opened: a graph is a program, and its file may be anybody's.

The file is walked field by field (the format is that of Protocol Buffers), over its weights rather
than through them. Refused is what no export of a speech model has, and what could run without end
or read other files: loops, functions that unfold into millions of nodes, weights in a file that
does not lie beside the graph. What else a graph may ask for, the memory of its tensors above all,
only running it tells: of those whose author you don't trust, limit the process.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from gigaam.errors import CheckpointError
from gigaam.quoting import brief
from gigaam.regular_files import open_regular

__all__ = ["screen"]

_ENDLESS = frozenset({"Loop", "Scan", "SequenceMap"})
_SEARCHES = frozenset({"BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"})
_MOST_NODES = 200_000
_MOST_FUNCTIONS = 500
_MOST_FIELDS = 2_000_000  # two seconds of walking; an export of the largest model has 30,000

# Messages of onnx.proto and the numbers of their fields that hold other messages.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_FUNCTION_NAME, _NODE_OPERATOR, _ENTRY_KEY, _ENTRY_VALUE = 1, 4, 1, 2

_GRAPH = "\0"
"""Stands for the graph itself where functions have names."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_Data = mmap.mmap
_Field = tuple[int, int, int]
"""Number, first byte and the one past the last of a field that holds bytes."""


def screen(path: str | os.PathLike[str]) -> None:
    """Refuses an ONNX file that nobody should open.

    Raises:
        CheckpointError: It is no regular file, no ONNX file, or one of those metadata above.
    """
    survey = _Survey(Path(path))
    try:
        with (
            open_regular(path) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            survey.walk(data)
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{os.fspath(path)} cannot be run: it is no ONNX file ({error})"
        ) from error
    survey.judge()


class _Survey:
    """What one walk over a file finds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields_left = _MOST_FIELDS
        self._operators: dict[str, Counter[str]] = {_GRAPH: Counter()}
        """Of each function, and of the graph itself, how often it uses each operator."""

    def walk(self, data: _Data) -> None:
        """Goes over all messages, none of them by recursion."""
        pending = [("model", _GRAPH, 0, len(data))]
        while pending:
            kind, owner, start, end = pending.pop()
            fields = [*islice(_fields(data, start, end), self._fields_left + 1)]
            self._fields_left -= len(fields)
            if self._fields_left < 0:
                raise CheckpointError(f"{self._path} has over {_MOST_FIELDS:,} parts")
            if kind == "function":
                owner = _text(data, fields, _FUNCTION_NAME)
                self._operators.setdefault(owner, Counter())
            elif kind == "node":
                self._operators[owner][_text(data, fields, _NODE_OPERATOR)] += 1
            elif kind == "entry" and _text(data, fields, _ENTRY_KEY) == "location":
                self._check_beside(_text(data, fields, _ENTRY_VALUE))
            inside = _INSIDE.get(kind, {})
            for number, first, last in fields:
                if number in inside:
                    pending.append((inside[number], owner, first, last))

    def _check_beside(self, name: str) -> None:
        """Weights outside the graph: in a regular file of its directory, or below."""
        inside = name and not Path(name).is_absolute() and ".." not in Path(name).parts
        if not inside or not os.path.isfile(self._path.parent / name):
            raise CheckpointError(
                f"{self._path} has weights in {brief(name)}, which is no file beside or below it"
            )

    def judge(self) -> None:
        """Raises `CheckpointError` for what the operators could do."""
        used = set().union(*self._operators.values())
        if refused := sorted(used & (_ENDLESS | _SEARCHES)):
            raise CheckpointError(
                f"{self._path} has operators that may run without end ({', '.join(refused)}), as "
                "no export of a GigaAM model has; it was not opened"
            )
        if len(self._operators) > _MOST_FUNCTIONS or self._unfolded(_GRAPH, {}) > _MOST_NODES:
            raise CheckpointError(f"{self._path} unfolds into more than {_MOST_NODES:,} nodes")

    def _unfolded(self, owner: str, known: dict[str, int]) -> int:
        """The nodes of a function or the graph, functions counted with all inside them."""
        if owner not in self._operators:
            return 1
        if owner not in known:
            known[owner] = _MOST_NODES + 1  # stays so for one that calls itself
            known[owner] = sum(
                times * self._unfolded(operator, known)
                for operator, times in self._operators[owner].items()
            )
        return known[owner]


def _fields(data: _Data, start: int, end: int) -> Iterator[_Field]:
    """The fields of a message that hold bytes: texts, messages, packed numbers."""
    while start < end:
        tag, start = _varint(data, start)
        kind = tag & 7
        if kind == _BYTES:
            length, start = _varint(data, start)
            stop = start + length
            if stop > end:
                raise ValueError("a field ends outside its message")
            yield tag >> 3, start, stop
            start = stop
        elif kind == _VARINT:
            _, start = _varint(data, start)
        elif kind in (_FIXED64, _FIXED32):
            start += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
    if start > end:
        raise ValueError("a field ends outside its message")


def _varint(data: _Data, start: int) -> tuple[int, int]:
    """A number of variable length, and where the next thing starts."""
    byte = data[start]
    if byte < 0x80:
        return byte, start + 1
    value, shift = byte & 0x7F, 7
    for position in range(start + 1, start + 10):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise ValueError("a number without an end")


def _text(data: _Data, fields: list[_Field], wanted: int) -> str:
    """The last text of that number: the one that counts."""
    for number, start, end in reversed(fields):
        if number == wanted:
            return data[start:end].decode(errors="replace")
    return ""
