"""Recordings in a tar file, as WebDataset packs them; only headers are read, nothing is unpacked.

Members of one name before the first dot belong together: ``7.flac`` and ``7.json``, of which the
latter may say how long the recording is.
"""

from __future__ import annotations

import json
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from gigaam.audio.media_suffixes import MEDIA_SUFFIXES
from gigaam.bulk.entries import Entry, Held
from gigaam.bulk.manifests.manifest import Manifest, file_digest, is_hidden, place_of, readable
from gigaam.bulk.places import files_at
from gigaam.dataset.text_lines import as_seconds
from gigaam.errors import AudioWarning, DatasetError

__all__ = ["TarFile"]

_LARGEST_HEADER = (
    1 << 20
)  # bytes of an extended header, or of a description; hostile files say more
_MOST_OF_ONE_NAME = 1_000  # members; what comes after is not told how long it is
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


class TarFile(Manifest):
    """The recordings in a tar file, by the extensions of the members; hidden ones are left out."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._path = place_of(location)

    def entries(self) -> Iterator[Entry]:
        """Its recordings in their order; links are left out, with a warning."""
        with readable(self.called), files_at(self._path).open(self._path) as file:
            yield from self._described(_members(file, self.called), file)

    def stamp(self) -> str:
        """A digest of its size and time."""
        return file_digest(self._path, self.called)

    def _described(self, members: Iterator[tarfile.TarInfo], file: BinaryIO) -> Iterator[Entry]:
        """The entries, with what descriptions beside them say."""
        key, waiting, duration_s = "", list[Entry](), None
        for member in members:
            name = member.name.removeprefix("./")
            if is_hidden(name):
                continue
            if _key(name) != key or len(waiting) >= _MOST_OF_ONE_NAME:
                yield from (replace(entry, duration_s=duration_s) for entry in waiting)
                key, waiting, duration_s = _key(name), [], None
            suffix = PurePosixPath(name).suffix.lower()
            if suffix in MEDIA_SUFFIXES and self._is_whole(member, name):
                waiting.append(self._entry(member, name))
            elif name == f"{key}.json" and member.isreg():
                duration_s = _described_s(member, file)
        yield from (replace(entry, duration_s=duration_s) for entry in waiting)

    def _is_whole(self, member: tarfile.TarInfo, name: str) -> bool:
        """Whether the bytes of a member are there, in one piece."""
        if member.isreg() and not member.issparse():
            return True
        if not member.isdir():
            kind = "a link" if member.islnk() or member.issym() else "no plain file"
            told = f"{self.called}/{name} is {kind} in the tar file: it is left out"
            warnings.warn(told, AudioWarning, stacklevel=2)
        return False

    def _entry(self, member: tarfile.TarInfo, name: str) -> Entry:
        path = f"{self.called}/{name}"
        held = Held(member.offset_data, member.size, name=name)
        return Entry(id=path, path=path, location=self._path, held=held, n_bytes=member.size)


def _key(name: str) -> str:
    """The name of a member before the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _described_s(member: tarfile.TarInfo, file: BinaryIO) -> float | None:
    """What a description says of the length; None if it says nothing that can be understood."""
    if member.size > _LARGEST_HEADER:
        return None
    file.seek(member.offset_data)
    try:
        description = json.loads(file.read(member.size))
    except (ValueError, RecursionError):
        return None
    stated = description.get("duration") if isinstance(description, dict) else None
    return as_seconds(stated) or None


def _members(file: BinaryIO, called: str) -> Iterator[tarfile.TarInfo]:
    """The members of a tar file, one after the other, none of them kept."""
    try:
        with tarfile.open(fileobj=cast("BinaryIO", _Cautious(file)), mode="r:") as archive:
            kept: list[tarfile.TarInfo] = vars(archive)["members"]  # of which none is asked for
            at = -1
            while member := archive.next():
                kept.clear()
                if member.size < 0 or archive.offset <= at:
                    raise tarfile.ReadError(f"{member.name} is said to have {member.size} bytes")
                at = archive.offset
                yield member
            _refuse_rest(file, archive.offset)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise DatasetError(f"{called} cannot be read: {_why(error, file)}") from error


def _refuse_rest(file: BinaryIO, at: int) -> None:
    """The tar module takes a damaged header for the end; only zeros, or nothing, are one."""
    file.seek(at)
    if block := file.read(tarfile.BLOCKSIZE):
        if block.strip(b"\0"):
            raise tarfile.ReadError(f"the tar file is damaged at byte {at}")
    elif file.seek(0, 2) < at:
        raise tarfile.ReadError("the tar file is cut short")


def _why(error: Exception, file: BinaryIO) -> str:
    file.seek(0)
    if file.read(8).startswith(_COMPRESSED):
        return "it is compressed, so that no recording in it can be read alone: decompress it first"
    return str(error) or type(error).__name__


class _Cautious:
    """A file of which the tar module reads headers only, whatever lengths these claim."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header is said to have {n_bytes} bytes")
        return self._file.read(n_bytes)

    def seek(self, at: int, whence: int = 0) -> int:
        return self._file.seek(at, whence)

    def tell(self) -> int:
        return self._file.tell()
