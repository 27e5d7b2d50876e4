"""Sessions: events, their order, and what happens when something goes wrong.

Recognition is real, by `tests.tones`, whose letters are tones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.audio.pushed import PushedAudio
from gigaam.live import Event, Final, LiveOptions, LiveSession, Partial
from gigaam.live.pace import Pace
from gigaam.recognition.longform import LongformTranscriber
from gigaam.recognition.recognizer import Recognizer
from gigaam.types import TranscriptionResult, Word
from gigaam.vad import EverythingIsSpeech
from tests.examples import examples
from tests.unit.recognition.test_longform import (
    RATE,
    silence,
    speak,
    tone_reader,
    words_of,
)
from tests.unit.recognition.test_longform import EnergyDetector as LaggingDetector


class EnergyDetector(LaggingDetector):
    """Decides at once."""

    def prompt_stream(self, latency_s: float):
        return self.stream()


Samples = NDArray[np.float32]
PIECE = RATE // 10


def recognizer() -> Recognizer:
    backend = tone_reader()
    return Recognizer(backend, backend.decoding.tokenizer, backend.decoding)


def recognize(waveforms: list[Samples]) -> list[TranscriptionResult]:
    return recognizer().transcribe_batch(waveforms, word_timestamps=True)


def session(
    recognise=recognize, detector=None, n_channels: int = 1, rate: int | None = RATE, **options
) -> LiveSession:
    detector = detector or EnergyDetector()
    listens = LiveOptions(vad=detector, word_timestamps=True, **options)
    audio = PushedAudio(rate, n_channels=n_channels, apart=listens.channels == "split")
    # The machine may be busy: partials are made as on one that is not.
    pace = Pace(listens.stride_s, clock=lambda: 0.0)
    return LiveSession(recognise, detector, listens, audio, pace)


def pieces(samples: Samples, length: int = PIECE) -> Iterator[Samples]:
    for start in range(0, len(samples), length):
        yield samples[start : start + length]


def heard(live: LiveSession, parts: Iterable[Samples]) -> list[Event]:
    return [event for part in parts for event in live.push(part)] + live.finish()


def finals(events: Iterable[Event]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def text(events: Iterable[Event]) -> list[str]:
    return " ".join(final.segment.text for final in finals(events)).split()


def of_the_file(sound: Samples, final: Final, **options) -> list[tuple[str, list[Word]]]:
    """What the long form makes of a final's utterance: texts, and words timed in the stream."""
    start, end = final.utterance
    stretch = sound[round(start * RATE) : round(end * RATE)]
    chunking = LiveOptions(**options).chunking
    transcriber = LongformTranscriber(recognizer(), EnergyDetector(), chunking)
    found = transcriber.transcribe(stretch, input_rate=RATE, word_timestamps=True)
    return [
        (
            segment.text,
            [Word(w.text, w.start + start, w.end + start, w.confidence) for w in segment.words],
        )
        for segment in found
    ]


WORDS = words_of(24, seed=2)
TALK = np.concatenate(
    [
        silence(1),
        speak(WORDS[:6]),
        silence(0.9),
        speak(WORDS[6:18]),
        silence(0.3),
        speak(WORDS[18:]),
    ]
)


def test_what_is_said_comes_out():
    events = heard(session(), pieces(TALK))
    assert text(events) == WORDS
    first, second = finals(events)
    assert (first.reason, second.reason) == ("silence", "finish")
    for final in (first, second):
        assert [(final.segment.text, final.segment.words)] == of_the_file(TALK, final)


def test_committed_words_are_only_appended_to_and_partials_follow_the_sound():
    committed, edge = "", 0.0
    partials = 0
    for event in heard(session(), pieces(TALK)):
        if isinstance(event, Final):
            committed = ""
            continue
        partials += 1
        assert event.committed.startswith(committed)
        assert event.end > edge
        assert event.start < event.end
        committed, edge = event.committed, event.end
        said = " ".join(WORDS)
        assert event.committed in said
    assert partials > 10


def test_partials_come_soon():
    live = session()
    start = int(1.0 * RATE)
    position = 0
    for piece in pieces(TALK):
        position += len(piece)
        if told := live.push(piece):
            break
    assert isinstance(told[0], Partial)
    assert (position - start) / RATE <= 0.8


def test_without_partials_there_are_finals_alone():
    events = heard(session(partials=False), pieces(TALK))
    assert len(events) == len(finals(events)) == 2
    assert text(events) == WORDS


@pytest.mark.parametrize("options", [{}, {"partials": False}], ids=["partials", "finals"])
@settings(max_examples=examples(8), deadline=None)
@given(lengths=st.lists(st.integers(1, 40_000), min_size=1, max_size=30))
def test_finals_do_not_depend_on_the_pieces(options, lengths):
    wanted = finals(heard(session(), pieces(TALK)))
    parts, start = [], 0
    for length in lengths:
        parts.append(TALK[start : start + length])
        start += length
    assert finals(heard(session(**options), [*parts, TALK[start:]])) == wanted


