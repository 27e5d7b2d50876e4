"""Streams of sound in an event loop: what waits, what is given back."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

import gigaam
from gigaam.live import Final
from gigaam.server import ServerSettings
from gigaam.server.languages import check_languages, language_codes
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.streams import stream as streams
from gigaam.server.streams.ends import ServerEnds, Stalled, awaited, together
from gigaam.server.streams.stream import Live, Sound, told_event
from tests.live_streams import finals_of, pieces, spoken, texts_of

SOUND = Sound(16_000)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


def service(**settings: Any) -> Service:
    return Service(ServerSettings(models=("tiny_ctc",), **settings))


def test_events_come_while_sound_comes() -> None:
    async def texts() -> list[str]:
        live = Live(service(), "test")
        stream = await live.stream(None, SOUND, {})
        found: list[str] = []

        async def listen() -> None:
            for piece in pieces(spoken(), 3_333):
                await stream.put(piece)
            stream.end()

        async def tell() -> None:
            async for event in stream.events():
                if isinstance(event, Final) and event.segment.text:
                    found.append(event.segment.text)

        await together(listen(), tell())
        assert live.sound_s == pytest.approx(len(spoken()) / 32_000)
        live.leave()
        return found

    assert run(texts()) == texts_of(spoken())


def test_finals_are_exactly_those_of_a_session() -> None:
    async def segments() -> list[gigaam.Segment]:
        live = Live(service(), "test")
        stream = await live.stream(None, SOUND, {"word_timestamps": True})
        await stream.put(spoken())  # more than is heard in one go
        stream.end()
        events = [event async for event in stream.events()]
        return [event.segment for event in events if isinstance(event, Final)]

    found = [segment for segment in run(segments()) if segment.text]
    assert found == finals_of(spoken(), word_timestamps=True)


def test_too_much_unheard_sound_has_to_wait() -> None:
    async def unheard() -> None:
        stream = await Live(service(), "test").stream(None, SOUND, {})
        for _ in range(60):
            await stream.put(bytes(32_000))
        waiting = asyncio.create_task(stream.put(bytes(32_000)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        telling = asyncio.create_task(drain(stream))
        await waiting
        stream.end()
        await telling

    run(unheard())


def test_who_waits_is_let_go_when_the_stream_is_dropped() -> None:
    async def dropped() -> None:
        stream = await Live(service(), "test").stream(None, SOUND, {})
        await stream.put(bytes(61 * 32_000))
        waiting = asyncio.create_task(stream.put(bytes(2)))
        await asyncio.sleep(0.01)
        stream.drop()
        await waiting
        assert [event async for event in stream.events()] == []

    run(dropped())


def test_all_streams_of_a_connection_share_the_room() -> None:
    async def shared() -> None:
        live = Live(service(), "test")
        streams = [await live.stream(None, SOUND, {}) for _ in range(4)]
        for stream, seconds in zip(streams, (20, 20, 20), strict=False):
            await stream.put(bytes(seconds * 32_000))
            stream.end()
        waiting = asyncio.create_task(streams[3].put(bytes(40 * 32_000)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await drain(streams[0])
        await waiting
        waiting = asyncio.create_task(streams[3].put(bytes(2)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        for stream in streams[1:3]:  # which nobody wants any more
            stream.drop()
        await waiting

    run(shared())


async def drain(stream: streams.LiveStream) -> None:
    async for _ in stream.events():
        pass


def test_a_place_is_taken_with_the_first_stream_and_given_back() -> None:
    async def places() -> None:
        here = service(max_live=1)
        one, two = Live(here, "test"), Live(here, "test")
        for _ in range(2):  # a second stream needs no second place
            await one.stream(None, SOUND, {})
        assert (one.has_place, two.has_place, here.slots.n_live) == (True, False, 1)
        with pytest.raises(Refusal, match="all this server takes"):
            await two.stream(None, SOUND, {})
        one.leave()
        one.leave()
        assert here.slots.n_live == 0
        await two.stream(None, SOUND, {})
        two.leave()

    run(places())


def test_a_model_that_fails_frees_the_place() -> None:
    def load(name: str) -> Any:
        raise gigaam.errors.ModelError("no such file")

    async def failed() -> None:
        here = Service(ServerSettings(models=("tiny_ctc",)), load)
        with pytest.raises(Refusal, match="cannot be loaded"):
            await Live(here, "test").stream(None, SOUND, {})
        assert here.slots.n_live == 0

    run(failed())


def test_whoever_leaves_while_a_model_is_loaded_gives_it_back() -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(name: str) -> Any:
        loading.set()
        assert go_on.wait(30)
        return gigaam.load_model("tiny_ctc")

    async def left() -> None:
        here = Service(ServerSettings(models=("other", "tiny_ctc"), model_ttl_s=1e-9), load)
        task = asyncio.create_task(Live(here, "test").stream("tiny_ctc", SOUND, {}))
        await asyncio.to_thread(loading.wait)
        task.cancel()
        await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert here.slots.n_live == 0
        assert here.models.unload_idle() == ["tiny_ctc"]  # nobody has it

    run(left())


def test_a_failure_comes_after_the_events_before_it(packaged_model: gigaam.GigaAMASR) -> None:
    async def failed() -> list[str]:
        stream = await Live(service(), "test").stream(None, Sound(16_000, "f32le"), {})
        speech = np.frombuffer(spoken(times=2), "<i2").astype("<f4") / 32768
        await stream.put(speech.tobytes()[: 16_000 * 4 * 9])
        found: list[str] = []
        told = asyncio.Event()

        async def tell() -> None:
            async for event in stream.events():
                if isinstance(event, Final):
                    found.append(event.segment.text)
                    told.set()

        telling = asyncio.create_task(tell())
        await told.wait()
        await stream.put(np.full(1_600, np.nan, "<f4").tobytes())
        stream.end()
        with pytest.raises(gigaam.errors.AudioError):
            await telling
        return found

    assert run(failed())[0] == texts_of(spoken())[0]


def test_waiting_ends() -> None:
    async def waits() -> None:
        closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        assert await awaited(asyncio.sleep(0, "x"), closing, None) == "x"
        with pytest.raises(Stalled):
            await awaited(asyncio.sleep(9), closing, 0.01)
        closing.set_result(None)
        with pytest.raises(ServerEnds):
            await awaited(asyncio.sleep(9), closing, None)

    run(waits())


def test_languages() -> None:
    assert language_codes(["ru-RU", "auto", "", "RU", "kk_KZ"]) == ("ru", "kk")
    known, named = ("ru",), ("fr",)
    check_languages((), named)
    check_languages(known, ())
    with pytest.raises(Refusal, match="understands ru, not fr"):
        check_languages(known, named)


def test_events_are_told_in_whole_milliseconds() -> None:
    word = gigaam.Word("да", 0.123456, 0.5, 0.987654)
    segment = gigaam.Segment("да", 0.123456, 0.5, [word], 0.987654)
    told = told_event(Final(segment, "silence", (0.100049, 1 / 3)))
    assert told["start"] == 0.123
    assert told["confidence"] == 0.9877
    assert told["utterance"] == [0.1, 0.333]
    assert told["words"][0]["start"] == 0.123
    assert told["words"][0]["confidence"] == 0.9877
