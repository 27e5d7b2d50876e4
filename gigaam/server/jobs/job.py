"""A job: a recording that is recognised in its own time, and what has come of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gigaam.server.refusals import Refusal

__all__ = ["FINISHED", "OPEN", "Job", "error_of", "refusal_from"]

OPEN = ("queued", "running")
FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the store knows it.

    Attributes:
        id: Its name.
        client: Whose it is.
        model: What recognises it.
        filename: The last part of the recording's name.
        fields: The texts of the form that asked for it; empty when it is finished.
        path: Where the recording lies under the server's root; None for an upload.
        stamp: Size and time of change of such a recording, which must stay the same.
        ignored: Fields that have no effect.
        status: queued, running, succeeded, failed or cancelled.
        created_at: In seconds since 1970, like the other times.
        started_at: When work at it began first.
        finished_at: When it ended.
        duration_s: How long the recording is, as far as that is known.
        done_s: How much of it is recognised.
        n_segments: How many there are so far.
        warnings: What is to be known of the recording.
        error: Why it failed; see `error_of`.
        text: All of the text, once it is there.
        language: What is spoken, as far as that is known.
    """

    id: str
    client: str
    model: str
    filename: str
    fields: tuple[tuple[str, str], ...] = ()
    path: str | None = None
    stamp: tuple[int, int] | None = None
    ignored: tuple[str, ...] = ()
    status: str = "queued"
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    duration_s: float | None = None
    done_s: float = 0.0
    n_segments: int = 0
    warnings: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = field(default=None, hash=False)
    text: str | None = None
    language: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINISHED

    @property
    def progress(self) -> dict[str, float | None]:
        """Seconds done, and in all; None where the header says nothing, or something wrong."""
        total_s = self.duration_s
        if total_s is not None and self.done_s > total_s + 0.001:
            total_s = None
        return {
            "done_s": round(self.done_s, 3),
            "total_s": None if total_s is None else round(total_s, 3),
        }

    def told(self, ttl_s: float) -> dict[str, Any]:
        """The job object of the interface.

        Args:
            ttl_s: Finished jobs are forgotten after so many seconds.
        """
        error = self.error
        return {
            "id": self.id,
            "object": "job",
            "status": self.status,
            "created_at": int(self.created_at),
            "started_at": None if self.started_at is None else int(self.started_at),
            "finished_at": None if self.finished_at is None else int(self.finished_at),
            "expires_at": None if self.finished_at is None else int(self.finished_at + ttl_s),
            "model": self.model,
            "filename": self.filename,
            "duration": None if self.duration_s is None else round(self.duration_s, 3),
            "progress": self.progress,
            "n_segments": self.n_segments,
            "warnings": list(self.warnings),
            "ignored": list(self.ignored),
            "error": error and {key: error[key] for key in ("message", "type", "code", "param")},
        }


def error_of(refusal: Refusal) -> dict[str, Any]:
    """A refusal as jobs keep it: the error object, and the status of the answer."""
    return {**refusal.error, "status": refusal.status}


def refusal_from(error: Mapping[str, Any]) -> Refusal:
    """The refusal again. Clients need not come again: it stays so."""
    return Refusal(
        error["status"],
        error["message"],
        code=error["code"],
        param=error["param"],
        headers={"x-should-retry": "false"},
    )
