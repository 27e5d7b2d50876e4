"""Live speech of one connection: its place, its model, and the streams of its sound.

A connection takes a place among the live sessions when its first sound comes. Decoding is done in
threads; sound that comes meanwhile waits, and once too much does, whoever brings it waits as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from gigaam.audio.pushed import SAMPLE_FORMATS, PushedAudio
from gigaam.live import Event, LiveArguments, LiveSession
from gigaam.server.languages import check_languages, languages_of
from gigaam.server.models import LoadedModel
from gigaam.server.service import Service
from gigaam.server.threads import in_thread

__all__ = [
    "Live",
    "LiveStream",
    "Sound",
    "Unheard",
    "told_event",
]

_MOST_UNHEARD_S = 60.0
_MOST_UNHEARD_BYTES = 16 << 20
"""Of one connection; a piece is taken whole, however large, while less than this waits."""

_AT_ONCE_S = 2.0
"""Of sound that waits, so much is heard in one go: then there are events again."""

_MOMENTS = ("start", "end", "stride", "utterance")


@dataclass(frozen=True)
class Sound:
    """What the bytes of a stream are.

    Attributes:
        rate: In Hz.
        sample_format: One of `gigaam.audio.pushed.SAMPLE_FORMATS`.
        n_channels: Interleaved.
    """

    rate: int
    sample_format: str = "s16le"
    n_channels: int = 1

    @property
    def bytes_per_s(self) -> int:
        """How many bytes are a second."""
        return self.rate * self.n_channels * SAMPLE_FORMATS[self.sample_format]

    def check(self) -> None:
        """Raises `AudioError` if there is no such sound."""
        PushedAudio(self.rate, sample_format=self.sample_format, n_channels=self.n_channels)


class Live:
    """The live speech of one connection. For the event loop alone.

    Attributes:
        service: The server.
        sound_s: Seconds of sound that have come.
        unheard: What of it waits to be heard, of all streams.
    """

    def __init__(self, service: Service, protocol: str) -> None:
        """The speech of a connection that has sent no sound.

        Args:
            service: The server.
            protocol: What it speaks, for measurements.
        """
        self.service = service
        self.sound_s = 0.0
        self.unheard = Unheard()
        self._protocol = protocol
        self._held = ExitStack()
        self._loaded: LoadedModel | None = None

    @property
    def has_place(self) -> bool:
        """Whether it has a place among the live sessions."""
        return self._loaded is not None

    async def stream(
        self,
        model: str | None,
        sound: Sound,
        options: LiveArguments,
        languages: Sequence[str] = (),
    ) -> LiveStream:
        """A stream of sound; the place and the model are taken with the first one.

        Args:
            model: The name that was asked for; it counts when the place is taken.
            sound: What is to come.
            options: How it is listened to.
            languages: Those that may be spoken, as ISO 639-1 codes.

        Raises:
            Refusal: There is no place, or the model cannot be loaded or knows no such language.
            GigaAMError: Something cannot be as the options say.
        """
        if self._loaded is None:
            await self._take_place(model)
        assert self._loaded is not None
        check_languages(languages_of(self._loaded.model), languages)
        session = await in_thread(
            self.service.live_executor, partial(self._session, self._loaded, sound, options)
        )
        return LiveStream(self, session, sound)

    def leave(self) -> None:
        """Give the place to others."""
        self._loaded = None
        self._held.close()

    async def _take_place(self, model: str | None) -> None:
        with ExitStack() as taken:
            taken.enter_context(self.service.slots.session(self._protocol))
            borrowing = self.service.models.borrowed(model)
            loop, executor = asyncio.get_running_loop(), self.service.live_executor
            entering = loop.run_in_executor(executor, borrowing.__enter__)
            try:
                self._loaded = await asyncio.shield(entering)
            except asyncio.CancelledError:
                await asyncio.wait({entering})
                if entering.exception() is None:
                    borrowing.__exit__(None, None, None)
                raise
            taken.callback(borrowing.__exit__, None, None, None)
            self._held = taken.pop_all()

    @staticmethod
    def _session(loaded: LoadedModel, sound: Sound, options: LiveArguments) -> LiveSession:
        return loaded.live.session(
            sound.rate,
            sample_format=sound.sample_format,
            n_channels=sound.n_channels,
            **options,
        )


class Unheard:
    """How much sound of a connection waits to be heard. For the event loop alone."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._shares: dict[LiveStream, float] = {}
        self._has_less = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return sum(self._shares.values()) >= 1

    def put(self, stream: LiveStream, share: float) -> None:
        """What waits of a stream, as a share of all that may wait."""
        self._shares[stream] = share
        if not share:
            del self._shares[stream]
        self._has_less.set()

    async def less(self) -> None:
        """Waits until some of it is heard, or nobody wants it any more."""
        self._has_less.clear()
        await self._has_less.wait()


