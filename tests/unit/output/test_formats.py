import csv
import datetime
import html
import io
import json
import math
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import srt
import webvtt
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gigaam.errors import ArgumentError
from gigaam.output import formats
from gigaam.output.formats import FORMATS, TextOptions, Writer, render, save
from gigaam.output.subtitles import SubtitleOptions, lay_out
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word
from tests.transcripts import segments_of, words_of

WORDS = [Word("добрый", 1.0, 1.4, 0.9), Word("день", 1.48, 1.8, 0.7)]
SHORT = TranscriptionResult("добрый день", words=WORDS, confidence=0.8)
SEGMENT = Segment("добрый день", 0.9, 2.0, WORDS, 0.8)
LONG = LongformTranscriptionResult(
    [SEGMENT, Segment("  ", 3.0, 4.0, []), Segment("до встречи", 61.0, 63.5, None, 0.5)],
    duration=70.0,
)
CALL = [
    Segment("слушаю вас", 0.0, 2.0, channel=0),
    Segment("здравствуйте", 2.5, 4.0, channel=1),
]
SUBTITLE_FORMATS = ["srt", "vtt"]
TIMED_FORMATS = [*SUBTITLE_FORMATS, "tsv"]


# ── what the files look like ──────────────────────────────────────────────────────────────────────

EXPECTED = {
    "txt": "добрый день\nдо встречи\n",
    "srt": (
        "1\n00:00:01,000 --> 00:00:01,833\nдобрый день\n"
        "\n2\n00:01:01,000 --> 00:01:03,500\nдо встречи\n"
    ),
    "vtt": (
        "WEBVTT\n"
        "\n00:00:01.000 --> 00:00:01.833\nдобрый день\n"
        "\n00:01:01.000 --> 00:01:03.500\nдо встречи\n"
    ),
    "tsv": "start\tend\ttext\n900\t2000\tдобрый день\n61000\t63500\tдо встречи\n",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_long_recording(name: str) -> None:
    assert render(LONG, name) == EXPECTED[name]
    assert render(LONG.segments, name) == EXPECTED[name]
    assert render(iter(LONG), name) == EXPECTED[name]


def test_short_recording_is_timed_by_its_words() -> None:
    assert render(SHORT, "txt") == "добрый день\n"
    assert render(SHORT, "srt") == "1\n00:00:01,000 --> 00:00:01,833\nдобрый день\n"
    assert render(SHORT, "vtt") == "WEBVTT\n\n00:00:01.000 --> 00:00:01.833\nдобрый день\n"
    assert render(SHORT, "tsv") == "start\tend\ttext\n1000\t1800\tдобрый день\n"


def test_json_is_what_the_result_says_of_itself() -> None:
    for result in (SHORT, LONG):
        text = render(result, "json")
        assert json.loads(text) == result.to_dict()
        assert "добрый" in text
        assert text.endswith("}\n")
    listed = render(LONG.segments, "json")
    assert json.loads(listed) == LongformTranscriptionResult(LONG.segments).to_dict()


@pytest.mark.parametrize(
    "empty", [LongformTranscriptionResult(), [], TranscriptionResult(""), [Segment(" ", 0, 1)]]
)
def test_nothing_said(empty: LongformTranscriptionResult) -> None:
    assert render(empty, "txt") == ""
    assert render(empty, "srt") == ""
    assert render(empty, "vtt") == "WEBVTT\n"
    assert render(empty, "tsv") == "start\tend\ttext\n"
    assert json.loads(render(empty, "json"))["text"] == ""


def test_text_with_timestamps() -> None:
    lines = "[0:00.9 - 0:02.0] добрый день\n[1:01.0 - 1:03.5] до встречи\n"
    assert render(LONG, "txt", TextOptions(timestamps=True)) == lines
    line = "[0:01.0 - 0:01.8] добрый день\n"
    assert render(SHORT, "txt", TextOptions(timestamps=True)) == line


def test_channels() -> None:
    assert render(CALL, "txt") == "[channel 0] слушаю вас\n[channel 1] здравствуйте\n"
    assert "\n[channel 0] слушаю вас\n" in render(CALL, "srt")
    assert "\n<v channel 1>здравствуйте</v>\n" in render(CALL, "vtt")
    rows = "0\t2000\tслушаю вас\t0\n2500\t4000\tздравствуйте\t1\n"
    assert render(CALL, "tsv") == f"start\tend\ttext\tchannel\n{rows}"
    assert [s["channel"] for s in json.loads(render(CALL, "json"))["segments"]] == [0, 1]


def test_speakers_by_name() -> None:
    names = ("Оператор", "A & <B>\n")
    assert render(CALL, "txt", TextOptions(speakers=names[:1])).startswith("[Оператор] слушаю")
    options = SubtitleOptions(speakers=names)
    assert "\n[Оператор] слушаю вас\n" in render(CALL, "srt", options)
    assert "\n<v A &amp; &lt;B&gt;>здравствуйте</v>\n" in render(CALL, "vtt", options)


@pytest.mark.parametrize("name", ["txt", *TIMED_FORMATS])
def test_segments_are_put_in_order_of_time(name: str) -> None:
    assert render(CALL[::-1], name) == render(CALL, name)


def test_hours_and_rounding() -> None:
    late = [Segment("раз", 359999.9996, 360001.0), Segment("два", 445326.5004, 445328.0)]
    assert re.findall(r".* --> .*", render(late, "srt")) == [
        "100:00:00,000 --> 100:00:01,000",
        "123:42:06,500 --> 123:42:08,000",
    ]


# ── what the formats cannot hold ──────────────────────────────────────────────────────────────────

HOSTILE = 'a & <b> --> "c"\n\n2\n00:00:09,000 --> 00:00:10,000\n\tWEBVTT  {d}'


def test_hostile_text_stays_text() -> None:
    segments = [Segment(HOSTILE, 0.0, 6.0), Segment("конец", 6.5, 8.0)]
    cues = list(srt.parse(render(segments, "srt"), ignore_errors=False))
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
    words = " ".join(cue.content for cue in cues).split()
    assert words == f"{HOSTILE} конец".replace("-->", "→").split()

    captions = webvtt.from_string(render(segments, "vtt"), strict=True).captions
    assert " ".join(map(plain_text, captions)).split() == f"{HOSTILE} конец".split()

    rows = list(csv.reader(io.StringIO(render(segments, "tsv")), dialect="excel-tab"))
    assert rows == [
        ["start", "end", "text"],
        ["0", "6000", " ".join(HOSTILE.split())],
        ["6500", "8000", "конец"],
    ]


def test_table_goes_into_pandas() -> None:
    segments = [Segment('"да" и "нет"\tтак', 0.0, 1.5), Segment("конец", 2, 3, channel=1)]
    table = pd.read_csv(io.StringIO(render(segments, "tsv")), sep="\t")
    assert table["text"].tolist() == ['"да" и "нет" так', "конец"]
    assert table["end"].tolist() == [1500, 3000]
    assert math.isnan(table["channel"][0])


# ── any text ──────────────────────────────────────────────────────────────────────────────────────

ANY_WORD = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)


