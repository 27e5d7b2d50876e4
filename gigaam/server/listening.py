"""One recording of a request: measured, admitted to a place, recognised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gigaam.audio import AudioSource, duration_s
from gigaam.errors import GigaAMError
from gigaam.recognition import SpeechRecognition
from gigaam.server.admission import Ticket
from gigaam.server.answers import Transcript
from gigaam.server.languages import check_languages, languages_of
from gigaam.server.refusals import Refusal
from gigaam.server.service import LONG_S, Service
from gigaam.server.warned import collected_warnings
from gigaam.server.wishes import Wishes
from gigaam.server.work import Call, in_thread, recognized
from gigaam.types import Segment

__all__ = ["Listening", "check_length", "spoken_language"]


@dataclass(frozen=True)
class Listening:
    """A recording that somebody wants the text of.

    Attributes:
        service: The server.
        wishes: How it is to be recognised.
        source: The recording, which can be read again.
        ticket: That of the request.
        call: On whose behalf.
    """

    service: Service
    wishes: Wishes
    source: AudioSource
    ticket: Ticket
    call: Call

    async def transcript(self, on_segment: Callable[[Segment], Any]) -> Transcript:
        """The text, once it is this recording's turn; if cancelled, work ends at the next chunk.

        Args:
            on_segment: Given the segments of a long recording as they come, in another thread.
        """
        seconds = await asyncio.to_thread(self._measured)
        recognize = partial(self._recognized, seconds, on_segment)
        work = partial(in_thread, self.service.executor, self.call, recognize)
        turns, client = self.service.turns, self.call.client
        if seconds is not None and seconds <= LONG_S:
            async with turns.turn(client):
                return await work()
        async with self.service.long_turns.turn(client), turns.turn(client):
            return await work()

    def _measured(self) -> float | None:
        """Seconds by the header, as far as they are known; refused if there are too many."""
        try:
            seconds = duration_s(self.source, track=self.wishes.options.get("track"))
        except (GigaAMError, OSError):  # what is wrong with it shows when it is read
            return None
        if seconds is not None:
            self.ticket.measured(seconds)
            check_length(seconds, self.service.settings.max_duration_s)
        return seconds

    def _recognized(
        self, stated_s: float | None, on_segment: Callable[[Segment], Any]
    ) -> Transcript:
        service, done_s = self.service, 0.0

        def progress(further_s: float) -> None:
            nonlocal done_s
            done_s += further_s
            check_length(done_s, service.settings.max_duration_s)
            service.speed.done(further_s)
            self.ticket.progress(further_s)
            service.metrics.sound_s.labels("file").inc(further_s)

        call = replace(self.call, on_progress=progress, on_segment=on_segment)
        with (
            service.models.borrowed(self.wishes.model) as loaded,
            service.speed.working(),
            collected_warnings() as warnings,
        ):
            language = spoken_language(self.wishes, loaded.model)
            outcome = recognized(loaded, self.source, stated_s, self.wishes.options, call)
        assert not isinstance(outcome.result, Exception)
        return Transcript.of(outcome.result, outcome.duration_s, language, warnings)


def check_length(seconds: float, most_s: float) -> None:
    """Refuses recordings that are too long."""
    if seconds > most_s:
        told = f"the recording is longer than {most_s:.0f} s, which is all that the server takes"
        raise Refusal(413, told, code="audio_too_long", param="file")


def spoken_language(wishes: Wishes, model: SpeechRecognition) -> str | None:
    """The language of a recording, as far as request and model tell.

    Raises:
        Refusal: The model knows none of the languages that were named.
    """
    known = languages_of(model)
    check_languages(known, wishes.languages)
    if len(wishes.languages) == 1:
        return wishes.languages[0]
    return known[0] if len(known) == 1 else None
