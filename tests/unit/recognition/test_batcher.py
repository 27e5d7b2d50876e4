"""Recordings of many callers through one encoder."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.errors import ArgumentError
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.scheduler import Limits, Priority
from tests.examples import examples
from tests.tones import LETTERS, ToneReader
from tests.unit.recognition.test_recognizer import (
    RATE,
    recognizer,
    speak,
    texts_of,
    tone_reader,
)

Samples = NDArray[np.float32]
TEXTS = st.lists(st.text(LETTERS[1:], min_size=1, max_size=6), max_size=12)
POISON = np.full(1280, 7.0, np.float32)


class Poisoned(ToneReader):
    """An encoder that fails for batches with a certain recording in them."""

    def encode(self, waveforms: Sequence[Samples]):  # type: ignore[no-untyped-def]
        if any(samples[0] == POISON[0] for samples in waveforms):
            raise ValueError("poison")
        return super().encode(waveforms)


def sharing(backend: ToneReader, batcher: Batcher, **options: Priority) -> Recognizer:
    search = backend.decoding
    return Recognizer(backend, search.tokenizer, search, batcher=batcher, **options)


def outcomes(futures: Sequence[Future]) -> list[str | type]:
    return [
        "cancelled"
        if future.cancelled()
        else str(future.result())
        if future.exception() is None
        else type(future.exception())
        for future in futures
    ]


@settings(max_examples=examples(60))
@given(
    calls=st.lists(TEXTS, max_size=5),
    data=st.data(),
    limits=st.builds(Limits, st.integers(1, 6), st.none() | st.floats(0.5, 4)),
)
def test_each_future_has_its_own_result(
    calls: list[list[str]], data: st.DataObject, limits: Limits
) -> None:
    """Nothing is lost or mixed up; errors and cancelled recordings stay with themselves."""
    backend = tone_reader(Poisoned)
    batcher = Batcher(data.draw(st.sampled_from([None, limits])))
    recognizer = sharing(backend, batcher)
    submitted: list[tuple[list[Future], list[str | type]]] = []
    poisoned = data.draw(st.sets(st.integers(0, 40), max_size=3))
    dropped = data.draw(st.sets(st.integers(0, 40), max_size=5))
    number = 0
    for texts in calls:
        expected: list[str | type] = []
        waveforms = []
        for text in texts:
            expected.append(ValueError if number in poisoned else text)
            waveforms.append(POISON if number in poisoned else speak(text))
            number += 1
        submitted.append(
            (batcher.submit(waveforms, recognizer.pass_of(False), limits=limits), expected)
        )
    number = 0
    for futures, expected in submitted:
        for index, future in enumerate(futures):
            if number in dropped:
                assert future.cancel()
                expected[index] = "cancelled"
            number += 1
    for futures, _ in data.draw(st.permutations(submitted)):
        batcher.wait(futures)
        assert all(future.done() for future in futures)
    assert [outcomes(futures) for futures, _ in submitted] == [wanted for _, wanted in submitted]


def test_what_was_cancelled_is_not_encoded() -> None:
    backend = tone_reader()
    batcher = Batcher()
    recognize = sharing(backend, batcher).pass_of(False)
    kept = batcher.submit([speak("да")], recognize)
    dropped = batcher.submit([speak("нет"), speak("никогда")], recognize)
    assert all(future.cancel() for future in dropped)
    batcher.wait(kept)
    batcher.wait(dropped)
    assert backend.batches == [[len(speak("да"))]]


def test_callers_in_threads_share_batches() -> None:
    backend = tone_reader(seconds_per_batch=0.003)
    batcher = Batcher(Limits(max_count=8))
    recognizer = sharing(backend, batcher)
    jobs = [texts_of(count) for count in range(20, 32)]

    def transcribe(texts: list[str]) -> list[str]:
        found = []
        for text in texts:  # one at a time: alone each would be a batch
            found.append(str(recognizer.transcribe(speak(text), input_rate=RATE)))
        return found

    with ThreadPoolExecutor(len(jobs)) as pool:
        assert list(pool.map(transcribe, jobs)) == jobs
    assert len(backend.batches) < sum(map(len, jobs)) / 2
    assert max(map(len, backend.batches)) <= 8


def test_a_list_and_a_failure_in_another_thread() -> None:
    """A list that stops at its first error leaves another's results alone."""
    backend = tone_reader(Poisoned, seconds_per_batch=0.002)
    batcher = Batcher(Limits(max_count=4))
    texts = texts_of(40)

    def listed() -> list[str]:
        return sharing(backend, batcher).transcribe(
            [speak(text) for text in texts], input_rate=RATE, batch_size=4
        )

    def failing() -> None:
        for _ in range(10):
            with pytest.raises(ValueError, match="poison"):
                sharing(backend, batcher).transcribe_batch([speak("да"), POISON])

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(listed), pool.submit(failing)
        assert first.result() == texts
        second.result()


def test_a_live_recording_goes_before_a_folder() -> None:
    """Whoever waits for it does not wait for the folder."""
    backend = tone_reader()
    batcher = Batcher(Limits(max_count=2))
    recognize = sharing(backend, batcher).pass_of(False)
    folder = batcher.submit([speak("аааа")] * 100, recognize, priority=Priority.BULK)
    live = batcher.submit([speak("да")], recognize, priority=Priority.LIVE)
    batcher.wait(live)
    assert outcomes(live) == ["да"]
    assert len(backend.batches) == 1
    batcher.wait(folder)
    assert outcomes(folder) == ["аааа"] * 100


