"""Sessions in an event loop, and sessions of many threads over one model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import numpy as np
import pytest

from gigaam.audio.pushed import PushedAudio
from gigaam.errors import AudioError
from gigaam.live import Event, Final, LiveOptions, LiveRecognizer, LiveSession, Partial
from gigaam.live.pace import Pace
from gigaam.recognition import SpeechRecognition
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.scheduler import Limits, Priority
from gigaam.types import TranscriptionResult
from gigaam.vad import EverythingIsSpeech
from tests.tones import ToneReader
from tests.unit.live.test_session import (
    PIECE,
    TALK,
    WORDS,
    EnergyDetector,
    finals,
    pieces,
    recognize,
    session,
    text,
)
from tests.unit.recognition.test_longform import FRAME, RATE


async def sent(parts, pause_s: float = 0.0) -> AsyncIterator[np.ndarray]:
    for part in parts:
        await asyncio.sleep(pause_s)
        yield part


async def collected(live: LiveSession, source) -> list[Event]:
    return [event async for event in live.events(source)]


def test_events_of_a_source():
    live = session()
    wanted = [event for piece in pieces(TALK) for event in live.push(piece)] + live.finish()
    events = asyncio.run(collected(session(), sent(pieces(TALK))))
    assert finals(events) == finals(wanted)
    assert any(isinstance(event, Partial) for event in events)


def test_a_source_that_is_not_asynchronous():
    events = asyncio.run(collected(session(), pieces(TALK)))
    assert text(events) == WORDS


def test_the_loop_goes_on_while_sound_is_decoded():
    ticks = 0

    def slow(waveforms):
        time.sleep(0.05)
        return recognize(waveforms)

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> list[Event]:
        ticking = asyncio.create_task(tick())
        events = await collected(session(slow), sent(pieces(TALK), 0.001))
        ticking.cancel()
        return events

    began = time.monotonic()
    assert text(asyncio.run(main())) == WORDS
    assert ticks >= (time.monotonic() - began) / 0.01 / 5


def test_an_error_of_the_source_comes_after_the_last_event():
    async def broken():
        async for piece in sent(pieces(TALK)):
            yield piece
        raise ConnectionError("gone")

    events = []

    async def main() -> None:
        async for event in session().events(broken()):
            events.append(event)

    with pytest.raises(ConnectionError, match="gone"):
        asyncio.run(main())
    assert text(events) == WORDS


def test_an_error_of_a_piece_is_raised_and_another_source_can_follow():
    live = session()
    half = len(TALK) // PIECE // 2 * PIECE
    events = []

    async def follow(source) -> None:
        async for event in live.events(source):
            events.append(event)

    async def main() -> None:
        with pytest.raises(AudioError):
            await follow(sent([*pieces(TALK[:half]), "text"]))
        await follow(sent(pieces(TALK[half:])))

    asyncio.run(main())
    assert text([*events, *live.finish()]) == WORDS


@pytest.mark.parametrize("is_asynchronous", [True, False])
@pytest.mark.parametrize("piece_samples", [PIECE, 10 * len(TALK)])
def test_who_leaves_early_finds_everything_in_the_session(is_asynchronous, piece_samples):
    live = session()
    told: list[Event] = []
    source = pieces(np.concatenate([TALK, TALK]), piece_samples)

    async def main() -> None:
        async with aclosing(live.events(sent(source) if is_asynchronous else source)) as events:
            async for event in events:
                told.append(event)
                if isinstance(event, Final):
                    break
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    time.sleep(0.1)  # for the thread that reads
    for piece in source:  # which was not read
        told.extend(live.push(piece))
    told.extend(live.finish())
    assert text(told) == WORDS * 2


def test_who_is_cancelled_while_sound_is_decoded_loses_nothing():
    def slow(waveforms):
        time.sleep(0.1)
        return recognize(waveforms)

    live = session(slow)
    told: list[Event] = []

    async def follow() -> None:
        async for event in live.events(sent([TALK], 0.0)):
            told.append(event)

    async def main() -> None:
        for _ in range(3):
            task = asyncio.create_task(follow())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task})

    asyncio.run(main())
    told += live.finish()
    assert text(told) == WORDS * 3


def test_a_source_that_is_cancelled_itself_ends():
    async def cancelled():
        yield TALK
        raise asyncio.CancelledError

    events: list[Event] = []

    async def main() -> None:
        async for event in session().events(cancelled()):
            events.append(event)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(main(), 20))
    assert text(events) == WORDS


def test_sources_that_block_do_not_wait_for_one_another():
    release = threading.Event()

    def blocking():
        yield TALK
        release.wait(20)

    async def first_final(live: LiveSession) -> str:
        async with aclosing(live.events(blocking())) as events:
            async for event in events:
                if isinstance(event, Final):
                    return event.segment.text.strip()
        raise AssertionError

    async def main() -> list[str]:
        return await asyncio.gather(*(first_final(session()) for _ in range(40)))

    began = time.monotonic()
    try:
        assert asyncio.run(main()) == [" ".join(WORDS[:6])] * 40
    finally:
        release.set()
    assert time.monotonic() - began < 15


def test_a_cancelled_task_leaves_nothing_running():
    async def never():
        yield TALK[:PIECE]
        await asyncio.sleep(1000)

    async def main() -> None:
        task = asyncio.create_task(collected(session(), never()))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


# Many sessions over one model


class Reader(ToneReader, SpeechRecognition):
    """A model whose letters are tones."""

    def __init__(self, seconds_per_batch: float = 0.0) -> None:
        ToneReader.__init__(
            self, FRAME, 8.0, 10.0, padding=0.0, seconds_per_batch=seconds_per_batch
        )

    @property
    def device(self) -> str:
        return "cpu"


OPTIONS = LiveOptions(vad=EnergyDetector(), word_timestamps=True)


def followed(live: LiveSession, sound: np.ndarray) -> list[Event]:
    return [event for piece in pieces(sound) for event in live.push(piece)] + live.finish()


def test_sessions_in_threads_get_what_they_get_alone():
    model = Reader()
    sounds = [np.roll(TALK, 3200 * number) for number in range(8)]
    alone = [finals(followed(model.live(RATE, options=OPTIONS), sound)) for sound in sounds]
    shared = LiveRecognizer(Reader())
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(
            lambda s: finals(followed(shared.session(RATE, options=OPTIONS), s)), sounds
        )
        assert list(found) == alone


def test_sessions_come_before_files():
    model = Reader(seconds_per_batch=0.05)
    shared = LiveRecognizer(model)
    order: list[str] = []
    files = model.recognizer(batcher=shared.batcher, priority=Priority.BULK)
    started = threading.Event()

    def told(done: float, total: float | None) -> None:
        order.append("file")
        started.set()

    with ThreadPoolExecutor(1) as pool:
        many = pool.submit(
            files.transcribe, [TALK[:RATE]] * 40, input_rate=RATE, batch_size=1, progress=told
        )
        assert started.wait(10)
        live = shared.session(RATE, options=OPTIONS)
        events = live.push(TALK[: 4 * RATE])
        order.append("live")
        assert not many.done()
        assert len(many.result()) == 40
    assert events
    assert order.index("live") < 15


@pytest.mark.parametrize("hears", [True, False])
def test_sessions_do_not_fall_behind(hears):
    """Time is virtual: decoding a second of sound takes 0.3 s, as on a slow machine."""
    now_s = 0.0

    def slow(waveforms):
        nonlocal now_s
        now_s += sum(map(len, waveforms)) / RATE * 0.3
        if hears:
            return recognize(waveforms)
        return [TranscriptionResult("", words=[]) for _ in waveforms]

    options = LiveOptions(vad="none")
    audio = PushedAudio(RATE)
    pace = Pace(options.stride_s, clock=lambda: now_s)
    live = LiveSession(slow, EverythingIsSpeech(), options, audio, pace)
    late = []
    for n, piece in enumerate(pieces(np.tile(TALK, 8)), start=1):
        now_s = max(now_s, n * PIECE / RATE)
        live.push(piece)
        late.append(now_s - n * PIECE / RATE)
    third = len(late) // 3
    assert max(late[-third:]) <= max(late[third:-third]) + 1.0
    assert max(late) < 20


def test_one_stall_does_not_silence_partials():
    now_s = 0.0

    def stalling() -> float:
        nonlocal now_s
        now_s += 60.0 if now_s == 0.0 else 0.01
        return now_s

    pace = Pace(0.4, clock=stalling)
    for _ in range(4):
        with pace.measured():
            pass
        assert pace.stride_s() == 0.4


def test_partials_become_rarer_where_decoding_is_slow():
    live = LiveRecognizer(Reader(seconds_per_batch=0.5)).session(RATE, options=OPTIONS)
    partials = [e for piece in pieces(TALK) for e in live.push(piece) if isinstance(e, Partial)]
    assert partials[0].stride == 0.4
    assert partials[-1].stride > 0.6


def test_a_batcher_may_be_given():
    batcher = Batcher(Limits(max_count=2))
    shared = LiveRecognizer(Reader(), batcher)
    assert shared.batcher is batcher
    assert text(followed(shared.session(RATE, options=OPTIONS), TALK)) == WORDS


def test_options_in_a_call_replace_those_given():
    live = Reader().live(RATE, options=OPTIONS, word_timestamps=False, partials=False)
    events = followed(live, TALK)
    assert all(isinstance(event, Final) and event.segment.words is None for event in events)
    with pytest.raises(TypeError, match="strides"):
        Reader().live(RATE, strides=1)
