"""What recordings are read from: files judged by what was opened, bytes, and file objects.

FFmpeg never opens anything itself: it is handed a `Source`, and reads what that gives.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from gigaam.errors import AudioError, AudioFileNotFoundError

__all__ = ["Source", "is_pipe", "is_seekable", "open_source"]

_HEAD_BYTES = 4096  # enough to see the tag of an MP3 behind short titles
_LIVE_HEAD_BYTES = 12  # enough to see what is looked for before FFmpeg reads
_COPY_BYTES = 1 << 20
_FURTHEST_BYTE = 1 << 42  # damaged headers send FFmpeg further, where some files can't go
_SPOOL_BYTES = 64 << 20  # a longer stream goes to disk, if it has to be kept at all
_MOVE = struct.Struct("=?qi")  # whether FFmpeg wants to be elsewhere, where, counted from what
_SYSTEM_FOLDERS = ("/proc", "/sys")  # their files are the system's state, and may never end


def open_source(source: object, *, live: bool = False) -> Source:
    """Whatever a recording may be given as, but for arrays, ready to be read.

    Args:
        source: A path, bytes or a file object.
        live: Whether it is to be read while it arrives; see `Source`.

    Raises:
        AudioFileNotFoundError: No such file.
        AudioError: It cannot be read, is empty, or is not a thing that recordings are read from.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not source:
            raise AudioError("the recording holds no samples: it is 0 bytes long")
        return Source(BytesIO(source), f"<{len(source)} bytes>")
    if isinstance(source, (str, os.PathLike)):
        return _of_path(os.fsdecode(source), live)
    if not hasattr(source, "read"):
        raise AudioError(
            "audio is a path, bytes, a binary file object, a numpy array or a torch tensor,"
            f" not {type(source).__name__}"
        )
    name = getattr(source, "name", "")
    if not isinstance(name, str):  # the number of a descriptor
        name = ""
    title = repr(name) if name else f"<{type(source).__name__}>"
    found = Source(source, title, name, live=live)
    if not found.head:
        raise AudioError("the recording holds no samples: the file object is at its end")
    return found


def is_seekable(file: Any) -> bool:
    """Whether a file object can go back, asked of the method and of what tell() then says."""
    try:
        if hasattr(file, "seekable") and not file.seekable():
            return False
        file.seek(file.tell())
    except (AttributeError, OSError, ValueError):
        return False
    return True


