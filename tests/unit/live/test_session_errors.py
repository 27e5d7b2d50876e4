"""Sessions when something goes wrong: recognisers that fail or change their mind, wrong input."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio.tape import Tape
from gigaam.errors import ArgumentError, AudioError, AudioWarning
from gigaam.live import Event, Final, LiveArguments, LiveOptions, Partial
from gigaam.types import TranscriptionResult, Word
from gigaam.vad import EverythingIsSpeech, VadOptions
from tests.examples import examples
from tests.unit.live.test_session import (
    PIECE,
    TALK,
    WORDS,
    finals,
    heard,
    pieces,
    recognize,
    session,
    text,
)
from tests.unit.recognition.test_longform import RATE

# A recogniser that changes its mind


def fickle(seed: int):
    """Gives other words, at other places, each time."""
    rng = np.random.default_rng(seed)

    def recognise(waveforms):
        results = []
        for samples in waveforms:
            starts = np.sort(rng.uniform(0, len(samples) / RATE, rng.integers(0, 12)))
            words = [
                Word(str(rng.choice(["да", "нет", "дом"])), s, s + 0.2, 0.9)
                for s in starts.tolist()
            ]
            joined = " ".join(word.text for word in words)
            results.append(TranscriptionResult(joined, words=words, confidence=0.9))
        return results

    return recognise


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 10_000))
def test_committed_text_is_never_taken_back(seed):
    committed = ""
    is_open = False
    for event in heard(session(fickle(seed)), pieces(TALK, 3200)):
        if isinstance(event, Final):
            committed, is_open = "", event.reason == "cut"
        else:
            assert event.committed.startswith(committed)
            committed, is_open = event.committed, True
    assert not is_open  # whatever was shown has got its final


@pytest.mark.parametrize("partials", [True, False])
def test_speech_without_an_end_takes_no_more_memory(partials):
    def hears_nothing(waveforms):
        return [TranscriptionResult("", words=[]) for _ in waveforms]

    live = session(hears_nothing, EverythingIsSpeech(), partials=partials)
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 10 * RATE).astype(np.float32)
    held = []
    tracemalloc.start()
    try:
        for _ in range(15):
            assert live.push(noise.copy()) == []
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(held[10:]) < max(held[4:10]) + noise.nbytes  # after a cut there is less


# What goes wrong


class Flaky:
    """Fails at some of its calls, and takes down what it gave."""

    def __init__(self, failing: set[int]) -> None:
        self.failing = failing
        self.calls = 0

    def __call__(self, waveforms):
        self.calls += 1
        if self.calls in self.failing:
            raise MemoryError("no room")
        return recognize(waveforms)


@settings(max_examples=examples(15), deadline=None)
@given(st.sets(st.integers(1, 40)))
def test_an_error_of_the_recogniser_loses_nothing(failing):
    live = session(Flaky(failing))
    events: list[Event] = []
    for piece in pieces(TALK):
        try:
            events += live.push(piece)
        except MemoryError:
            continue
    for _ in range(60):
        try:
            events += live.finish()
            break
        except MemoryError:
            continue
    assert finals(events) == finals(heard(session(), pieces(TALK)))


def test_an_error_on_one_channel_does_not_lose_the_other():
    both = np.stack([TALK, TALK], axis=1)
    live = session(Flaky({3, 4, 9, 15}), n_channels=2, channels="split")
    events = []
    for start in range(0, len(both), PIECE):
        try:
            events += live.push(both[start : start + PIECE])
        except MemoryError:
            continue
    events += live.finish()
    for channel in range(2):
        assert text([event for event in events if event.channel == channel]) == WORDS


class TightTape(Tape):
    """Has no memory for every fifth copy."""

    copies = 0

    def cut(self, start, end):
        TightTape.copies += 1
        if TightTape.copies % 5 == 0:
            raise MemoryError("no room")
        return super().cut(start, end)


def test_want_of_memory_loses_nothing(monkeypatch):
    for module in ("gigaam.recognition.feed", "gigaam.live.listener"):
        monkeypatch.setattr(f"{module}.Tape", TightTape)
    live = session(partials=False)
    events = []
    for piece in pieces(TALK):
        with suppress(MemoryError):
            events += live.push(piece)
    for _ in range(20):
        with suppress(MemoryError):
            events += live.finish()
    assert text(events) == WORDS


def test_a_refused_piece_leaves_the_others():
    live = session()
    with pytest.raises(AudioError):
        live.push("text")
    half = len(TALK) // 2
    events = live.push(TALK[:half])
    live.put(TALK[half:])
    live.put("text")
    live.put(TALK)
    with pytest.raises(AudioError):
        live.work()
    assert text([*events, *live.finish()]) == WORDS * 2


def test_a_refused_first_piece_does_not_tell_the_rate():
    live = session(rate=None)
    with pytest.raises(AudioError, match="NaN"):
        live.push((np.array([np.nan], np.float32), 8000))
    assert text([*live.push((TALK, RATE)), *live.finish()]) == WORDS


def test_half_a_sample_at_the_end_loses_nothing_where_warnings_are_errors():
    live = session()
    data = (TALK * 32767).astype(np.int16).tobytes() + b"1"
    events = live.push(data)
    with pytest.raises(AudioWarning):
        live.finish()
    assert text([*events, *live.finish()]) == WORDS


def test_finished_is_finished():
    live = session()
    live.push(TALK)
    assert text(live.finish()) == WORDS[6:]
    assert live.finish() == []
    with pytest.raises(ArgumentError, match="another stream needs another one"):
        live.push(TALK)


def test_nothing_pushed_is_nothing_told():
    assert session().finish() == []


def test_another_rate_is_refused_and_the_session_goes_on():
    live = session(rate=None)
    half = len(TALK) // 2
    events = live.push((TALK[:half], RATE))
    with pytest.raises(AudioError, match="16000 Hz, this is of 8000 Hz"):
        live.push((TALK[half:], 8000))
    events += live.push(TALK[half:]) + live.finish()
    assert text(events) == WORDS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride_s": 0.0}, "stride_s=0.0 must be at least 0.1 seconds"),
        ({"endpoint_silence_s": float("nan")}, "endpoint_silence_s=nan"),
        ({"hold_back_s": -1.0}, "at least 0 and at most 30 seconds"),
        ({"window_s": 31.0}, "at most 30 seconds"),
        ({"window_s": 5.0}, "must hold context_s and longest_wait_s"),
        ({"channels": "stereo"}, '"mix" or "split"'),
        ({"vad": "pyannote"}, "ten minutes"),
        ({"vad": "auto"}, "silero"),
        ({"vad": "none", "vad_options": VadOptions()}, "are for"),
        ({"endpoint_silence_s": 0.15}, "a silence under 0.2 s is no pause"),
        ({"vad_options": VadOptions(speech_pad_s=0.4)}, "under 0.8 s"),
        ({"endpoint_blank_s": 0.1}, "at least 0.5"),
        ({"endpoint_blank_s": 1.0, "partials": False}, "needs partials"),
        ({"longest_utterance_s": 100.0}, "at most 30"),
        ({"stride_s": 13.0}, "must not be longer"),
        ({"stride_s": "often"}, "stride_s='often'"),
    ],
)
def test_options_that_make_no_sense(changes, message):
    with pytest.raises(ArgumentError, match=message):
        LiveOptions(**changes)


def test_events_are_plain_data():
    for event in heard(session(), pieces(TALK)):
        plain = json.loads(json.dumps(event.to_dict()))
        assert plain["type"] == ("final" if isinstance(event, Final) else "partial")
        if isinstance(event, Partial):
            assert event.text == " ".join(filter(None, (plain["committed"], plain["tentative"])))


def test_options_and_arguments_are_the_same():
    assert set(LiveArguments.__annotations__) == {each.name for each in fields(LiveOptions)}