def before_the_beginning(start: float, count: int) -> Segment:
    """A segment whose words run backwards from its start, to before the recording."""
    times = [start - (index + 1) / 10 for index in range(count)]
    return Segment("0 " * count, start, start, [Word("0", time, time, 0.5) for time in times])


@settings(deadline=None)
@given(segments_of(ANY_WORD))
@example(
    [
        before_the_beginning(0.0, 13),
        Segment("", 0.0, 0.0),
        before_the_beginning(0.0625, 16),  # all its cues begin at 0, though it begins later …
        Segment("0", 0.0, 1.0),  # … than this one
    ]
)
def test_parsers_read_back_what_was_written(segments: list[Segment]) -> None:
    cues = lay_out(segments, SubtitleOptions())
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    words = Counter(text for text, _ in words_of(segments).elements())

    captions = webvtt.from_string(render(segments, "vtt"), strict=True).captions
    milli = [(c.start_time, c.end_time) for c in captions]
    assert [tuple(map(in_milliseconds, pair)) for pair in milli] == times
    assert Counter(text for c in captions for text in plain_text(c).split()) == words

    plain = [Segment(s.text, s.start, s.end, s.words) for s in segments]
    parsed = list(srt.parse(render(plain, "srt")))
    assert [(p.start, p.end) for p in parsed] == [
        (datetime.timedelta(milliseconds=c.start_ms), datetime.timedelta(milliseconds=c.end_ms))
        for c in lay_out(plain, SubtitleOptions())
    ]
    arrows = Counter(text.replace("-->", "→") for text in words.elements())
    assert Counter(text for p in parsed for text in p.content.split()) == arrows

    rows = list(csv.reader(io.StringIO(render(segments, "tsv"), newline=""), dialect="excel-tab"))
    assert Counter(text for row in rows[1:] for text in row[2].split()) == words
    assert {len(row) for row in rows} <= {3, 4}

    content = json.loads(render(segments, "json"))
    assert [s["text"] for s in content["segments"]] == [s.text for s in segments]


def plain_text(caption: webvtt.Caption) -> str:
    return html.unescape(caption.text)  # the parser takes the tags away, but leaves &lt;


