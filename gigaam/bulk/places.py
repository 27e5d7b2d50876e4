"""Where recordings and results are: directories of this machine, and stores reached by fsspec.

Only here an address is ever opened, and only because a manifest or a command line named it. What a
store fails at for the moment (a lost connection, a timeout, an error of its own) is tried again.
"""

from __future__ import annotations

import io
import os
import posixpath
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast
from urllib.parse import urlsplit

from gigaam.errors import ArgumentError, BulkError, MissingDependencyError, UnreachableError
from gigaam.output.whole_file import write_whole

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Files", "Found", "files_at", "is_address", "is_passing", "joined"]

T = TypeVar("T")

_ATTEMPTS = 6
_LONGEST_WAIT_S = 20.0
_MOST_IN_VAIN = 3
_asked_in_vain: Counter[str] = Counter()
"""By host, how often in a row it did not answer; after `_MOST_IN_VAIN`, reads are tried once."""
_PERMANENT = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError),
    *(ValueError, TypeError, NotImplementedError, ImportError, LookupError, AttributeError),
)
_OF_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
    *("TokenRetrievalError", "UnauthorizedSSOTokenError", "ProfileNotFound", "NoRegionError"),
    *("DefaultCredentialsError", "RefreshError", "ClientAuthenticationError"),
)
"""What the clients of stores raise for want of credentials; they have no common root."""
_LATER = (408, 425, 429)  # of HTTP's refusals, those that ask to come again


@dataclass(frozen=True)
class Found:
    """A file that a listing has found.

    Attributes:
        path: Its path or address, as a listing of its place gives it.
        n_bytes: Its size.
        stamp: What changes when it does: a time, or a store's own tag; empty if unknown.
    """

    path: str
    n_bytes: int | None
    stamp: str = ""


class Files(ABC):
    """The files of a kind of place, by path."""

    @abstractmethod
    def read(self, path: str, first: int = 0, n_bytes: int | None = None) -> bytes:
        """Some bytes of a file; by default all.

        Raises:
            FileNotFoundError: There is no such file.
            UnreachableError: The store did not answer, though it was asked several times.
            OSError: It cannot be read.
        """

    @abstractmethod
    def open(self, path: str, block: int = 1 << 20) -> BinaryIO:
        """A file to be read in parts, in any order.

        Args:
            path: The file.
            block: How many bytes at least are asked for at a time.

        Raises:
            FileNotFoundError: There is no such file.
            UnreachableError: The store did not answer; reading may raise it, too.
        """

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Put a file there, whole or not at all; folders are made."""

    @abstractmethod
    def below(self, folder: str) -> Iterator[Found]:
        """The files in a folder and its folders, in order of their names; none if it is missing."""

    @abstractmethod
    def listed_as(self, path: str) -> str:
        """How listings write a path; several addresses may lead to one place."""

    @abstractmethod
    def matching(self, pattern: str) -> list[Found]:
        """The files that a pattern means, in order of their names."""

    @abstractmethod
    def look(self, path: str) -> Found | None:
        """A file, without reading it; None if there is none."""

    @abstractmethod
    def is_folder(self, path: str) -> bool:
        """Whether a path is that of a folder."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""


