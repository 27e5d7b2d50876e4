"""Jobs, their segments and the chunks that are recognised already, in a database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gigaam.server.jobs.database import Database
from gigaam.server.jobs.job import FINISHED, OPEN, Job
from gigaam.server.jobs.plain import chunk_from, chunk_json, segment_from, segment_json
from gigaam.server.work import Abandoned
from gigaam.types import Segment, TranscriptionResult

__all__ = ["JobStore"]

_LISTS = ("fields", "ignored", "warnings")
_OBJECTS = ("stamp", "error")
_COLUMNS = tuple(Job.__dataclass_fields__)
_MOST_KEYS = 500  # of one query

_IS_OPEN = f"status IN {OPEN}"


class JobStore:
    """What a server knows of its jobs; threads may share it.

    Attributes:
        database: Where.
        counts: Jobs by status.
        open_by_client: Jobs that wait or run, by whose they are.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        """The jobs of a database.

        Args:
            database: Where they are.
            now: Tells the time, in seconds since 1970.
        """
        self.database = database
        self.counts: Mapping[str, int] = {}
        self.open_by_client: Counter[str] = Counter()
        self._now = now
        with database.reading() as connection:
            self._count(connection)

    def add(self, job: Job) -> Job:
        """Keep a new job; it, with the time."""
        values = {name: getattr(job, name) for name in _COLUMNS} | {"created_at": self._now()}
        plain = [_plain(name, values[name]) for name in _COLUMNS]
        marks = ", ".join("?" * len(plain))
        with self.database.transaction() as connection:
            connection.execute(f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})", plain)
            self._count(connection)
            return _found(connection, job.id)

    def get(self, id: str, client: str | None = None) -> Job | None:
        """A job; None if there is none, or it is somebody else's.

        Args:
            id: Its name.
            client: Whose it must be; None for anybody's.
        """
        with self.database.reading() as connection:
            job = _job(connection, id)
        return job if job is not None and client in (None, job.client) else None

    def page(self, client: str | None, limit: int, after: str | None = None) -> list[Job]:
        """Jobs, the newest first.

        Args:
            client: Whose; None for all.
            limit: How many at most.
            after: A job, older ones than which are wanted.
        """
        query = "SELECT * FROM jobs WHERE (:client IS NULL OR client = :client)"
        query += " AND (:after IS NULL OR seq < (SELECT seq FROM jobs WHERE id = :after))"
        wanted = {"client": client, "after": after, "limit": limit}
        with self.database.reading() as connection:
            rows = connection.execute(f"{query} ORDER BY seq DESC LIMIT :limit", wanted)
            return list(map(_from_row, rows))

    def recover(self, most_deaths: int) -> tuple[list[str], list[str]]:
        """Take up what a server before this one has left: jobs that go on, and those that must not.

        Args:
            most_deaths: A job during which the process has died so often, without getting further
                meanwhile, does not go on.
        """
        is_running = "status = 'running'"
        with self.database.transaction() as connection:
            died = "n_deaths = n_deaths + 1, at_work = 0"
            connection.execute(f"UPDATE jobs SET {died} WHERE {is_running} AND at_work")
            query = f"SELECT id, n_deaths FROM jobs WHERE {is_running} ORDER BY seq"
            found = connection.execute(query).fetchall()
        poisonous = [row["id"] for row in found if row["n_deaths"] >= most_deaths]
        return [row["id"] for row in found if row["id"] not in poisonous], poisonous

    def waiting(self) -> list[tuple[str, str, bool]]:
        """Name, client and whether it was begun already, of jobs that wait, oldest first."""
        query = f"SELECT id, client, status FROM jobs WHERE {_IS_OPEN} ORDER BY seq"
        with self.database.reading() as connection:
            rows = connection.execute(query).fetchall()
        return [(row["id"], row["client"], row["status"] == "running") for row in rows]

    def begin(self, id: str) -> Job | None:
        """A job as it is at work now; None if it is not wanted any more."""
        changes = "status = 'running', at_work = 1, started_at = coalesce(started_at, ?)"
        return self._change(id, changes, self._now())

    def pause(self, id: str) -> None:
        """Work at a job ends; it goes on later."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE jobs SET at_work = 0 WHERE id = ? AND at_work", (id,))

    def remembered(self, id: str, digests: Sequence[bytes]) -> dict[bytes, TranscriptionResult]:
        """Chunks of a job that were recognised already, by digest."""
        found: dict[bytes, TranscriptionResult] = {}
        with self.database.reading() as connection:
            for first in range(0, len(digests), _MOST_KEYS):
                keys = digests[first : first + _MOST_KEYS]
                marks = ", ".join("?" * len(keys))
                query = f"SELECT digest, body FROM chunks WHERE job = ? AND digest IN ({marks})"
                for row in connection.execute(query, (id, *keys)):
                    found[row["digest"]] = chunk_from(row["body"])
        return found

    def remember(self, id: str, results: Mapping[bytes, TranscriptionResult]) -> None:
        """Keep chunks of a running job; it got further, so deaths before do not count.

        Raises:
            Abandoned: It does not run any more.
        """
        rows = [(id, digest, chunk_json(result)) for digest, result in results.items()]
        with self.database.transaction() as connection:
            _check_running(connection, id)
            connection.executemany("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", rows)
            connection.execute("UPDATE jobs SET n_deaths = 0 WHERE id = ? AND n_deaths", (id,))

    def progress(self, id: str, done_s: float, first: int, segments: Sequence[Segment]) -> None:
        """Keep how far a running job is. What it has told before is not taken back.

        Args:
            id: Its name.
            done_s: Seconds that are recognised.
            first: The number of the first of the segments.
            segments: New ones.

        Raises:
            Abandoned: It does not run any more.
        """
        with self.database.transaction() as connection:
            _check_running(connection, id)
            _put_segments(connection, id, first, segments)
            changes = "done_s = max(done_s, ?), n_segments = max(n_segments, ?)"
            values = (done_s, first + len(segments), id)
            connection.execute(f"UPDATE jobs SET {changes} WHERE id = ?", values)

    def succeed(
        self,
        id: str,
        segments: Sequence[Segment],
        *,
        text: str,
        duration_s: float,
        language: str | None,
        warnings: Sequence[str],
    ) -> Job | None:
        """Keep what came of a job; None if it is not wanted any more."""
        with self.database.transaction() as connection:
            job = _job(connection, id)
            if job is None or job.is_finished:
                return None
            connection.execute("DELETE FROM segments WHERE job = ?", (id,))
            _put_segments(connection, id, 0, segments)
            changes = "text = ?, duration_s = ?, done_s = ?, language = ?, n_segments = ?"
            values = (text, duration_s, duration_s, language, len(segments), id)
            connection.execute(f"UPDATE jobs SET {changes} WHERE id = ?", values)
            return self._finish(connection, id, "succeeded", warnings, None)

    def fail(self, id: str, error: Mapping[str, Any], warnings: Sequence[str]) -> Job | None:
        """Keep why a job failed; None if it is not wanted any more."""
        with self.database.transaction() as connection:
            return self._finish(connection, id, "failed", warnings, error)

    def cancel(self, id: str) -> Job | None:
        """A job that ends now; None if it had ended before, or there is none."""
        with self.database.transaction() as connection:
            return self._finish(connection, id, "cancelled", (), None)

    def delete(self, id: str) -> None:
        """Forget a job, and all that belongs to it."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (id,))
            self._count(connection)

    def segments(self, id: str, first: int = 0, limit: int = -1) -> list[Segment]:
        """Segments of a job in order.

        Args:
            id: Its name.
            first: The number of the first one.
            limit: How many at most; -1 for all.
        """
        query = "SELECT body FROM segments WHERE job = ? AND n >= ? ORDER BY n LIMIT ?"
        with self.database.reading() as connection:
            rows = connection.execute(query, (id, first, limit)).fetchall()
        return [segment_from(row["body"]) for row in rows]

    def finished(self, before: float | None = None) -> list[str]:
        """Jobs that have ended, those first that did so first.

        Args:
            before: Only those that ended before, in seconds since 1970.
        """
        query = f"SELECT id FROM jobs WHERE status IN {FINISHED}"
        query += " AND (:before IS NULL OR finished_at < :before) ORDER BY finished_at, seq"
        with self.database.reading() as connection:
            return [row["id"] for row in connection.execute(query, {"before": before})]

    def now(self) -> float:
        """The time by the clock that finished jobs are stamped with."""
        return self._now()

    def _change(self, id: str, changes: str, *values: object) -> Job | None:
        with self.database.transaction() as connection:
            query = f"UPDATE jobs SET {changes} WHERE id = ? AND {_IS_OPEN}"
            is_changed = connection.execute(query, (*values, id)).rowcount
            self._count(connection)
            return _found(connection, id) if is_changed else None

    def _finish(
        self,
        connection: sqlite3.Connection,
        id: str,
        status: str,
        warnings: Sequence[str],
        error: Mapping[str, Any] | None,
    ) -> Job | None:
        """An open job, ended; what is not needed any more is deleted."""
        changes = "status = ?, finished_at = ?, warnings = ?, error = ?, fields = '[]', at_work = 0"
        told = [_plain("warnings", warnings), _plain("error", error)]
        query = f"UPDATE jobs SET {changes} WHERE id = ? AND {_IS_OPEN}"
        if not connection.execute(query, (status, self._now(), *told, id)).rowcount:
            return None
        connection.execute("DELETE FROM chunks WHERE job = ?", (id,))
        self._count(connection)
        return _found(connection, id)

    def _count(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT status, count(*) FROM jobs GROUP BY status")
        self.counts = {status: number for status, number in rows}
        query = f"SELECT client, count(*) FROM jobs WHERE {_IS_OPEN} GROUP BY client"
        self.open_by_client = Counter({client: n for client, n in connection.execute(query)})


def _check_running(connection: sqlite3.Connection, id: str) -> None:
    row = connection.execute("SELECT status FROM jobs WHERE id = ?", (id,)).fetchone()
    if row is None or row["status"] != "running":
        raise Abandoned


def _put_segments(
    connection: sqlite3.Connection, id: str, first: int, segments: Sequence[Segment]
) -> None:
    rows = [(id, n, segment_json(each)) for n, each in enumerate(segments, first)]
    connection.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?)", rows)


def _job(connection: sqlite3.Connection, id: str) -> Job | None:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
    return None if row is None else _from_row(row)


def _found(connection: sqlite3.Connection, id: str) -> Job:
    job = _job(connection, id)
    assert job is not None
    return job


def _plain(name: str, value: Any) -> Any:
    if name in _LISTS:
        return json.dumps(list(value), ensure_ascii=False)
    return (
        json.dumps(value, ensure_ascii=False) if name in _OBJECTS and value is not None else value
    )


def _from_row(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    for name in _LISTS:
        values[name] = tuple(json.loads(values[name]))
    values["fields"] = tuple((key, value) for key, value in values["fields"])
    for name in _OBJECTS:
        values[name] = None if values[name] is None else json.loads(values[name])
    if values["stamp"] is not None:
        values["stamp"] = tuple(values["stamp"])
    return Job(**values)
