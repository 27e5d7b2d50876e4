"""What all kinds of manifests can do, and how their states are told apart."""

from __future__ import annotations

import hashlib
import os
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from gigaam.bulk.entries import Entry
from gigaam.bulk.places import Found, files_at, is_address
from gigaam.errors import DatasetError, GigaAMError

__all__ = [
    "Manifest",
    "file_digest",
    "folder_of",
    "is_hidden",
    "listing_digest",
    "place_of",
    "readable",
    "shortened",
    "suffixes_of",
]

_DIGITS = 16  # 64 bits: enough to notice a change
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")


class Manifest(ABC):
    """A list of recordings that is read anew each time, never held in memory.

    Attributes:
        called: What it is to the user, for messages.
        base: The folder from which relative paths begin; empty if there are none.
        knows_files: Whether its stamp tells of the recordings themselves, by size and time: then
            they are the same wherever they lie.
    """

    knows_files = False

    def __init__(self, called: str, base: str = "") -> None:
        self.called, self.base = called, base

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """What it lists, always in the same order.

        Raises:
            DatasetError: It cannot be read, or something in it is invalid.
            ArgumentError: It lists no recordings, as it is a directory without any.
            UnreachableError: The store that it is in does not answer.
        """

    @abstractmethod
    def stamp(self) -> str:
        """A short digest that changes when what it lists changes; no recording is opened."""


def shortened(digest: hashlib._Hash) -> str:
    """Enough of a digest to notice a change."""
    return digest.hexdigest()[:_DIGITS]


def listing_digest(listing: Iterable[tuple[str, Found]]) -> str:
    """A short digest of names, sizes and stamps.

    Args:
        listing: Files, each with the name that counts.
    """
    digest = hashlib.sha256()
    for name, found in listing:
        line = f"{name}\0{found.n_bytes}\0{found.stamp}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return shortened(digest)


def file_digest(path: str, called: str) -> str:
    """A short digest of the size and the stamp of one file.

    Raises:
        DatasetError: It is gone.
    """
    with readable(called):
        found = files_at(path).look(path)
    if found is None:
        raise DatasetError(f"{called} cannot be read: no such file")
    return listing_digest([("", found)])


@contextmanager
def readable(called: str) -> Iterator[None]:
    """Says of a file that cannot be read which one it is.

    Raises:
        DatasetError: Instead of an error of the system's.
    """
    try:
        yield
    except GigaAMError:
        raise
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or error
        raise DatasetError(f"{called} cannot be read: {why}") from error


def place_of(location: str) -> str:
    """The absolute path of a file of this machine; addresses stay."""
    return location if is_address(location) else os.path.abspath(location)


def folder_of(location: str) -> str:
    """The folder that a file is in, from which the names in it begin."""
    if is_address(location):
        return posixpath.dirname(_without_query(location))
    return os.path.dirname(os.path.abspath(location))


def suffixes_of(location: str) -> tuple[str, str]:
    """The extension of a file and that of its compression, in lower case; each may be empty."""
    path = PurePosixPath(_without_query(location).replace(os.sep, "/").lower())
    if path.suffix == ".tgz":
        return ".tar", ".gz"
    if path.suffix in _COMPRESSED:
        return PurePosixPath(path.stem).suffix, path.suffix
    return path.suffix, ""


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder on the way to it, has a name that begins with a dot."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))


def _without_query(location: str) -> str:
    is_web = location.startswith(("http://", "https://"))
    return location.partition("?")[0] if is_web else location
