"""Who says it: a speaker beside the channel, kept by what joins words and shown by what writes."""

import hashlib
import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio import SAMPLE_RATE as RATE
from gigaam.cli.jobs import Job
from gigaam.cli.printing import WordPrinter
from gigaam.output.formats import FORMATS, TextOptions, render
from gigaam.output.subtitles import SubtitleOptions, lay_out
from gigaam.recognition.chunking import Chunk
from gigaam.recognition.phrases import in_phrases, in_turns
from gigaam.recognition.stitching import Stitcher
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word
from tests.examples import examples

QUESTION = [Word("как", 0.0, 0.3, 0.9, "Анна"), Word("дела", 0.4, 0.8, 0.8, "Анна")]
ANSWER = [Word("хорошо", 1.0, 1.5, 0.7, "Борис")]
SHORT = TranscriptionResult("как дела хорошо", words=[*QUESTION, *ANSWER], confidence=0.8)
TALK = [
    Segment("как дела", 0.0, 0.8, QUESTION, 0.85, 1, "Анна"),
    Segment("хорошо", 1.0, 1.5, ANSWER, 0.7, speaker="Борис"),
    Segment("алло", 2.0, 2.5, channel=0),
    Segment("да", 3.0, 3.5),
]
LONG = LongformTranscriptionResult(TALK)


# ── results ───────────────────────────────────────────────────────────────────────────────────────


def test_speakers_come_last_and_are_data_if_there_are_any() -> None:
    assert Word("да", 0.0, 1.0, 0.5, "Анна") == Word("да", 0.0, 1.0, 0.5, speaker="Анна")
    assert list(QUESTION[0].to_dict()) == ["text", "start", "end", "confidence", "speaker"]
    assert list(Word("да", 0.0, 1.0).to_dict()) == ["text", "start", "end", "confidence"]
    plain = ["text", "start", "end", "confidence", "channel", "words"]
    assert list(TALK[3].to_dict()) == plain
    assert list(TALK[0].to_dict()) == [*plain[:5], "speaker", "words"]
    assert hash(TALK[0]) != hash(replace(TALK[0], speaker="Борис"))
    assert TALK[0] != replace(TALK[0], speaker=None)


def test_data_frames_have_a_column_where_anybody_is_known() -> None:
    columns = ["text", "start", "end", "confidence"]
    table = LONG.to_dataframe()
    assert list(table.columns) == [*columns, "channel", "speaker"]
    assert table["speaker"].fillna("").tolist() == ["Анна", "Борис", "", ""]
    words = LongformTranscriptionResult(TALK[:2]).to_dataframe("words")
    assert list(words.columns) == [*columns, "channel", "speaker", "segment"]
    assert words["speaker"].tolist() == ["Анна", "Анна", "Борис"]
    table = SHORT.to_dataframe()
    assert list(table.columns) == [*columns, "speaker"]
    assert table["speaker"].tolist() == ["Анна", "Анна", "Борис"]
    unknown = [replace(each, speaker=None) for each in QUESTION]
    of_the_segment = LongformTranscriptionResult([replace(TALK[0], words=unknown)])
    assert of_the_segment.to_dataframe("words")["speaker"].tolist() == ["Анна", "Анна"]
    nobody = LongformTranscriptionResult([replace(TALK[0], words=unknown, speaker=None)])
    assert "speaker" not in nobody.to_dataframe()
    assert "speaker" not in nobody.to_dataframe("words")


def test_notebooks_show_speakers() -> None:
    shown = LONG._repr_html_()
    assert "<th>channel</th><th>speaker</th>" in shown
    assert "<td>1</td><td>Анна</td>" in shown
    assert "<td>0</td><td></td>" in shown
    assert "speaker" not in LongformTranscriptionResult(TALK[2:])._repr_html_()


BEFORE_SPEAKERS = "cbda48fb3bbb277681a58a67e0d1d83256bb7b9b6682ee1a6038d047e3e30332"


# ── files ─────────────────────────────────────────────────────────────────────────────────────────

