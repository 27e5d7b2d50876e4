"""One recording of a request: measured, admitted to a place, recognised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gigaam.audio import AudioSource, channel_count, duration_s
from gigaam.errors import GigaAMError
from gigaam.recognition import LongformArguments, SpeechRecognition
from gigaam.server.admission import Ticket
from gigaam.server.answers import Transcript
from gigaam.server.known_speakers import calling_by_name, stated_seconds
from gigaam.server.languages import check_languages, languages_of
from gigaam.server.refusals import Refusal
from gigaam.server.service import LONG_S, Service
from gigaam.server.threads import in_thread
from gigaam.server.warned import collected_warnings
from gigaam.server.wishes import Wishes
from gigaam.server.work import Call, recognized
from gigaam.types import Segment

__all__ = ["Listening", "check_length", "measured", "spoken_language"]


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
        await self.service.models.ready(self.wishes.model)
        seconds, n_channels, known_s = await asyncio.to_thread(self._measured)
        recognize = partial(self._recognized, seconds, n_channels, on_segment)
        work = partial(in_thread, self.service.executor, recognize, self.call.abandoned.set)
        turns, client = self.service.turns, self.call.client
        if seconds is not None and seconds * n_channels + known_s <= LONG_S:
            async with turns.turn(client):
                return await work()
        async with self.service.long_turns.turn(client), turns.turn(client):
            return await work()

    def _measured(self) -> tuple[float | None, int, float]:
        """Seconds by the header, if they are known, channels heard apart, seconds of known voices.

        Raises:
            Refusal: It is too long.
        """
        known_s = stated_seconds(self.wishes.known)
        try:
            seconds, n_channels = measured(self.source, self.wishes.options)
        except (GigaAMError, OSError):  # what is wrong with it shows when it is read
            return None, 1, known_s
        if seconds is not None:
            self.ticket.measured(seconds * n_channels + known_s)
            check_length(seconds * n_channels, self.service.settings.max_duration_s)
        return seconds, n_channels, known_s

    def _recognized(
        self, stated_s: float | None, n_channels: int, on_segment: Callable[[Segment], Any]
    ) -> Transcript:
        service, done_s = self.service, 0.0

        def progress(further_s: float) -> None:
            nonlocal done_s
            sound_s = further_s * n_channels
            done_s += sound_s
            check_length(done_s, service.settings.max_duration_s)
            service.speed.done(sound_s)
            self.ticket.progress(sound_s)
            service.metrics.sound_s.labels("file").inc(sound_s)

        def heard(known_s: float) -> None:
            service.speed.done(known_s)
            self.ticket.progress(known_s)

        wishes, call = self.wishes, replace(self.call, on_progress=progress, on_segment=on_segment)
        with (
            service.models.borrowed(wishes.model) as loaded,
            service.speed.working(),
            collected_warnings() as warnings,
        ):
            language = spoken_language(wishes, loaded.model)
            options = calling_by_name(wishes.options, wishes.known, call.check, heard)
            outcome = recognized(loaded, self.source, stated_s, options, call)
        assert not isinstance(outcome.result, Exception)
        found = outcome.result
        return Transcript.of(found, outcome.duration_s, loaded.name, language, warnings)


def measured(source: AudioSource, options: LongformArguments) -> tuple[float | None, int]:
    """Seconds of a recording by its header, None if it does not say, and channels heard apart.

    Raises:
        AudioError: It cannot be read.
    """
    track = options.get("track")
    is_split = options.get("channels") == "split"
    n_channels = channel_count(source, track=track) if is_split else 1
    return duration_s(source, track=track), n_channels


def check_length(seconds: float, most_s: float) -> None:
    """Refuses recordings that are too long."""
    if seconds > most_s:
        told = f"the server takes recordings of up to {most_s:.0f} s, all channels together"
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
