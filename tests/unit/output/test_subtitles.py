import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
import webvtt
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gigaam.errors import ArgumentError
from gigaam.output.formats import render
from gigaam.output.subtitles import Cue, SubtitleOptions, lay_out
from gigaam.types import Segment
from tests.transcripts import PLAIN_WORD, segments_of, speech, words_of

OPTIONS = st.builds(
    SubtitleOptions,
    max_line_length=st.integers(1, 50),
    max_lines=st.integers(1, 3),
    max_cue_s=st.floats(1, 10),
    min_cue_s=st.floats(0, 1),
    max_gap_s=st.sampled_from([0.0, 0.5, math.inf]),
)


def cue_texts(segments: Sequence[Segment], **options: object) -> list[str]:
    cues = lay_out(segments, SubtitleOptions(**options))
    return ["/".join(line for part in cue.speeches for line in part.lines) for cue in cues]


def cue_words(cues: Sequence[Cue]) -> Counter[tuple[str, int | None]]:
    return Counter(
        (text, part.channel)
        for cue in cues
        for part in cue.speeches
        for line in part.lines
        for text in line.split()
    )


def test_lines_are_balanced_and_break_at_punctuation() -> None:
    greeting, topic = "Добрый день, уважаемые коллеги!", "Сегодня мы поговорим о том,"
    rest = "как устроено распознавание речи."
    spoken = speech(f"{greeting} {topic} {rest}", word_s=0.2)
    assert cue_texts([spoken]) == [greeting, f"{topic}/{rest}"]
    even = "один один один один один один один один один один"
    assert cue_texts([speech(even)]) == ["один один один один один/один один один один один"]


def test_line_does_not_end_in_a_preposition() -> None:
    text = "которые встретились в библиотеке"
    assert cue_texts([speech(text)], max_line_length=22) == ["которые встретились/в библиотеке"]


def test_cue_ends_at_a_sentence_and_at_a_pause() -> None:
    text = "Это было первое. Затем пришло второе."
    assert cue_texts([speech(text)], max_lines=1, max_line_length=25) == [
        "Это было первое.",
        "Затем пришло второе.",
    ]
    pause = [speech("до паузы"), speech("после паузы", start=1.8)]
    words = [word for segment in pause for word in segment.words or ()]
    joined = Segment("до паузы после паузы", 0.0, 3.0, words)
    assert cue_texts([joined]) == ["до паузы", "после паузы"]
    assert cue_texts([joined], max_gap_s=math.inf) == ["до паузы после паузы"]


def test_cue_is_not_longer_than_asked_for() -> None:
    cues = lay_out([speech("а " * 10, word_s=1.0)], SubtitleOptions(max_cue_s=3.0))
    assert max(cue.duration_ms for cue in cues) <= 3000
    (cue,) = lay_out([Segment("да", 0.0, 20.0)], SubtitleOptions())
    assert (cue.start_ms, cue.end_ms) == (0, 7000)


def test_long_word_has_its_own_line() -> None:
    text = "вот рентгеноэлектрокардиографического аппарата"
    expected = ["вот/рентгеноэлектрокардиографического/аппарата"]
    assert cue_texts([speech(text)], max_line_length=10, max_lines=3) == expected


def test_prefix_counts_in_srt() -> None:
    text = "двадцать букв в этих"
    options = SubtitleOptions(max_line_length=len(text), max_lines=2)
    plain = speech(text)
    labelled = Segment(text, plain.start, plain.end, plain.words, channel=0)
    assert f"\n{text}\n" in render([plain], "srt", options)
    lines = render([labelled], "srt", options).splitlines()[2:]
    assert len(lines) == 2
    assert max(map(len, lines)) <= len(text)
    assert f"<v channel 0>{text}</v>" in render([labelled], "vtt", options)


def test_without_words_time_follows_the_characters() -> None:
    cues = lay_out(
        [Segment("аааа бббб вввв гггг", 10.0, 18.0)],
        SubtitleOptions(max_line_length=4, max_lines=1),
    )
    assert [cue.start_ms for cue in cues] == [10000, 12000, 14000, 16000]
    assert cues[-1].end_ms == 18000