EXPECTED = {
    "txt": "[Анна] как дела\n[Борис] хорошо\n[channel 0] алло\nда\n",
    "srt": (
        "1\n00:00:00,000 --> 00:00:00,833\n[Анна] как дела\n"
        "\n2\n00:00:01,000 --> 00:00:01,833\n[Борис] хорошо\n"
        "\n3\n00:00:02,000 --> 00:00:02,833\n[channel 0] алло\n"
        "\n4\n00:00:03,000 --> 00:00:03,833\nда\n"
    ),
    "vtt": (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:00.833\n<v Анна>как дела</v>\n"
        "\n00:00:01.000 --> 00:00:01.833\n<v Борис>хорошо</v>\n"
        "\n00:00:02.000 --> 00:00:02.833\n<v channel 0>алло</v>\n"
        "\n00:00:03.000 --> 00:00:03.833\nда\n"
    ),
    "tsv": (
        "start\tend\ttext\tchannel\tspeaker\n0\t800\tкак дела\t1\tАнна\n"
        "1000\t1500\tхорошо\t\tБорис\n2000\t2500\tалло\t0\t\n3000\t3500\tда\t\t\n"
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_files_name_the_speakers(name: str) -> None:
    assert render(LONG, name) == render(TALK[::-1], name) == EXPECTED[name]


def test_json_has_the_speakers_that_are_known() -> None:
    first, *_, last = json.loads(render(LONG, "json"))["segments"]
    assert (first["speaker"], first["words"][0]["speaker"]) == ("Анна", "Анна")
    assert "speaker" not in last


def test_a_short_recording_is_written_turn_by_turn() -> None:
    assert render(SHORT, "txt") == "[Анна] как дела\n[Борис] хорошо\n"
    assert "\n[Борис] хорошо\n" in render(SHORT, "srt")
    assert "\n<v Борис>хорошо</v>\n" in render(SHORT, "vtt")
    rows = "0\t800\tкак дела\tАнна\n1000\t1500\tхорошо\tБорис\n"
    assert render(SHORT, "tsv") == f"start\tend\ttext\tspeaker\n{rows}"


def odd_segments(numbers: random.Random) -> list[Segment]:
    """Without speakers: any channel, words that fit their text or not, times out of order."""
    segments = []
    for _ in range(numbers.randrange(6)):
        begin = moment = numbers.randrange(60_000) / 1000
        words = []
        for _ in range(numbers.randrange(25)):
            moment += numbers.choice([-0.1, 0.0, 0.04, 0.2, 2.0])
            text = numbers.choice(["да", "нет,", "так.", '"вот"', "<b>", "-->", "слово" * 10])
            words.append(Word(text, moment, moment + numbers.choice([0.0, 0.3, 9.0]), 0.5))
        text = numbers.choice([" ".join(word.text for word in words), "иное"])
        end, channel = begin + numbers.randrange(40), numbers.choice([None, 0, 1])
        segments.append(
            Segment(text, begin, end, numbers.choice([words, None]), 0.5, channel=channel)
        )
    return segments


def test_without_speakers_files_are_as_they_were() -> None:
    """To the byte: the digest is that of the version before there were speakers."""
    numbers, digest = random.Random(0), hashlib.sha256()
    options = {
        "txt": TextOptions(timestamps=True, speakers=("Анна",)),
        "srt": SubtitleOptions(max_line_length=20, speakers=("Анна", "")),
        "vtt": SubtitleOptions(max_lines=1, speakers=("Анна", "")),
    }
    for _ in range(200):
        segments = odd_segments(numbers)
        for name in FORMATS:
            for options_of in (None, options.get(name)):
                digest.update(render(segments, name, options_of).encode())
    assert digest.hexdigest() == BEFORE_SPEAKERS


def test_hostile_names_stay_names() -> None:
    talk = [
        Segment("да", 0.0, 1.0, speaker="A & <B>\n\t -->"),
        Segment("нет", 2.0, 3.0, speaker=" "),
    ]
    assert render(talk, "txt") == "[A & <B> -->] да\nнет\n"
    assert "<v A &amp; &lt;B&gt; --&gt;>да</v>" in render(talk, "vtt")
    assert [caption.text for caption in webvtt.from_string(render(talk, "vtt")).captions]
    assert "[A & <B> →] да" in render(talk, "srt")
    assert render(talk, "tsv").splitlines()[1].split("\t") == ["0", "1000", "да", "A & <B> -->"]


def test_names_count_among_the_characters_of_a_line() -> None:
    text = "раз два три четыре"
    talk = [Segment(text, 0.0, 5.0, speaker="Александра")]
    options = SubtitleOptions(max_line_length=len(text))
    lines = render(talk, "srt", options).splitlines()[2:]
    assert len(lines) > 1
    assert max(map(len, lines)) <= len(text)


def test_two_speakers_of_one_channel_share_a_cue() -> None:
    talk = [
        Segment("я говорю долго и подробно", 0.0, 6.0, channel=0, speaker="Анна"),
        Segment("угу", 1.0, 1.3, channel=0, speaker="Борис"),
    ]
    (cue,) = lay_out(talk, SubtitleOptions())
    assert [part.speaker for part in cue.speeches] == ["Анна", "Борис"]
    alone = [replace(each, speaker="Анна", channel=n) for n, each in enumerate(talk)]
    assert len(lay_out(alone, SubtitleOptions())) == 2  # one voice, on whatever channels


def test_the_terminal_shows_speakers(capsys: pytest.CaptureFixture[str]) -> None:
    printer = WordPrinter(False)
    job = Job(Path("a.wav"))
    printer.result(job, LongformTranscriptionResult(TALK[:2]))
    printer.result(job, SHORT)
    assert capsys.readouterr().out.splitlines() == [
        *("0.00\t0.30\tкак\t1\tАнна", "0.40\t0.80\tдела\t1\tАнна"),
        "1.00\t1.50\tхорошо\tБорис",
        *("0.00\t0.30\tкак\tАнна", "0.40\t0.80\tдела\tАнна", "1.00\t1.50\tхорошо\tБорис"),
    ]


# ── segments ──────────────────────────────────────────────────────────────────────────────────────


def test_another_speaker_ends_a_phrase() -> None:
    mixed = Segment("как дела хорошо", 0.0, 2.0, [*QUESTION, *ANSWER], 0.8, 1)
    for parts in (in_turns(mixed), in_phrases(mixed, 1.0)):
        assert [part.speaker for part in parts] == ["Анна", "Борис"]
        assert [part.text for part in parts] == ["как дела", "хорошо"]
        assert [part.words for part in parts] == [QUESTION, ANSWER]
        assert [part.channel for part in parts] == [1, 1]
        assert [(part.start, part.end) for part in parts] == [(0.0, 0.8), (1.0, 1.5)]
    assert [part.text for part in in_phrases(mixed, 0.1)] == ["как", "дела", "хорошо"]


def test_a_turn_stays_as_it_is() -> None:
    whole = Segment("Как дела?", 0.0, 2.0, QUESTION, 0.8)
    assert in_turns(whole) == [replace(whole, speaker="Анна")]
    for same in (TALK[2], replace(TALK[2], speaker="Анна"), replace(TALK[2], words=[])):
        assert in_turns(same) == [same]
    unknown = [replace(each, speaker=None) for each in QUESTION]
    assert in_turns(replace(whole, words=unknown)) == [replace(whole, words=unknown)]


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from([None, "Анна", "Борис"]), min_size=1, max_size=12))
def test_segments_never_mix_speakers(who: list[str | None]) -> None:
    words = [Word(f"сл{n}", n, n + 0.5, 0.9, name) for n, name in enumerate(who)]
    segment = Segment(" ".join(word.text for word in words), 0.0, 20.0, words)
    for parts in (in_turns(segment), in_phrases(segment, 0.7), in_phrases(segment, 0.4)):
        assert [word for part in parts for word in part.words or ()] == words
        for part in parts:
            assert {word.speaker for word in part.words or ()} == {part.speaker}
    assert all(one.speaker != two.speaker for one, two in pairwise(in_turns(segment)))