def in_milliseconds(clock: webvtt.models.Timestamp) -> int:
    hours, minutes, seconds, thousandths = clock.to_tuple()
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


@given(st.lists(st.floats(0, 1e7), min_size=2, max_size=2))
def test_rounding_keeps_order(moments: list[float]) -> None:
    first, second = sorted(moments)
    rows = render([Segment("да", first, second)], "tsv").splitlines()[1].split("\t")
    assert int(rows[0]) <= int(rows[1])
    assert abs(int(rows[1]) - second * 1000) <= 0.5 + 1e-6


# ── misuse ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("srt", TextOptions(), "srt takes SubtitleOptions, not TextOptions"),
        ("txt", SubtitleOptions(), "txt takes TextOptions"),
        ("json", TextOptions(), "json has no options"),
        ("tsv", SubtitleOptions(), "tsv has no options"),
    ],
)
def test_options_of_another_format(name: str, options: TextOptions, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        render(LONG, name, options)


@pytest.mark.parametrize("name", TIMED_FORMATS)
def test_short_recording_without_words_has_no_times(name: str) -> None:
    with pytest.raises(ArgumentError, match="word_timestamps=True"):
        render(TranscriptionResult("добрый день"), name)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("result", ["просто строка", ["строка"], [{"transcription": "да"}]])
def test_what_is_no_result(name: str, result: list[Segment]) -> None:
    with pytest.raises(ArgumentError, match=r"consists of segments, not of (str|dict)"):
        render(result, name)


@pytest.mark.parametrize("name", [*TIMED_FORMATS, "json"])
def test_time_that_is_none(name: str) -> None:
    with pytest.raises(ArgumentError):
        render([Segment("да", 0.0, math.nan)], name)


def test_numpy_times() -> None:
    assert "\t2500\t" in render([Segment("да", np.float32(1.5), np.float32(2.5))], "tsv")


# ── files ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("result", [SHORT, LONG], ids=["short", "long"])
def test_save(name: str, result: TranscriptionResult, tmp_path: Path) -> None:
    path = tmp_path / f"запись.{name.upper()}"
    assert result.save(path) == path
    assert path.read_bytes() == render(result, name).encode()
    assert os.listdir(tmp_path) == [path.name]


def test_save_with_format_and_options(tmp_path: Path) -> None:
    path = tmp_path / "subtitles"
    LONG.save(str(path), "srt", SubtitleOptions(max_line_length=5, max_lines=1))
    assert "\nдобрый\n" in path.read_text("utf-8")
    save(iter(CALL), path, format="txt", options=TextOptions(timestamps=True))
    assert path.read_text("utf-8").startswith("[0:00.0 - 0:02.0] [channel 0] слушаю вас\n")


@pytest.mark.parametrize("name", ["a", "a.doc", ".srt"])
def test_save_under_an_extension_that_is_no_format(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="txt, srt, vtt, json, tsv"):
        LONG.save(tmp_path / name)
    with pytest.raises(ArgumentError, match="'doc' is not a format"):
        LONG.save(tmp_path / name, "doc")
    assert os.listdir(tmp_path) == []


def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("старое", "utf-8")
    with pytest.raises(UnicodeEncodeError):
        save([Segment("\udc80", 0.0, 1.0)], path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(formats.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(LONG, path)
    assert path.read_text("utf-8") == "старое"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such directory: .*missing'$"):
        save(LONG, tmp_path / "missing" / "a.txt")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file'$") as raised:
        save(LONG, tmp_path / "file" / "a.txt")
    assert ".tmp" not in str(raised.value)
    with pytest.raises(OSError, match=r"File name too long: .*txt'$") as raised:
        save(LONG, tmp_path / f"{'a' * 300}.txt")
    assert ".tmp" not in str(raised.value)


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of Unix")
def test_file_is_as_any_other_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "target.txt")
    save(LONG, link)
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_text("utf-8") == EXPECTED["txt"]
    assert link.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text("utf-8")))
    reader.start()
    save(LONG, pipe)
    reader.join(timeout=10)
    assert read == [EXPECTED["txt"]]
    assert pipe.is_fifo()


def test_table_of_formats() -> None:
    assert list(FORMATS) == ["txt", "srt", "vtt", "json", "tsv"]
    for name, writer in FORMATS.items():
        assert issubclass(writer, Writer)
        assert writer.name == name
        assert writer.summary
        assert writer().render(LONG) == render(LONG, name)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_standard_output_that_is_a_pipe_is_written_to() -> None:
    code = (
        "from gigaam import Segment, LongformTranscriptionResult as R;"
        "R([Segment('да', 0.0, 1.0)]).save('/dev/stdout', 'txt')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "да\n"), run.stderr
