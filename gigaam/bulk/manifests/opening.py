"""What kind of manifest a location is."""

from __future__ import annotations

import sys
from typing import BinaryIO

from gigaam.bulk.manifests.folders import Directory, Pattern, Recording, is_pattern
from gigaam.bulk.manifests.kinds import is_recording, manifest_file
from gigaam.bulk.manifests.manifest import Manifest, readable
from gigaam.bulk.manifests.text_files import StandardInput
from gigaam.bulk.places import files_at
from gigaam.errors import ArgumentError

__all__ = ["open_manifest"]


def open_manifest(location: str, *, stdin: BinaryIO | None = None) -> Manifest:
    """The manifest that is at a location; nothing of it is read yet, except standard input.

    Args:
        location: A path or an address of a directory, a manifest (``.tsv``, ``.jsonl``, ``.json``,
            ``.txt``, ``.lst``, also with ``.gz``; ``.parquet``; ``.tar``) or a recording; a pattern
            with ``*``, ``?``, ``[…]`` or ``**``; ``-`` for a list on standard input.
        stdin: What is read instead of standard input.

    Raises:
        ArgumentError: There is nothing, or it is of no such kind.
        DatasetError: It cannot be read.
        MissingDependencyError: What opens such addresses is not installed.
        UnreachableError: The store does not answer.
    """
    if location == "-":
        return StandardInput(stdin or sys.stdin.buffer)
    files = files_at(location)
    with readable(location):
        if location.endswith("/") and files.is_folder(location):
            return Directory(location)
        if files.look(location) is None:
            if is_pattern(location):
                return Pattern(location)
            if location and files.is_folder(location):
                return Directory(location)
            raise ArgumentError(f"there is no manifest, file or directory {location!r}")
    if manifest := manifest_file(location):
        return manifest
    if is_recording(location):
        return Recording(location)
    raise ArgumentError(
        f"{location} is no manifest by its extension: it may be .tsv, .jsonl, .json, .txt or .lst "
        "(also with .gz), .parquet or .tar; a directory, a pattern, or - for standard input"
    )
