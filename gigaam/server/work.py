"""Recognition in threads, on behalf of somebody who may go away meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from gigaam.audio import AudioSource
from gigaam.recognition import LongformArguments
from gigaam.recognition.runner import BatchRunner, Outcome
from gigaam.recognition.scheduler import Priority
from gigaam.recognition.shared import SharedRecognition
from gigaam.server.models import LoadedModel
from gigaam.types import Segment

__all__ = ["Abandoned", "Call", "recognized"]


class Abandoned(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Call:
    """What somebody wants to be told while a recording is recognised, and whether at all.

    Attributes:
        client: Who gets a fair share.
        priority: Whether others go first.
        on_progress: Told the seconds that were done since it was told before.
        on_segment: Given segments of a long recording as soon as they are there.
        abandoned: Set when nobody wants the result any more: work ends after the chunk at hand.
    """

    client: str
    priority: Priority = Priority.INTERACTIVE
    on_progress: Callable[[float], Any] = lambda done_s: None
    on_segment: Callable[[Segment], Any] = lambda segment: None
    abandoned: Event = field(default_factory=Event)

    def check(self) -> None:
        """Raises `Abandoned` if it is."""
        if self.abandoned.is_set():
            raise Abandoned


def recognized(
    loaded: LoadedModel,
    source: AudioSource,
    stated_s: float | None,
    options: LongformArguments,
    call: Call,
) -> Outcome[None]:
    """What comes of a recording: the same text that ``gigaam transcribe`` gives.

    Args:
        loaded: The model.
        source: The recording, which can be read again.
        stated_s: Its length by the header, if that is known.
        options: How it is recognised.
        call: On whose behalf.

    Raises:
        Abandoned: See `Call`.
        GigaAMError: The recording cannot be used, or not so.
    """
    call.check()
    caller = ("request", call.client)
    shared = SharedRecognition(loaded.model, loaded.batcher, caller=caller, priority=call.priority)
    return run(shared, loaded.batch_size, source, stated_s, options, call)


def run(
    model: SharedRecognition,
    batch_size: int,
    source: AudioSource,
    stated_s: float | None,
    options: LongformArguments,
    call: Call,
) -> Outcome[None]:
    """The same by a model that may do more than recognise."""
    told_s = 0.0

    def progress(done_s: float, total_s: float | None) -> None:
        nonlocal told_s
        call.check()
        if done_s > told_s:
            call.on_progress(done_s - told_s)
            told_s = done_s

    def segment(found: Segment) -> None:
        call.check()
        call.on_segment(found)

    runner = BatchRunner(model, word_timestamps=True, batch_size=batch_size, options=options)
    outcome = runner.run_one(source, stated_s, on_progress=progress, on_segment=segment)
    call.check()
    if isinstance(outcome.result, Exception):
        raise outcome.result
    if outcome.duration_s > told_s:
        call.on_progress(outcome.duration_s - told_s)
    return outcome