def test_speech_over_the_limit_is_cut_as_the_long_form_cuts_it():
    words = words_of(300, seed=5)  # 144 s
    sound = np.concatenate([silence(0.5), speak(words), silence(1.0)])
    events = heard(session(), pieces(sound, 4000))
    found = finals(events)
    assert text(events) == words
    assert [final.reason for final in found[:-1]] == ["cut"] * (len(found) - 1)
    assert found[-1].reason == "silence"
    assert len(found) > 3
    told = [(final.segment.text, final.segment.words) for final in found]
    assert told == of_the_file(sound, found[-1])


def test_long_speech_with_pauses_is_cut_while_it_goes_on():
    parts = [silence(0.5)]
    words = words_of(200, seed=6)
    for first in range(0, 200, 8):
        parts += [speak(words[first : first + 8]), silence(0.36)]
    sound = np.concatenate([*parts, silence(1.0)])
    live = session(longest_utterance_s=12.0)
    found: list[tuple[float, Final]] = []
    for number, piece in enumerate(pieces(sound)):
        found += [((number + 1) / 10, final) for final in finals(live.push(piece))]
    found += [(len(sound) / RATE, final) for final in finals(live.finish())]
    told = [(final.segment.text, final.segment.words) for _, final in found]
    assert told == of_the_file(sound, found[-1][1], longest_utterance_s=12.0)
    assert len(told) >= 7
    late = [at - final.segment.end for at, final in found[:-1]]
    assert max(late) < 15  # not at the end of everything
    assert " ".join(text for text, _ in told).split() == words


def test_everything_may_be_speech():
    words = words_of(100, seed=3)
    sound = speak(words)
    events = heard(session(detector=EverythingIsSpeech()), pieces(sound))
    assert text(events) == words
    assert finals(events)[-1].reason == "finish"


def test_silence_tells_nothing_and_decodes_nothing():
    def fails(waveforms):
        raise AssertionError("silence was decoded")

    assert heard(session(fails), pieces(silence(30))) == []


def test_a_minute_at_once():
    assert text(heard(session(), [TALK])) == WORDS
    whole = np.tile(TALK, 6)
    assert text(heard(session(), [whole])) == WORDS * 6


@pytest.mark.parametrize("silence_s", [0.3, 1.2])
def test_the_endpoint_is_where_it_is_asked_for(silence_s):
    sound = np.concatenate([speak(WORDS[:4]), silence(3.0)])
    # The last letter ends five frames of 20 ms before the end of what is spoken.
    ends = 4 * 0.48 - 6 * 0.02
    live = session(endpoint_silence_s=silence_s)
    told = (finals(live.push(piece)) for piece in pieces(sound))
    at = next(number for number, found in enumerate(told, start=1) if found) / 10
    assert silence_s <= at - ends <= silence_s + 0.3


def test_two_channels_are_two_speakers():
    left = np.concatenate([silence(0.5), speak(WORDS[:8]), silence(4.0)])
    right = np.concatenate([silence(2.0), speak(WORDS[8:16]), silence(3.0)])
    n = min(len(left), len(right))
    both = np.stack([left[:n], right[:n]], axis=1)
    live = session(n_channels=2, channels="split")
    events = [
        event for start in range(0, n, PIECE) for event in live.push(both[start : start + PIECE])
    ]
    events += live.finish()
    for channel, words in enumerate([WORDS[:8], WORDS[8:16]]):
        own = [event for event in events if event.channel == channel]
        assert text(own) == words
        assert any(isinstance(event, Partial) for event in own)
    mixed = heard(session(n_channels=2), [both])
    assert all(event.channel is None for event in mixed)


# Endpoints by what the model hears


class AlwaysSpeech(EverythingIsSpeech):
    """Music, say: the detector takes it for speech."""


def test_blank_ends_an_utterance_that_the_detector_does_not():
    sound = np.concatenate([speak(WORDS[:6]), silence(4), speak(WORDS[6:12]), silence(4)])
    events = heard(session(detector=AlwaysSpeech(), endpoint_blank_s=1.5), pieces(sound))
    assert text(events) == WORDS[:12]
    assert [final.reason for final in finals(events) if final.segment.text] == ["blank", "blank"]
    for final in finals(events):
        assert final.utterance[1] - final.utterance[0] < 6


def test_without_the_option_it_goes_on():
    sound = np.concatenate([speak(WORDS[:6]), silence(4), speak(WORDS[6:12]), silence(4)])
    events = heard(session(detector=AlwaysSpeech()), pieces(sound))
    assert [final.reason for final in finals(events)] == ["finish"]
