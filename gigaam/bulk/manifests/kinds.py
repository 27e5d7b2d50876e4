"""Files that are manifests, by their extensions."""

from __future__ import annotations

from gigaam.audio.media_suffixes import MEDIA_SUFFIXES
from gigaam.bulk.manifests.manifest import Manifest, suffixes_of
from gigaam.bulk.manifests.parquet_files import ParquetFile
from gigaam.bulk.manifests.tar_files import TarFile
from gigaam.bulk.manifests.text_files import TEXT_SUFFIXES, TextFile
from gigaam.errors import ArgumentError

__all__ = ["holds_many", "is_recording", "manifest_file"]

_HOLDERS = {".tar", ".parquet", ".tsv", ".jsonl"}  # that are no less clearly meant beside others


def is_recording(path: str) -> bool:
    """Whether a file is taken for a recording."""
    suffix, compression = suffixes_of(path)
    return not compression and suffix in MEDIA_SUFFIXES


def holds_many(path: str) -> bool:
    """Whether a file that was not named itself is taken for a manifest."""
    return suffixes_of(path)[0] in _HOLDERS


def manifest_file(location: str) -> Manifest | None:
    """The manifest that a file is; None if its extension is not one of a manifest's.

    Raises:
        ArgumentError: It is compressed in a way that is not read.
    """
    suffix, compression = suffixes_of(location)
    if suffix not in TEXT_SUFFIXES and suffix not in (".tar", ".parquet"):
        return None
    if compression and suffix == ".tar":
        raise ArgumentError(
            f"{location} is compressed, so that no recording in it can be read alone: "
            "decompress it to a .tar file first"
        )
    if compression not in ("", ".gz") or (compression and suffix == ".parquet"):
        raise ArgumentError(f"{location}: {compression} is not read here: decompress it first")
    if suffix == ".tar":
        return TarFile(location)
    return ParquetFile(location) if suffix == ".parquet" else TextFile(location)
