"""The recordings of jobs: uploads, kept beside the database, and files of the server's own."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePath
from typing import BinaryIO

from gigaam.errors import CheckpointError
from gigaam.regular_files import open_regular
from gigaam.server.jobs.job import Job
from gigaam.server.refusals import Refusal

__all__ = ["KeptRecording", "Recordings", "Rooted", "stamp_of"]

_COPY_BYTES = 1 << 20
_OF_REFERENCES = ".voices"  # what the name of such a file ends with, after the job's


class KeptRecording:
    """A file as recordings are read: one that can go back, by the name that its client knows.

    Attributes:
        name: What messages call it, and by which formats without a header are known.
        file: What is read.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.file = file
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class Recordings:
    """The recordings of a server's jobs. Threads may share it."""

    def __init__(self, directory: Path, root: Path | None) -> None:
        """Recordings in a directory, which is made if need be.

        Args:
            directory: Where uploads are kept, for no other user to read.
            root: Where files lie that may be named in place of an upload; None for nowhere.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._rooted = None if root is None else Rooted(root)

    @property
    def rooted(self) -> Rooted:
        """Files that may be named.

        Raises:
            Refusal: There are none.
        """
        if self._rooted is None:
            told = "this server takes uploads alone: it was started without --job-root"
            raise Refusal(403, told, code="path_not_allowed", param="path")
        return self._rooted

    @property
    def used_bytes(self) -> int:
        """What the uploads take; one that is deleted meanwhile takes nothing."""
        total = 0
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    total += entry.stat().st_size
        return total

    @property
    def free_bytes(self) -> int:
        """What the file system has left."""
        return shutil.disk_usage(self._directory).free

    def keep(self, id: str, upload: BinaryIO) -> None:
        """Keep an upload for a job: all of it is on the disk, or nothing is there.

        Raises:
            OSError: There is no room, for instance.
        """
        self._keep(id, upload)

    def keep_references(self, id: str, references: str) -> None:
        """Keep the recordings of a job's known speakers, likewise.

        Raises:
            OSError: There is no room, for instance.
        """
        self._keep(f"{id}{_OF_REFERENCES}", BytesIO(references.encode()))

    def references(self, id: str) -> str | None:
        """What was kept of a job's known speakers; None if nothing was."""
        try:
            with open_regular(self._directory / f"{id}{_OF_REFERENCES}") as file:
                return file.read().decode("utf-8", "replace")
        except (FileNotFoundError, CheckpointError):
            return None

    def _keep(self, name: str, content: BinaryIO) -> None:
        arriving = self._directory / f"{name}.part"
        try:
            with open(os.open(arriving, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                content.seek(0)
                shutil.copyfileobj(content, file, _COPY_BYTES)
                file.flush()
                os.fsync(file.fileno())
            os.replace(arriving, self._directory / name)
            self._sync()
        except BaseException:
            arriving.unlink(missing_ok=True)
            raise

    @contextmanager
    def opened(self, job: Job) -> Iterator[KeptRecording]:
        """The recording of a job, for as long as this is open.

        Raises:
            Refusal: It is not there any more, or not the same; at the end as well, if somebody
                changed it meanwhile.
        """
        if job.path is None:
            try:
                file = open_regular(self._directory / job.id)
            except (FileNotFoundError, CheckpointError) as error:
                told = "the upload is not there any more"
                raise Refusal(410, told, code="recording_gone", param="file") from error
        else:
            file = self.rooted.open(job.path)
        with closing(KeptRecording(file, job.filename)) as recording:
            _check_unchanged(job, file)
            yield recording
            _check_unchanged(job, file)

    def drop(self, id: str) -> None:
        """Delete the upload of a job, if there is one, and what was kept of known speakers."""
        for name in (id, f"{id}{_OF_REFERENCES}"):
            with suppress(PermissionError):  # Windows: it is read; `drop_others` takes it later
                (self._directory / name).unlink(missing_ok=True)

    def drop_others(self, kept: Collection[str]) -> None:
        """Delete what belongs to none of these jobs, as after a crash."""
        for path in self._directory.iterdir():
            if path.name.removesuffix(_OF_REFERENCES) not in kept:
                with suppress(PermissionError):
                    path.unlink(missing_ok=True)

    def _sync(self) -> None:
        """Have the directory know its files even after a power cut."""
        if os.name == "posix":
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


class Rooted:
    """Regular files below a directory, and none besides, wherever links lead."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, given: str) -> BinaryIO:
        """A file by its path: from the root on, or from that of the file system.

        Raises:
            Refusal: It lies elsewhere, or there is none.
        """
        try:
            root = self._root.resolve(strict=True)
            wanted = PurePath(given)
            if ".." in wanted.parts or not _is_below(root / wanted, (root, self._root.absolute())):
                raise _outside()
            path = (root / wanted).resolve(strict=True)
            if not _is_below(path, (root,)):
                raise _outside()
            return _open_below(root, path.relative_to(root))
        except (OSError, ValueError, RuntimeError, CheckpointError) as error:  # loops of links, \0
            told = "there is no such recording: path must name a regular file that can be read"
            raise Refusal(404, told, code="path_not_found", param="path") from error


def stamp_of(file: BinaryIO) -> tuple[int, int]:
    """Size and time of change of a file: whoever writes to it changes them."""
    state = os.fstat(file.fileno())
    return state.st_size, state.st_mtime_ns


def _check_unchanged(job: Job, file: BinaryIO) -> None:
    if job.path is not None and stamp_of(file) != job.stamp:
        told = "the recording was changed after the job was made"
        raise Refusal(409, told, code="recording_changed", param="path")


def _is_below(path: PurePath, roots: Collection[Path]) -> bool:
    return any(path != root and path.is_relative_to(root) for root in roots)


def _outside() -> Refusal:
    told = "path must name a recording under the directory of --job-root"
    return Refusal(403, told, code="path_not_allowed", param="path")


def _open_below(root: Path, path: Path) -> BinaryIO:
    """A file whose path has no links: what became one meanwhile is not followed."""
    if os.open not in os.supports_dir_fd:
        return open_regular(root / path)
    opened = [os.open(root, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for part in path.parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = open(os.open(path.name, flags, dir_fd=opened[-1]), "rb")  # noqa: SIM115
    finally:
        for each in opened:
            os.close(each)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("it is no regular file")
    return file