def test_progress_is_told_as_batches_are_done() -> None:
    batcher = Batcher()
    told: list[int] = []
    recognize = sharing(tone_reader(), batcher).pass_of(False)
    futures = batcher.submit([speak("да")] * 7, recognize, limits=Limits(3))
    batcher.wait(futures, told.append)
    assert told == [3, 6, 7]


def test_an_interruption_of_one_caller_leaves_the_work_of_the_others() -> None:
    class Interrupted(ToneReader):
        is_first = True

        def encode(self, waveforms: Sequence[Samples]):  # type: ignore[no-untyped-def]
            if self.is_first:
                self.is_first = False
                raise KeyboardInterrupt
            return super().encode(waveforms)

    batcher = Batcher(Limits(max_count=8))
    recognize = sharing(tone_reader(Interrupted), batcher).pass_of(False)
    mine = batcher.submit([speak("гора")], recognize)  # the longest: the others go with it
    others = batcher.submit([speak("нет"), speak("год")], recognize)
    with pytest.raises(KeyboardInterrupt):
        batcher.wait(mine)
    mine[0].cancel()
    batcher.wait(others)
    assert outcomes(others) == ["нет", "год"]


def test_waiting_for_what_another_thread_cancels_ends() -> None:
    started = threading.Event()

    class Slow(ToneReader):
        def encode(self, waveforms: Sequence[Samples]):  # type: ignore[no-untyped-def]
            started.set()
            return super().encode(waveforms)

    batcher = Batcher(Limits(max_count=1))
    recognize = sharing(tone_reader(Slow, seconds_per_batch=0.2), batcher).pass_of(False)
    first = batcher.submit([speak("да")], recognize)
    second = batcher.submit([speak("нет")], recognize)
    with ThreadPoolExecutor(2) as pool:
        leading = pool.submit(batcher.wait, first)
        assert started.wait(10)
        waiting = pool.submit(batcher.wait, second)
        assert second[0].cancel()
        waiting.result(10)
        leading.result(10)
    assert outcomes(first) == ["да"]


def test_recordings_are_let_go_of_when_they_are_done() -> None:
    """Without a collection of garbage, which may come after many of them."""
    batcher = Batcher()
    recognize = sharing(tone_reader(), batcher).pass_of(False)
    waveforms = [speak("да"), speak("нет")]
    held = [weakref.ref(samples) for samples in waveforms]
    done, dropped = batcher.submit(waveforms, recognize)
    del waveforms
    dropped.cancel()
    assert held[1]() is None
    batcher.wait([done])
    assert held[0]() is None


def test_two_batches_may_run_at_once() -> None:
    both = threading.Barrier(2, timeout=10)

    class Together(ToneReader):
        def encode(self, waveforms: Sequence[Samples]):  # type: ignore[no-untyped-def]
            both.wait()
            return super().encode(waveforms)

    batcher = Batcher(Limits(max_count=1), n_parallel=2)
    backend = tone_reader(Together)

    def transcribe(text: str) -> str:
        return str(sharing(backend, batcher).transcribe(speak(text), input_rate=RATE))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(transcribe, ["да", "нет"])) == ["да", "нет"]
    with pytest.raises(ArgumentError, match="n_parallel"):
        Batcher(n_parallel=0)


def test_different_searches_do_not_share_a_batch() -> None:
    backend = tone_reader()
    batcher = Batcher(Limits(max_count=8))
    recognizer = sharing(backend, batcher)
    passes: list[Callable] = [recognizer.pass_of(False), recognizer.pass_of(True)]
    assert passes[0] == sharing(backend, batcher).pass_of(False)
    futures = [batcher.submit([speak("да")], each)[0] for each in passes]
    batcher.wait(futures)
    assert [future.result().words is None for future in futures] == [True, False]
    assert len(backend.batches) == 2


def test_a_recogniser_that_gives_too_few_results_fails_its_own_callers() -> None:
    batcher = Batcher()
    bad = batcher.submit([POISON, POISON], lambda waveforms: ["one"], limits=Limits(2))
    good = batcher.submit([POISON], lambda waveforms: ["fine"], limits=Limits(2))
    batcher.wait(good)
    assert good[0].result() == "fine"
    batcher.wait(bad)
    assert [future.result() for future in bad] == ["one", "one"]  # each was tried alone
    none = batcher.submit([POISON], lambda waveforms: [])
    batcher.wait(none)
    with pytest.raises(ValueError, match="1 recordings gave 0 results"):
        none[0].result()


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_failed_batch_is_freed_with_its_error(no_collector: None) -> None:
    """Whoever catches it and tries with less needs the memory at once."""
    held: list[weakref.ref] = []

    class Holding(ToneReader):
        def encode(self, waveforms: Sequence[Samples]):  # type: ignore[no-untyped-def]
            tensor = np.zeros(10)
            held.append(weakref.ref(tensor))
            raise MemoryError("out of memory")

    with suppress(MemoryError):
        recognizer(tone_reader(Holding)).transcribe([speak("да"), speak("нет")], input_rate=RATE)
    assert len(held) == 1
    assert held[0]() is None


def test_a_model_is_freed_after_its_work(no_collector: None) -> None:
    backend = tone_reader()
    assert recognizer(backend).transcribe([speak("да")], input_rate=RATE) == ["да"]
    gone = weakref.ref(backend)
    del backend
    assert gone() is None