def is_pipe(source: object) -> bool:
    """Whether this is a path at which no file lies, but what can be opened and read only once."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    try:
        mode = os.stat(source).st_mode
    except (OSError, ValueError):  # whoever opens it will tell
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class Source:
    """A file object as FFmpeg sees it: its bytes from here on, and no way to close it.

    What the file object raises does not cross FFmpeg, whose callbacks lose all that is no plain
    ``Exception``: FFmpeg is told that the file ends, and `check` raises it afterwards. A Ctrl-C
    that comes while FFmpeg reads is kept in the same way. What a file that was opened here raises
    is an `AudioError` then; what the program's own file object raises is the program's.

    Attributes:
        title: How messages call it.
        name: "stream" and the extension, by which FFmpeg knows formats that have no header.
        head: Its first bytes.
        read: Takes a number of bytes and gives at most as many, none at the end.
        seek: Takes an offset and what it counts from, as files do, and tells nothing: FFmpeg is
            answered by ``tell``. The file moves when it is read, or asked for its position.
        tell: Gives the position, in bytes from where reading began; -1 where there is none.
    """

    def __init__(
        self, file: Any, title: str, path: str = "", *, owned: bool = False, live: bool = False
    ) -> None:
        """A source.

        Args:
            file: Is read from its current position.
            title: How messages call it.
            path: Tells the extension.
            owned: Whether it is to be closed in the end.
            live: Whether FFmpeg is to get its bytes as they come: a long head is not waited for,
                nor is the end of an MP4 that arrives in a stream.
        """
        self.title = title
        self.name = "stream" + os.path.splitext(path)[1]
        self._file = file
        self._closing: list[IO[bytes]] = [file] if owned else []
        self._owned = owned
        self._failure: BaseException | None = None
        self._ahead = b""  # read, but not yet seen by FFmpeg
        self._seekable = is_seekable(file)
        self._start = file.tell() if self._seekable else 0
        self.head = self._read_head(_LIVE_HEAD_BYTES if live else _HEAD_BYTES)
        if self._seekable:
            file.seek(self._start)
        elif self.head[4:8] == b"ftyp" and not live:  # MP4, whose index may stand at its end
            self._start, self._seekable = 0, True
            self._file = self._spooled()
            self._closing.append(self._file)
        else:
            self._ahead = self.head
        self._is_lost = False  # moved to where no file goes
        self._wanted = bytearray(_MOVE.size)
        # Callables without a line of Python: before a function's own ``try`` a signal that has
        # come in FFmpeg would be handled, and what it raises be lost there.
        reads = self._reads()
        next(reads)
        self.read: Callable[[int], bytes] = reads.send
        self.seek: Callable[[int, int], None] = partial(_MOVE.pack_into, self._wanted, 0, True)
        self.tell: Callable[[], int] = self._tells().__next__

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return self._seekable

    def check(self) -> None:
        """Raise what went wrong while FFmpeg read, if anything."""
        if self._failure is not None:
            raise self._failure

    def size(self) -> int:
        """Bytes in all, of a seekable source."""
        position = self._file.tell()
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(position)
        return int(end) - self._start

    def at(self, offset: int, size: int) -> bytes:
        """Some bytes of a seekable source, which stays where it is."""
        position = self._file.tell()
        self._file.seek(self._start + offset)
        data = self._bytes(size)
        self._file.seek(position)
        return data

    def close(self) -> None:
        """Close what was opened here, and delete the copy of a stream, if one had to be made."""
        for file in self._closing:
            file.close()

    def _reads(self) -> Generator[bytes, int, None]:
        """What ``read`` gives, call by call; the inner loop keeps signals within the ``try``."""
        data = b""
        while True:
            try:
                while True:
                    size = yield data
                    self._move()
                    is_over = self._is_lost or self._failure is not None
                    data = b"" if is_over else self._bytes(size)
            except GeneratorExit:
                return
            except BaseException as error:
                self._failure = self._failure or error
                data = b""

    def _tells(self) -> Generator[int, None, None]:
        """What ``tell`` gives, call by call."""
        while True:
            try:
                while True:
                    yield self._position()
            except GeneratorExit:
                return
            except BaseException as error:
                self._failure = self._failure or error

    def _position(self) -> int:
        if self._failure is None:
            self._move()
        if self._is_lost or self._failure is not None:
            return -1
        with self._told():
            return int(self._file.tell()) - self._start

    def _move(self) -> None:
        """Moves the file to where FFmpeg last wanted it, unless it is there."""
        is_wanted, offset, whence = _MOVE.unpack(self._wanted)
        if not is_wanted:
            return
        _MOVE.pack_into(self._wanted, 0, False, 0, 0)
        from_start = whence == os.SEEK_SET
        self._is_lost = from_start and not 0 <= offset <= _FURTHEST_BYTE
        if not self._is_lost:
            with self._told():
                self._file.seek(offset + self._start if from_start else offset, whence)

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """Makes the errors of a file that was opened here ours."""
        try:
            yield
        except OSError as error:
            if not self._owned:
                raise
            raise AudioError(f"{self.title} cannot be read: {error.strerror}") from error

    def _bytes(self, size: int) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        with self._told():
            data = self._file.read(size)
        if isinstance(data, str):
            raise AudioError("the file object gives text: open it in binary mode ('rb')")
        if data is None:
            raise AudioError("the file object does not block: it gave None in place of bytes")
        data = bytes(data)
        if len(data) > size:  # FFmpeg's buffer ends there, and PyAV does not look
            raise AudioError(f"the file object gave {len(data)} bytes when asked for {size}")
        return data

    def _read_head(self, least: int) -> bytes:
        head = b""
        while len(head) < least and (more := self._bytes(_HEAD_BYTES - len(head))):
            head += more
        return head

    def _spooled(self) -> IO[bytes]:
        """A temporary file with all of the stream, in memory as long as it is small."""
        whole = SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115
        whole.write(self.head)
        while data := self._bytes(_COPY_BYTES):
            whole.write(data)
        whole.seek(0)
        return whole


def _of_path(path: str, live: bool) -> Source:
    """The source at a path: a regular file, a named pipe, or a descriptor of the process."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character
        hint = "; URLs are not fetched, download the file first" if "://" in path else ""
        raise AudioFileNotFoundError(f"no such file: {path[:200]!r}{hint}") from error
    _check_kind(path, mode)
    try:
        file = os.fdopen(_descriptor(path, mode), "rb", buffering=0)
    except OSError as error:
        raise AudioError(f"{path!r} cannot be read: {error.strerror}") from error
    try:
        opened = os.fstat(file.fileno())  # the path may lead elsewhere by now
        _check_kind(path, opened.st_mode)
        if opened.st_dev in _system_devices():
            raise AudioError(f"{path!r} belongs to the system: it is not a recording")
        source = Source(file, repr(path), path, owned=True, live=live)
        if not source.head:
            raise AudioError(f"{path!r}: the recording holds no samples: it is 0 bytes long")
    except OSError as error:
        file.close()
        raise AudioError(f"{path!r} cannot be read: {error.strerror}") from error
    except BaseException:
        file.close()
        raise
    return source


def _check_kind(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path!r} is a directory: give the recordings in it")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise AudioError(f"{path!r} is a device: a recording must be a file, a pipe or a socket")


def _descriptor(path: str, mode: int) -> int:
    """A new descriptor of what the path leads to."""
    own = re.fullmatch(r"/dev/stdin|(?:/dev/fd|/proc/self/fd)/(\d+)", path)
    if own is not None and stat.S_ISSOCK(mode):  # which can be used, but not opened again
        return os.dup(int(own[1] or 0))
    flags = os.O_RDONLY
    for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    return os.open(path, flags)


def _system_devices() -> set[int]:
    """The device numbers of the file systems that hold the system's state."""
    return {os.stat(folder).st_dev for folder in _SYSTEM_FOLDERS if os.path.ismount(folder)}