def result_of(words: list[Word]) -> TranscriptionResult:
    return TranscriptionResult(" ".join(word.text for word in words), words=words, confidence=0.8)


@pytest.mark.parametrize("max_pause_s", [float("inf"), 1.0])
@pytest.mark.parametrize("word_timestamps", [True, False])
def test_speakers_outlive_stitching(max_pause_s: float, word_timestamps: bool) -> None:
    """Of a chunk that overlaps the next one, which hears the words of the overlap again."""
    stitcher = Stitcher(word_timestamps=word_timestamps, max_pause_s=max_pause_s)
    first = Chunk(0, 3 * RATE, 0, 4 * RATE, overlaps_next=True)
    second = Chunk(3 * RATE, 6 * RATE, 2 * RATE, 6 * RATE)
    left = [Word("раз", 0.5, 1.0, 0.9, "Анна"), Word("два", 2.5, 2.9, 0.9, "Борис")]
    right = [Word("два", 0.5, 0.9, 0.9, "Борис"), Word("три", 1.2, 1.6, 0.9, "Борис")]
    segments = [*stitcher.push(first, result_of(left)), *stitcher.push(second, result_of(right))]
    assert [each.speaker for each in segments] == ["Анна", "Борис", "Борис"]
    assert [each.text for each in segments] == ["раз", "два", "три"]
    for each in segments:
        assert {word.speaker for word in each.words or ()} <= {each.speaker}
        assert (each.words is not None) == word_timestamps
