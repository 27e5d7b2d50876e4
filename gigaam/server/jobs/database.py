"""The SQLite file in which jobs are kept: opened by one server at a time, checked, made if need be.

Every transaction is on the disk when it ends (``synchronous=FULL``). There is about one for each
half minute of sound, next to which the time of a sync is nothing; and what a client was promised
must outlast a power cut.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

from filelock import FileLock, Timeout

from gigaam.errors import ArgumentError

__all__ = ["Database", "is_full"]

_APPLICATION = 0x67414A62  # "gAJb": tells the file from those of other programs
_VERSION = 1

_TABLES = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    model TEXT NOT NULL,
    filename TEXT NOT NULL,
    fields TEXT NOT NULL,
    path TEXT,
    stamp TEXT,
    ignored TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    duration_s REAL,
    done_s REAL NOT NULL DEFAULT 0,
    n_segments INTEGER NOT NULL DEFAULT 0,
    warnings TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    text TEXT,
    language TEXT,
    at_work INTEGER NOT NULL DEFAULT 0,
    n_deaths INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_status ON jobs (status, finished_at);
CREATE TABLE segments (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE chunks (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, digest)
) WITHOUT ROWID;
"""


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room on a disk."""
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)  # its code is known from Python 3.11 on
    full = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
    return isinstance(error, OSError) and error.errno in full


class Database:
    """A connection that threads share, in turns."""

    def __init__(self, directory: Path) -> None:
        """The database of a directory, which nobody else may have.

        Raises:
            ArgumentError: Another server has it, or there is something else in it.
        """
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = FileLock(directory / "lock", timeout=0, thread_local=False)
            self._held.acquire()
        except Timeout:
            told = f"another server keeps its jobs in {directory}: give this one another directory"
            raise ArgumentError(f"{told} (--jobs-dir), or none (--no-jobs)") from None
        except OSError as error:
            raise ArgumentError(f"jobs cannot be kept in {directory}: {error}") from error
        self._turn = RLock()
        try:
            self._connection = _opened(directory / "jobs.sqlite3")
        except BaseException:
            self._held.release()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is done inside is done as a whole, or not at all."""
        with self._turn:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # some errors end it themselves
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One look at the data, in which nothing changes."""
        with self._turn:
            yield self._connection

    @property
    def used_bytes(self) -> int:
        """What the data take, without pages that are free."""
        with self.reading() as connection:
            pages = _number(connection, "page_count") - _number(connection, "freelist_count")
            return pages * _number(connection, "page_size")

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with self._turn:
            if _number(self._connection, "freelist_count"):
                # As a script: `execute` takes one step, which frees one page.
                self._connection.executescript("PRAGMA incremental_vacuum")
                self._connection.executescript("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let others have it."""
        with self._turn:
            self._connection.close()
            self._held.release()


def _opened(path: Path) -> sqlite3.Connection:
    with suppress(FileExistsError):  # nobody else may read what is said
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException as error:
        connection.close()
        if not isinstance(error, sqlite3.Error):
            raise
        why = " ".join(str(error).split())
        told = f"{path} cannot be used as a database of jobs: {why}"
        raise ArgumentError(f"{told}; move it away to begin with an empty one") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application, version = (_number(connection, key) for key in ("application_id", "user_version"))
    if not is_empty and application != _APPLICATION:
        raise ArgumentError(f"{path} is the database of another program: use another directory")
    if not is_empty and version != _VERSION:
        told = f"{path} was made by another version of gigaam (form {version}, not {_VERSION})"
        raise ArgumentError(f"{told}: use that one, or another directory")
    if is_empty:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if is_empty:
        marks = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};"
        connection.executescript(f"BEGIN; {marks} {_TABLES} COMMIT;")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged ({found[:200]})")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