def test_corrected_text_wins_over_its_old_words() -> None:
    corrected = Segment("добрый вечер", 0.9, 2.0, speech("добрый день").words)
    assert cue_texts([corrected]) == ["добрый вечер"]


def test_short_cue_stays_while_there_is_room() -> None:
    options = SubtitleOptions(min_cue_s=1.0)
    cues = lay_out([Segment("да", 1.0, 1.1), Segment("нет", 1.5, 1.6)], options)
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(1000, 1500), (1500, 2500)]


def test_reply_over_another_voice_shares_its_cue() -> None:
    call = [
        Segment("я говорю долго и подробно", 0.0, 6.0, channel=0),
        Segment("угу", 1.0, 1.3, channel=1),
    ]
    (cue,) = lay_out(call, SubtitleOptions())
    assert (cue.start_ms, cue.end_ms) == (0, 6000)
    assert [part.channel for part in cue.speeches] == [0, 1]
    assert "\n[channel 0] я говорю долго и подробно\n[channel 1] угу\n" in render(call, "srt")
    captions = webvtt.from_string(render(call, "vtt"), strict=True).captions
    assert captions[0].text.split("\n") == ["я говорю долго и подробно", "угу"]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((4.0, 8.0), [(0, 4000), (4000, 8000)]),  # the first gives way
        ((2.9, 9.8), [(0, 6000), (6000, 9800)]),  # the second waits
    ],
)
def test_overlap_of_channels(second: tuple[float, float], expected: list[object]) -> None:
    call = [Segment("первый", 0.0, 6.0, channel=0), Segment("второй", *second, channel=1)]
    assert [(cue.start_ms, cue.end_ms) for cue in lay_out(call, SubtitleOptions())] == expected


@settings(deadline=None)
@given(segments_of(), OPTIONS)
@example([Segment("а б", 5, 5, channel=c % 2) for c in range(6)], SubtitleOptions())
def test_cues_keep_every_word_and_every_limit(
    segments: list[Segment], options: SubtitleOptions
) -> None:
    cues = lay_out(segments, options)
    assert cue_words(cues) == words_of(segments)
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= cue.start_ms + options.max_cue_ms
        assert len({part.channel for part in cue.speeches}) == len(cue.speeches)
        for part in cue.speeches:
            assert 1 <= len(part.lines) <= options.max_lines
            for line in part.lines:
                assert line
                assert len(line) <= options.max_line_length or " " not in line
    for cue, following in pairwise(cues):
        assert cue.end_ms <= following.start_ms


@settings(deadline=None)
@given(st.lists(PLAIN_WORD, min_size=1, max_size=60), OPTIONS)
def test_cues_keep_the_order_of_words_and_their_times(
    texts: list[str], options: SubtitleOptions
) -> None:
    segment = speech(" ".join(texts))
    cues = lay_out([segment], options)
    lines = [line for cue in cues for part in cue.speeches for line in part.lines]
    assert " ".join(lines).split() == texts
    words = iter(segment.words or ())
    for cue in cues:  # it is there from its first word to its last
        said = [next(words) for part in cue.speeches for _ in " ".join(part.lines).split()]
        assert cue.start_ms == round(said[0].start * 1000)
        assert cue.end_ms >= round(said[-1].end * 1000)


def test_an_hour_in_one_segment_takes_a_second() -> None:
    """The search is linear: one segment of everything is no trap."""
    words = speech("слово да " * 3_000)
    cues = lay_out([words], SubtitleOptions())
    assert cue_words(cues) == words_of([words])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_line_length": 0},
        {"max_lines": 0},
        {"max_cue_s": 0.0},
        {"max_cue_s": math.inf},
        {"max_cue_s": math.nan},
        {"min_cue_s": -1.0},
        {"min_cue_s": 8.0},
        {"max_gap_s": math.nan},
    ],
)
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        SubtitleOptions(**wrong)