class LiveStream:
    """One stream of sound, from its first piece to its last event. For the event loop alone."""

    def __init__(self, live: Live, session: LiveSession, sound: Sound) -> None:
        """A stream of which nothing has come.

        Args:
            live: The connection's.
            session: Recognises it.
            sound: What it is.
        """
        self._live = live
        self._session = session
        self._sound = sound
        self._unheard = bytearray()
        self._most_unheard = min(round(_MOST_UNHEARD_S * sound.bytes_per_s), _MOST_UNHEARD_BYTES)
        self._changed = asyncio.Event()
        self._is_ended = self._is_dropped = False
        self.sound_s = 0.0

    async def put(self, sound: bytes) -> None:
        """Take further sound; while too much of the connection's is unheard, this waits."""
        while self._live.unheard.is_full and not self._is_dropped:
            await self._live.unheard.less()
        if self._is_dropped:
            return
        self._unheard += sound
        self._tell_unheard()
        self._changed.set()
        seconds = len(sound) / self._sound.bytes_per_s
        self.sound_s += seconds
        self._live.sound_s += seconds
        self._live.service.metrics.sound_s.labels("live").inc(seconds)

    def end(self) -> None:
        """No more sound comes."""
        self._is_ended = True
        self._changed.set()

    def drop(self) -> None:
        """Nobody wants to know any more; there are no further events."""
        self._is_dropped = True
        self._unheard.clear()
        self._tell_unheard()
        self.end()

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is told, until the sound has ended and all of it was heard."""
        while await self._has_more():
            async for event in self._worked(self._session.work):
                yield event
        async for event in self._worked(self._session.end):
            yield event

    async def heard(self, sound: bytes) -> list[Event]:
        """What further sound lets it tell, for protocols of question and answer."""
        await self.put(sound)
        self._hand_over()
        return [event async for event in self._worked(self._session.work)]

    async def _has_more(self) -> bool:
        """Whether there is sound to hear, which is handed over; waits until it is known."""
        while not self._unheard:
            if self._is_ended:
                return False
            self._changed.clear()
            await self._changed.wait()
        self._hand_over(round(_AT_ONCE_S * self._sound.bytes_per_s))
        return True

    def _hand_over(self, most_bytes: int | None = None) -> None:
        self._session.put(bytes(self._unheard[:most_bytes]))
        del self._unheard[:most_bytes]
        self._tell_unheard()

    def _tell_unheard(self) -> None:
        self._live.unheard.put(self, len(self._unheard) / self._most_unheard)

    async def _worked(self, work: Callable[[], None]) -> AsyncGenerator[Event, None]:
        """The events of work; what fails is raised after those that came before."""
        if self._is_dropped:
            return
        failure: Exception | None = None
        try:
            await in_thread(self._live.service.live_executor, work)
        except Exception as error:
            failure = error
        while not self._is_dropped and (event := self._session.next_event()) is not None:
            yield event
        if failure is not None and not self._is_dropped:
            raise failure


def told_event(event: Event) -> dict[str, Any]:
    """An event as it is told: times in whole milliseconds, confidences with four digits."""
    told: dict[str, Any] = _rounded(event.to_dict())
    return told


def _rounded(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each, name) for each in value]
    if isinstance(value, float):
        return round(value, 3 if name in _MOMENTS else 4)
    return value
