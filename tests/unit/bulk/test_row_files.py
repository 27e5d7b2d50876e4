"""Files of rows: what was put in comes out, whatever it is; what is damaged is said to be."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Failure
from gigaam.bulk.records import FORMATS, RowFormat
from gigaam.bulk.row_files import Row, pack_rows, unpack_rows
from gigaam.errors import AudioDecodingError, BulkError
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word
from tests.bulk_runs import MADE_BY, failed_row, spoken_row
from tests.examples import examples

ODD = "\x00\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\\\"'{}[]\ud7ff\ue000\ufeff😀\u0301"
UTF8 = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(ODD)), max_size=20)
# A byte of a path that is not UTF-8 is one of these.
NAMES = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
    )
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PARTS = st.one_of(st.none(), st.floats(0, 1))
SPEAKERS = st.one_of(st.none(), UTF8)
WORDS = st.builds(Word, UTF8, NUMBERS, NUMBERS, st.floats(0, 1), SPEAKERS, st.booleans())
CHANNELS = st.one_of(st.none(), st.integers(0, 7))
SEGMENTS = st.builds(
    Segment, UTF8, NUMBERS, NUMBERS, st.lists(WORDS, max_size=3), PARTS, CHANNELS, SPEAKERS
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A row as odd as it can be."""
    id = draw(NAMES)
    about = (id, draw(NAMES), draw(NUMBERS), draw(NUMBERS))
    warnings = tuple(draw(st.lists(NAMES, max_size=2)))
    if draw(st.booleans()):
        return Row(*about, warnings=warnings, error=Failure(id, draw(UTF8), draw(NAMES)))
    segments = tuple(draw(st.lists(SEGMENTS, max_size=3)))
    return Row(*about, draw(UTF8), draw(PARTS), segments, warnings)


@pytest.mark.parametrize("format", FORMATS)
@given(made=st.lists(rows(), max_size=4))
@settings(max_examples=examples(25))
def test_what_is_packed_is_unpacked(made: list[Row], format: RowFormat) -> None:
    assert unpack_rows(pack_rows(made, MADE_BY, format), format) == made


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows_are_a_file_too(format: RowFormat) -> None:
    assert unpack_rows(pack_rows([], MADE_BY, format), format) == []


@pytest.mark.parametrize("format", FORMATS)
def test_long_texts(format: RowFormat) -> None:
    made = [spoken_row("long.wav", "слово " * 50_000)]
    made = [replace(made[0], segments=())]
    assert unpack_rows(pack_rows(made, MADE_BY, format), format) == made


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_not_a_number_is_not_known(format: RowFormat) -> None:
    word = Word("слово", math.nan, 1.0, math.nan)
    segment = Segment("слово", math.nan, 1.0, [word], math.nan)
    made = Row("a", "a", 0.0, math.inf, "слово", math.nan, (segment,))
    packed = pack_rows([made], MADE_BY, format)
    (row,) = unpack_rows(packed, format)
    (found,) = row.words
    assert found.end == 1.0
    assert all(map(math.isnan, (found.start, found.confidence, row.segments[0].start)))
    assert not math.isfinite(row.duration)
    assert row.confidence is None or math.isnan(row.confidence)
    if format == "jsonl":  # which has no word for it
        json.loads(packed, parse_constant=pytest.fail)


def test_every_line_of_json_says_what_it_was_made_by() -> None:
    made = [spoken_row("a.wav"), failed_row("b.wav"), spoken_row("c.wav", "")]
    plain = [json.loads(line) for line in pack_rows(made, MADE_BY, "jsonl").split(b"\n")[:-1]]
    assert len({tuple(each) for each in plain}) == 1
    assert {each["model"] for each in plain} == {"tiny_ctc"}


def test_parquet_shows_bytes_of_names_as_python_does() -> None:
    from io import BytesIO

    import pyarrow.parquet

    packed = pack_rows([spoken_row("\udcff.wav")], MADE_BY, "parquet")
    assert pyarrow.parquet.read_table(BytesIO(packed))["path"].to_pylist() == ["\\udcff.wav"]


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@settings(max_examples=examples(100))
def test_damage_is_told(format: RowFormat, data: st.DataObject) -> None:
    made = [spoken_row("a.wav", "один два три"), failed_row("b.wav")]
    packed = bytearray(pack_rows(made, MADE_BY, format))
    at = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        del packed[at:]
    else:
        packed[at] = data.draw(st.integers(0, 255))
    try:
        found = unpack_rows(bytes(packed), format)
    except BulkError:
        return
    assert found == made or format == "jsonl"  # which has no checksums


@pytest.mark.parametrize(
    "line",
    [b"[]", b"7", b'"a"', b"null", b"{}", b"{", b'{"id": 7}', b"\xff", b"[" * 100],
)
def test_lines_that_are_no_rows(line: bytes) -> None:
    good = pack_rows([spoken_row("a.wav")], MADE_BY, "jsonl")
    with pytest.raises(BulkError, match="a file of rows is damaged"):
        unpack_rows(good + line + b"\n", "jsonl")


@pytest.mark.parametrize("name", ["id", "path", "text"])
def test_a_text_is_a_text(name: str) -> None:
    plain = {**spoken_row("a.wav").to_dict(), name: 7}
    with pytest.raises(BulkError, match=f"{name} is 7, not a text"):
        unpack_rows(json.dumps(plain).encode(), "jsonl")


ENTRY = Entry("a.wav", "a.wav", "/archive/a.wav")


def test_row_of_a_short_recording() -> None:
    words = [Word("два", 0.0, 0.4), Word("слова", 0.5, 0.9)]
    result = TranscriptionResult("два слова", words=words, confidence=0.25)
    row = Row.of(ENTRY, result, 1.5, ["it is cut short"])
    assert (row.text, row.words, row.duration) == ("два слова", words, 1.5)
    assert row.confidence == pytest.approx(0.25)
    assert row.warnings == ("it is cut short",)
    assert row.result.to_dict()["duration"] == 1.5


def test_a_text_without_words_is_not_lost() -> None:
    row = Row.of(ENTRY, TranscriptionResult("…", words=[]), 1.5)
    assert row.result.text == "…"
    assert not Row.of(ENTRY, TranscriptionResult("", words=[]), 1.5).segments


def test_confidence_is_the_mean_by_words() -> None:
    segments = [
        Segment("а", 0.0, 1.0, [Word("а", 0.0, 1.0)], 0.1),
        Segment("б в г", 1.0, 2.0, [Word(text, 1.0, 2.0) for text in "бвг"], 0.9),
        Segment("", 2.0, 3.0, [], 0.0),
    ]
    row = Row.of(ENTRY, LongformTranscriptionResult(segments), 3.0)
    assert row.confidence == pytest.approx((0.1 * 0.9**3) ** 0.25)


def test_row_of_an_error() -> None:
    row = Row.of(ENTRY, AudioDecodingError("it is damaged"), 0.0, is_passing=True)
    assert row.error == Failure("a.wav", "AudioDecodingError", "it is damaged", True)
    with pytest.raises(BulkError, match=r"a\.wav failed: it is damaged"):
        _ = row.result
    missing = Row.of(ENTRY, FileNotFoundError(2, "No such file", "a.wav"), 0.0)
    assert missing.error == Failure("a.wav", "FileNotFoundError", "a.wav: No such file")