def is_address(location: str) -> bool:
    """Whether this is an address such as ``s3://bucket/name``, not a path."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and scheme.isalnum() and not os.path.exists(location)


def joined(base: str, name: str) -> str:
    """The location of a file that is named relative to a folder; absolute names stay."""
    if is_address(name) or os.path.isabs(name):
        return name
    return posixpath.join(base, name) if is_address(base) else os.path.join(base, name)


def files_at(location: str) -> Files:
    """The files of the place that a path or an address is in.

    Raises:
        MissingDependencyError: What opens such addresses is not installed.
        ArgumentError: There is no such kind of address.
        BulkError: The place cannot be opened.
    """
    return _Remote(location) if is_address(location) else _LOCAL


def is_passing(error: BaseException) -> bool:
    """Whether what failed so may succeed later: a store was busy, a connection was lost."""
    if isinstance(error, UnreachableError):
        return True
    if type(error).__name__ in _OF_CREDENTIALS:
        return False
    status = getattr(error, "status", None) or getattr(error, "code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status in _LATER
    return not isinstance(error, _PERMANENT)


class _Local(Files):
    def read(self, path: str, first: int = 0, n_bytes: int | None = None) -> bytes:
        with open(path, "rb") as file:
            file.seek(first)
            return file.read(-1 if n_bytes is None else n_bytes)

    def open(self, path: str, block: int = 1 << 20) -> BinaryIO:
        return open(path, "rb")

    def write(self, path: str, content: bytes) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), content)

    def below(self, folder: str) -> Iterator[Found]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self.below(entry.path)
            elif entry.is_file():
                yield _found(entry.path, entry.stat())

    def listed_as(self, path: str) -> str:
        return path

    def matching(self, pattern: str) -> list[Found]:
        from glob import glob

        paths = sorted(glob(pattern, recursive=True))
        return [_found(path, os.stat(path)) for path in paths if os.path.isfile(path)]

    def look(self, path: str) -> Found | None:
        return _found(path, os.stat(path)) if os.path.isfile(path) else None

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)


_LOCAL = _Local()


def _found(path: str, state: os.stat_result) -> Found:
    return Found(path, state.st_size, str(state.st_mtime_ns))


class _Remote(Files):
    """A store of fsspec's; its paths are addresses."""

    def __init__(self, location: str) -> None:
        self._scheme = location.partition("://")[0]
        self._fs = _file_system(location)

    def read(self, path: str, first: int = 0, n_bytes: int | None = None) -> bytes:
        end = None if n_bytes is None else first + n_bytes

        def read() -> bytes:
            content: bytes = self._fs.cat_file(path, start=first or None, end=end)
            return content

        content = self._trying(read, path, is_reading=True)
        if n_bytes is not None and len(content) > n_bytes:  # HTTP without ranges sends all
            return content[first : first + n_bytes]
        return content

    def open(self, path: str, block: int = 1 << 20) -> BinaryIO:
        found = self.look(path)
        if found is None:
            raise FileNotFoundError(f"{path}: no such file")
        if found.n_bytes is None:
            return io.BytesIO(self.read(path))
        return cast("BinaryIO", io.BufferedReader(_Ranges(self, path, found.n_bytes), block))

    def write(self, path: str, content: bytes) -> None:
        def write() -> None:
            if self._scheme in _REPLACED_WHOLE:
                self._fs.pipe_file(path, content)
                return
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
            arriving = f"{path}.part"
            self._fs.pipe_file(arriving, content)
            self._fs.mv(arriving, path)

        self._trying(write, path)

    def below(self, folder: str) -> Iterator[Found]:
        def find() -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = self._asked_anew().find(folder, detail=True)
            return found

        try:
            found = self._trying(find, folder)
        except FileNotFoundError:
            return
        for name in sorted(found):
            yield self._found(name, found[name])

    def listed_as(self, path: str) -> str:
        return str(self._fs.unstrip_protocol(self._fs._strip_protocol(path)))

    def matching(self, pattern: str) -> list[Found]:
        def glob() -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = self._asked_anew().glob(pattern, detail=True)
            return found

        found = self._trying(glob, pattern)
        files = [name for name in sorted(found) if found[name].get("type") == "file"]
        return [self._found(name, found[name]) for name in files]

    def look(self, path: str) -> Found | None:
        try:
            state = self._trying(lambda: self._asked_anew().info(path), path, is_reading=True)
        except FileNotFoundError:
            return None
        return self._found(path, state) if state.get("type") == "file" else None

    def is_folder(self, path: str) -> bool:
        return bool(self._trying(lambda: self._fs.isdir(path), path))

    def remove(self, path: str) -> None:
        try:
            self._trying(lambda: self._fs.rm_file(path), path)
        except FileNotFoundError:
            return

    def _asked_anew(self) -> AbstractFileSystem:
        """The store, of which nothing is remembered: what others wrote meanwhile counts."""
        self._fs.invalidate_cache()
        return self._fs

    def _found(self, name: str, state: dict[str, Any]) -> Found:
        stamp = state.get("ETag") or state.get("etag") or state.get("mtime")
        stamp = stamp or state.get("LastModified") or ""
        return Found(self._fs.unstrip_protocol(name), state.get("size"), str(stamp))

    def _trying(self, work: Callable[[], T], path: str, *, is_reading: bool = False) -> T:
        """What comes of asking the store, again and again while it fails for the moment."""
        host = urlsplit(path).netloc
        is_silent = is_reading and _asked_in_vain[host] >= _MOST_IN_VAIN
        from tenacity import Retrying, retry_if_exception, stop_after_attempt
        from tenacity import wait_random_exponential as waiting

        patiently = Retrying(
            retry=retry_if_exception(lambda e: isinstance(e, Exception) and is_passing(e)),
            stop=stop_after_attempt(1 if is_silent else _ATTEMPTS),
            wait=waiting(0.5, _LONGEST_WAIT_S),
            reraise=True,
        )
        try:
            done = patiently(work)
        except Exception as error:
            if not is_passing(error):
                _asked_in_vain.pop(host, None)
                raise
            _asked_in_vain[host] += 1
            told = f"{path}: the store does not answer: {type(error).__name__}: {error}"
            raise UnreachableError(told) from error
        _asked_in_vain.pop(host, None)
        return done


class _Ranges(io.RawIOBase):
    """A file of a store, each part of which is a request that is tried again if need be."""

    def __init__(self, files: Files, path: str, n_bytes: int) -> None:
        self._files, self._path, self._n_bytes = files, path, n_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._n_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"{self._path} has no byte {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._n_bytes - self._at)
        if wanted <= 0:
            return 0
        content = self._files.read(self._path, self._at, wanted)
        if not content:
            raise OSError(f"{self._path} has become shorter while it was read")
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


_REPLACED_WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory")
"""Stores in which an object appears once all of it is there."""


def _file_system(location: str) -> AbstractFileSystem:
    try:
        import tenacity  # noqa: F401
        from fsspec.core import url_to_fs
    except ImportError as error:
        told = f"{location} needs the package {error.name}: pip install 'gigaam[bulk]'"
        raise MissingDependencyError(told) from error
    try:
        file_system: AbstractFileSystem = url_to_fs(location)[0]
    except ImportError as error:  # says which package opens such addresses
        raise MissingDependencyError(f"{location}: {error}, with pip install") from error
    except ValueError as error:
        raise ArgumentError(f"{location}: {error}") from error
    except OSError as error:
        raise BulkError(f"{location} cannot be opened: {error}") from error
    return file_system
