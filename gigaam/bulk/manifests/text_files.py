"""Manifests that are text: tables, JSON a line, lists of paths; read line by line."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests.cells import NAMES, Cells, named_entry
from gigaam.bulk.manifests.lhotse import is_lhotse, lhotse_entry
from gigaam.bulk.manifests.manifest import (
    Manifest,
    folder_of,
    place_of,
    readable,
    shortened,
    suffixes_of,
)
from gigaam.bulk.places import files_at, joined
from gigaam.dataset.text_lines import line_error
from gigaam.errors import DatasetError

__all__ = ["TEXT_SUFFIXES", "StandardInput", "TextFile"]

_LONGEST_LINE = 16 << 20  # bytes; what is longer is no manifest
_BLOCK = 8 << 20

Lines = Iterator[tuple[int, str]]
"""Lines that are not blank, with their numbers from 1."""


class TextFile(Manifest):
    """A table (``.tsv``), JSON (``.jsonl``, ``.json``) or a list (``.txt``, ``.lst``), or its gzip.

    In JSON every line is an object: this library's, NeMo's, or a cut or a recording of Lhotse's.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location, folder_of(location))
        suffix, compression = suffixes_of(location)
        self._path = place_of(location)
        self._is_gzip = bool(compression)
        self._entries, self._errors = _READERS[suffix]

    def entries(self) -> Iterator[Entry]:
        """What its lines list, in their order."""
        with readable(self.called), files_at(self._path).open(self._path, _BLOCK) as file:
            content = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if self._is_gzip else file
            yield from self._entries(_lines(content, self.called, self._errors), self)

    def stamp(self) -> str:
        """A digest of its bytes."""
        digest = hashlib.sha256()
        with readable(self.called), files_at(self._path).open(self._path, _BLOCK) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return shortened(digest)


class StandardInput(TextFile):
    """What stands on standard input: a path, an address or a JSON object a line."""

    def __init__(self, stream: BinaryIO) -> None:
        handle, path = tempfile.mkstemp(prefix="gigaam-", suffix=".txt")
        weakref.finalize(self, _remove, path)
        with open(handle, "wb") as file:
            shutil.copyfileobj(stream, file, _BLOCK)
        super().__init__(path)
        self.called, self.base, self._entries = "standard input", os.getcwd(), _mixed


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _lines(file: BinaryIO, called: str, errors: str) -> Lines:
    number = 0
    while raw := _line(file, called):
        number += 1
        if len(raw) > _LONGEST_LINE:
            raise line_error(called, number, f"longer than {_LONGEST_LINE} bytes")
        raw = raw.removesuffix(b"\n").removesuffix(b"\r")
        try:
            line = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).decode(errors=errors)
        except UnicodeDecodeError as error:
            raise line_error(called, number, f"not UTF-8: {error.reason}") from error
        if line.strip():
            yield number, line


def _line(file: BinaryIO, called: str) -> bytes:
    try:
        return file.readline(_LONGEST_LINE + 1)
    except zlib.error as error:
        raise DatasetError(f"{called} cannot be read: {error}") from error


def _table(lines: Lines, manifest: TextFile) -> Iterator[Entry]:
    number, header = next(lines, (1, ""))
    names = [name.strip() for name in header.split("\t")]
    if not any(name in names for name in NAMES):
        raise line_error(manifest.called, number, "the manifest has no column path")
    if twice := {name for name in names if names.count(name) > 1}:
        told = f"duplicate columns: {', '.join(sorted(twice))}"
        raise line_error(manifest.called, number, told)
    for number, line in lines:
        values = line.split("\t")
        if len(values) != len(names):
            told = f"{len(values)} cells under a header of {len(names)}"
            raise line_error(manifest.called, number, told)
        values_by_name = dict(zip(names, values, strict=True))
        yield named_entry(Cells(values_by_name, f"{manifest.called}, line {number}"), manifest.base)


def _objects(lines: Lines, manifest: TextFile) -> Iterator[Entry]:
    for number, line in lines:
        yield _of_object(number, line, manifest)


def _paths(lines: Lines, manifest: TextFile) -> Iterator[Entry]:
    for _, line in lines:
        yield Entry(id=line, path=line, location=joined(manifest.base, line))


def _mixed(lines: Lines, manifest: TextFile) -> Iterator[Entry]:
    for number, line in lines:
        if line.lstrip().startswith("{"):
            yield _of_object(number, line, manifest)
        else:
            yield Entry(id=line, path=line, location=joined(manifest.base, line))


def _of_object(number: int, line: str, manifest: TextFile) -> Entry:
    place = f"{manifest.called}, line {number}"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place}: not a JSON object a line: {error}") from error
    cells = Cells(values, place)
    if not isinstance(values, dict):
        raise cells.error(f"not an object but {line.strip()[:40]}")
    if is_lhotse(values):
        return lhotse_entry(cells, manifest.base)
    if all(values.get(name) is None for name in NAMES):
        raise cells.error(f"the line has no {' or '.join(NAMES)}")
    return named_entry(cells, manifest.base)


Reader = Callable[[Lines, TextFile], Iterator[Entry]]

# What is only paths takes any bytes, as the system's file names do.
_READERS: dict[str, tuple[Reader, str]] = {
    ".tsv": (_table, "strict"),
    ".jsonl": (_objects, "strict"),
    ".json": (_objects, "strict"),
    ".txt": (_paths, "surrogateescape"),
    ".lst": (_paths, "surrogateescape"),
}

TEXT_SUFFIXES = frozenset(_READERS)
"""The extensions of manifests that are text, those of compression apart."""
