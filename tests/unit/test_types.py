import copy
import json
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.decoding import Hypothesis
from gigaam.errors import ArgumentError, MissingDependencyError
from gigaam.types import (
    LongformTranscriptionResult,
    Segment,
    TranscriptionResult,
    Word,
    format_clock,
    format_time,
)

WORDS = [Word("добрый", 0.0, 0.4, 0.9), Word("день", 0.48, 0.8, 0.7)]
HYPOTHESIS = Hypothesis(np.array([1, 2]), np.array([0, 3]), np.array([-0.1, -0.2], np.float32))
RESULT = TranscriptionResult("добрый день", words=WORDS, confidence=0.8, hypothesis=HYPOTHESIS)
SEGMENT = Segment("добрый день", 1.5, 2.5, WORDS, 0.8)
LONG = LongformTranscriptionResult(
    [SEGMENT, Segment(" ", 3.0, 4.0, []), Segment("до встречи", 61.0, 63.5, WORDS[:1], 0.5, 1)],
    duration=70.0,
)


def round_trips():
    yield copy.copy
    yield copy.deepcopy
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol))


@pytest.fixture(params=round_trips())
def copied(request):
    return request.param


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "00:00:00"),
        (16.83, "00:16:83"),
        (0.03096875, "00:00:03"),
        (59.99, "00:59:99"),
        (59.994, "00:59:99"),
        (59.999, "01:00:00"),
        (61.5, "01:01:50"),
        (3599.99, "59:59:99"),
        (3599.999, "01:00:00:00"),
        (3661.25, "01:01:01:25"),
        (360000, "100:00:00:00"),
        (-1.5, "-00:01:50"),
        (-0.001, "00:00:00"),
        (np.float32(2.5), "00:02:50"),
    ],
)
def test_format_time(seconds, expected):
    assert format_time(seconds) == expected


@settings(deadline=None)
@given(st.floats(-1e6, 1e6))
def test_format_time_reads_back_to_the_nearest_hundredth(seconds):
    written = format_time(seconds)
    *clock, centis = written.lstrip("-").split(":")
    assert all(int(part) < 60 for part in clock[-2:])
    assert len(centis) == 2
    total = sum(int(part) * 60**power for power, part in enumerate(reversed(clock)))
    total += int(centis) / 100
    assert abs((-total if written.startswith("-") else total) - seconds) <= 0.005 + 1e-6


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
@pytest.mark.parametrize("write", [format_time, format_clock])
def test_what_is_no_time_is_not_written(write, seconds):
    with pytest.raises(ValueError, match="not a finite number"):
        write(seconds)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0:00.0"),
        (6.54, "0:06.5"),
        (59.96, "1:00.0"),
        (723.44, "12:03.4"),
        (3599.95, "1:00:00.0"),
        (3723.4, "1:02:03.4"),
        (360000, "100:00:00.0"),
        (-1.5, "-0:01.5"),
        (-0.01, "0:00.0"),
    ],
)
def test_format_clock(seconds, expected):
    assert format_clock(seconds) == expected


@settings(deadline=None)
@given(st.floats(-1e6, 1e6))
def test_format_clock_reads_back_to_the_nearest_tenth(seconds):
    *clock, last = format_clock(seconds).lstrip("-").split(":")
    total = sum(int(part) * 60**power for power, part in enumerate(reversed(clock), 1))
    assert abs(total + float(last) - abs(seconds)) <= 0.05 + 1e-6


def test_result_is_its_text():
    assert RESULT == "добрый день"
    assert isinstance(RESULT, str)
    assert RESULT.upper() == "ДОБРЫЙ ДЕНЬ"
    assert {RESULT: 1}["добрый день"] == 1
    assert type(RESULT.text) is str
    assert json.loads(json.dumps([RESULT], ensure_ascii=False)) == ["добрый день"]
    assert f"{RESULT}" == "добрый день"


def test_result_without_extras():
    assert TranscriptionResult("да").words is None
    assert TranscriptionResult().to_dict() == {"text": "", "confidence": 0.0, "words": None}


def test_result_survives_copies(copied):
    result = copied(RESULT)
    assert type(result) is TranscriptionResult
    assert result == RESULT
    assert result.words == WORDS
    assert result.confidence == 0.8
    assert result.hypothesis.frames.tolist() == [0, 3]


def test_result_as_plain_data():
    assert json.loads(json.dumps(RESULT.to_dict())) == {
        "text": "добрый день",
        "confidence": 0.8,
        "words": [
            {"text": "добрый", "start": 0.0, "end": 0.4, "confidence": 0.9},
            {"text": "день", "start": 0.48, "end": 0.8, "confidence": 0.7},
        ],
    }


def test_segment_answers_the_first_release():
    assert SEGMENT["transcription"] == SEGMENT.transcription == "добрый день"
    assert SEGMENT["boundaries"] == SEGMENT.boundaries == (1.5, 2.5)
    assert dict(SEGMENT) == {"transcription": "добрый день", "boundaries": (1.5, 2.5)}
    assert dict(SEGMENT.items()) == {**SEGMENT}
    assert list(SEGMENT.keys()) == ["transcription", "boundaries"]
    assert "transcription" in SEGMENT
    assert SEGMENT.get("speaker") is None
    with pytest.raises(KeyError, match="speaker"):
        SEGMENT["speaker"]
    with pytest.raises(TypeError, match="not iterable"):
        list(SEGMENT)


