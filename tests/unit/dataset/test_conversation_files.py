"""Who says what, as STM and as SegLST, and everything that can be wrong with such files."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.dataset.conversations import Said, read_seglst, read_stm
from gigaam.errors import DatasetError

STM = (
    ";; two recordings\n"
    "call 1 anna 0.5 1.25 <o,f0,female> Добрый  день!\r\n"
    "\n"
    "call 2 борис 1 2\n"
    "other A anna 0 .5 да\n"
)
FOUND = {
    "call": [Said(0.5, 1.25, "anna", "Добрый  день!"), Said(1.0, 2.0, "борис", "")],
    "other": [Said(0.0, 0.5, "anna", "да")],
}

texts = st.lists(st.sampled_from(["да", "нет", "ну-ну", "Ёлка,"])).map(" ".join)
millis = st.integers(0, 10**7)
said = st.builds(
    lambda start, length, who, text: Said(start / 1000, (start + length) / 1000, who, text),
    *(millis, millis, st.sampled_from("абв"), texts),
)


def entry(session: str, each: Said) -> dict[str, object]:
    times = {"start_time": each.start, "end_time": str(each.end)}
    return {"session_id": session, "speaker": each.speaker, "words": each.text, **times}


def test_stm(tmp_path: Path) -> None:
    (tmp_path / "a.stm").write_text("\ufeff" + STM, encoding="utf-8")
    assert read_stm(tmp_path / "a.stm") == FOUND


def test_seglst(tmp_path: Path) -> None:
    entries = [entry(name, each) for name, some in FOUND.items() for each in some]
    (tmp_path / "a.json").write_text(json.dumps([*entries, {**entries[0], "gender": "f"}]))
    found = read_seglst(tmp_path / "a.json")
    assert found == {**FOUND, "call": [*FOUND["call"], FOUND["call"][0]]}


def test_seglst_of_one_recording_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**entry("", FOUND["other"][0])}]))
    assert read_seglst(tmp_path / "a.json") == {"": FOUND["other"]}
    (tmp_path / "a.json").write_text("[]")
    assert read_seglst(tmp_path / "a.json") == {}


@given(st.lists(said))
def test_both_formats_hold_the_same(
    tmp_path_factory: pytest.TempPathFactory, conversation: Sequence[Said]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lines = [f"a 1 {s.speaker} {s.start!r} {s.end!r} {s.text}\n" for s in conversation]
    (folder / "a.stm").write_text("".join(lines), encoding="utf-8")
    (folder / "a.json").write_text(json.dumps([entry("a", each) for each in conversation]))
    expected = {"a": conversation} if conversation else {}
    assert read_stm(folder / "a.stm") == read_seglst(folder / "a.json") == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("call 1 anna 0.5", "4 fields, not recording, channel, speaker, start, end and words"),
        ("call 1 anna a 1 да", "the start is 'a', not a number of seconds"),
        ("call 1 anna 0 inf да", "the end is 'inf', not"),
        ("call 1 anna 2 1.5 да", "it ends at 1.5 s, before it starts at 2 s"),
        ("call 1 gap 0 1 <o,,> ignore_time_segment_in_scoring", "'ignore_.* are not understood"),
        ("call 1 anna 0 1 { да / нет }", "alternatives in braces are not understood"),
    ],
)
def test_wrong_stm(line: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.stm").write_text(f";;\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"a\.stm, line 2: .*{complaint}"):
        read_stm(tmp_path / "a.stm")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"speaker": None}, "speaker is null, not a text"),
        ({"session_id": 7}, "session_id is 7, not a text"),
        ({"words": ["да"]}, "words is .*, not a text"),
        ({"start_time": "00:00:01"}, "the start is '00:00:01', not a number of seconds"),
        ({"end_time": True}, "the end is True, not"),
        ({"end_time": 10**400}, "the end is 1000.*, not"),
        ({"start_time": 3}, "it ends at 0.5 s, before it starts at 3 s"),
    ],
)
def test_wrong_seglst(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    right = entry("call", FOUND["other"][0])
    (tmp_path / "a.json").write_text(json.dumps([right, {**right, **change}]))
    with pytest.raises(DatasetError, match=rf"a\.json, entry 2: {complaint}"):
        read_seglst(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'[\n{"speaker": }]', r"a\.json, line 2: not JSON: Expecting value"),
        (b'{"speaker": "a"}', "not a list of objects, as SegLST is"),
        (b"[1]", "entry 1: not an object but 1"),
        (b"[{}]", "entry 1: speaker is missing, not a text"),
        (b"\xff", "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
    ],
)
def test_files_that_are_no_seglst(content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=complaint):
        read_seglst(tmp_path / "a.json")


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"the STM file .* cannot be read: No such file"):
        read_stm(tmp_path / "a.stm")
    with pytest.raises(DatasetError, match=r"the SegLST file .* cannot be read: Is a directory"):
        read_seglst(tmp_path)
