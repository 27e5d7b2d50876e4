"""Segments cut into phrases."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.recognition.phrases import in_phrases, joint_confidence
from gigaam.types import Segment, Word
from tests.examples import examples


def words(*times: tuple[float, float]) -> list[Word]:
    return [Word(f"сл{n}", *each, 0.5 + n / 100) for n, each in enumerate(times)]


def segment(spoken: list[Word] | None) -> Segment:
    text = " ".join(word.text for word in spoken or ())
    return Segment(text, 0.0, 99.0, words=spoken, confidence=0.75, channel=1)


def test_a_segment_without_a_pause_keeps_its_text_and_confidence():
    spoken = words((1, 2), (2.5, 3), (3.9, 4))
    (phrase,) = in_phrases(segment(spoken), 1.0)
    assert (phrase.start, phrase.end) == (1, 4)
    assert (phrase.text, phrase.confidence, phrase.channel) == ("сл0 сл1 сл2", 0.75, 1)


def test_a_pause_ends_a_phrase():
    spoken = words((1, 2), (2.5, 3), (4, 5))
    first, second = in_phrases(segment(spoken), 1.0)
    assert (first.text, first.start, first.end, first.words) == ("сл0 сл1", 1, 3, spoken[:2])
    assert (second.text, second.start, second.end, second.words) == ("сл2", 4, 5, spoken[2:])
    assert first.confidence == pytest.approx(math.sqrt(0.5 * 0.51))
    assert second.confidence == pytest.approx(0.52)
    assert (first.channel, second.channel) == (1, 1)


def test_a_segment_without_words_is_a_phrase():
    assert in_phrases(segment(None), 1.0) == [segment(None)]
    assert in_phrases(segment([]), 1.0) == [segment([])]


@settings(max_examples=examples(100))
@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), min_size=1, max_size=20),
    st.floats(0.01, 4),
)
def test_phrases_hold_each_word_once_and_no_pause(steps, max_pause_s):
    times, now = [], 0.0
    for pause, length in steps:
        times.append((now + pause, now + pause + length))
        now += pause + length
    spoken = words(*times)
    phrases = in_phrases(segment(spoken), max_pause_s)
    assert [word for phrase in phrases for word in phrase.words] == spoken
    for phrase in phrases:
        assert (phrase.start, phrase.end) == (phrase.words[0].start, phrase.words[-1].end)
        assert phrase.text == " ".join(word.text for word in phrase.words)
        gaps = [two.start - one.end for one, two in pairwise(phrase.words)]
        assert all(gap < max_pause_s for gap in gaps)
    gaps = [two.start - one.end for one, two in pairwise(phrases)]
    assert all(gap >= max_pause_s for gap in gaps)
    least, most = min(w.confidence for w in spoken), max(w.confidence for w in spoken)
    assert least - 1e-9 <= joint_confidence(spoken) <= most + 1e-9