def test_segment_is_a_value():
    assert Segment("да", 0.0, 1.0) == Segment("да", 0.0, 1.0)
    assert Segment("да", 0.0, 1.0) != Segment("да", 0.0, 1.5)
    assert len({SEGMENT, copy.deepcopy(SEGMENT)}) == 1
    with pytest.raises(AttributeError):
        SEGMENT.text = "нет"


@pytest.mark.parametrize("value", [WORDS[0], SEGMENT, LONG], ids=lambda value: type(value).__name__)
def test_values_survive_copies(value, copied):
    again = copied(value)
    assert type(again) is type(value)
    assert again == value
    assert json.loads(json.dumps(again.to_dict())) == value.to_dict()


def test_longform_is_a_sequence_of_segments():
    assert len(LONG) == 3
    assert LONG[0] is SEGMENT
    assert LONG[-1].channel == 1
    assert LONG[:1] == [SEGMENT]
    assert [segment["transcription"] for segment in LONG][2] == "до встречи"
    assert LONG.segments == LONG
    assert LONG.segments is not LONG.segments
    assert LongformTranscriptionResult(LONG.segments) != LONG  # another duration


def test_longform_as_a_whole():
    assert LONG.text == "добрый день до встречи"
    assert LONG.words == [*WORDS, WORDS[0]]
    assert LONG.has_word_timestamps
    assert LONG.duration == 70.0
    assert LongformTranscriptionResult([SEGMENT]).duration == 2.5


def test_longform_without_words_or_segments():
    plain = LongformTranscriptionResult([Segment("да", 0.0, 1.0)])
    assert not plain.has_word_timestamps
    assert plain.words is None
    silent = LongformTranscriptionResult([], duration=5.0, has_word_timestamps=True)
    assert silent == []
    assert silent.words == []
    assert silent.text == ""
    assert LongformTranscriptionResult().words is None


def test_results_go_into_a_data_frame():
    table = pd.DataFrame({"path": ["a", "b"], "text": [RESULT, TranscriptionResult("да")]})
    assert table["text"].tolist() == ["добрый день", "да"]
    assert table["text"].str.len().tolist() == [11, 2]
    words = pd.DataFrame(RESULT.words)
    assert list(words.columns) == ["text", "start", "end", "confidence", "speaker", "overlapped"]
    for segments in (LONG, LONG.segments):
        table = pd.DataFrame(segments)
        assert list(table.columns) == [
            *("text", "start", "end", "words", "confidence", "channel", "speaker")
        ]
        assert table["end"].tolist() == [2.5, 4.0, 63.5]
    assert pd.DataFrame([segment.to_dict() for segment in LONG])["start"].tolist() == [1.5, 3, 61]
    assert pd.DataFrame(LongformTranscriptionResult()).empty


# ── what people see ───────────────────────────────────────────────────────────────────────────────


def test_a_long_result_is_its_text_and_short_in_a_notebook():
    hour = LongformTranscriptionResult([Segment("да " * 100, i, i + 1.0) for i in range(3600)])
    assert str(hour) == hour.text
    assert f"{LONG}" == "добрый день до встречи"
    assert (
        repr(LONG) == "<LongformTranscriptionResult: 3 segments, 1:10.0, 'добрый день до встречи'>"
    )
    assert len(repr(hour)) < 200
    assert len(hour._repr_html_()) < 100_000
    assert "3400 more" in hour._repr_html_()
    assert "1 segment, 0:01.0, ''" in repr(LongformTranscriptionResult([Segment("", 0, 1)]))


def test_a_notebook_shows_times_channels_and_texts_as_they_are():
    html = LongformTranscriptionResult([Segment("<b>a & b</b>", 1.0, 3723.4)])._repr_html_()
    assert "&lt;b&gt;a &amp; b&lt;/b&gt;" in html
    assert ">0:01.0<" in html
    assert ">1:02:03.4<" in html
    assert "channel" not in html
    split = LONG._repr_html_()
    assert "<th>channel</th>" in split
    assert split.count("<tr>") == 4
    assert split.count("<td>1</td>") == 1


def test_data_frame_of_segments_and_of_words():
    table = LONG.to_dataframe()
    assert table["text"].tolist() == ["добрый день", " ", "до встречи"]
    assert table["start"].tolist() == [1.5, 3.0, 61.0]
    assert table["channel"].tolist()[2] == 1
    words = LONG.to_dataframe("words")
    assert words["text"].tolist() == ["добрый", "день", "добрый"]
    assert words["segment"].tolist() == [0, 0, 2]
    pd.testing.assert_frame_equal(
        RESULT.to_dataframe(), pd.DataFrame([word.to_dict() for word in WORDS])
    )
    assert list(LongformTranscriptionResult().to_dataframe().columns) == list(table.columns)


def test_data_frame_of_words_that_nobody_asked_for():
    wordless = LongformTranscriptionResult([Segment("да", 0.0, 1.0)])
    for make in (TranscriptionResult("да").to_dataframe, lambda: wordless.to_dataframe("words")):
        with pytest.raises(ArgumentError, match="word_timestamps=True"):
            make()
    with pytest.raises(ArgumentError, match="not 'lines'"):
        LONG.to_dataframe("lines")


def test_data_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        LONG.to_dataframe()
