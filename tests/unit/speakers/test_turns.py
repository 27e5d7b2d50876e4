"""What is said of the number of speakers, and turns as RTTM."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.errors import ArgumentError, DatasetError
from gigaam.speakers.rttm import read_rttm, rttm_lines
from gigaam.speakers.turns import SpeakerCount, Turn, speaker_count


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("auto", (1, 99)),
        (1, (1, 1)),
        (5, (5, 5)),
        ((2, 4), (2, 4)),
        ("2", (2, 2)),
        ("2-4", (2, 4)),
    ],
)
def test_numbers(given: Any, count: tuple[int, int]) -> None:
    assert speaker_count(given) == SpeakerCount(*count)


@pytest.mark.parametrize("given", [0, -1, 100, True, 2.0, (3, 2), (1, 2, 3), "two", (1, "2"), None])
def test_numbers_that_cannot_be(given: Any) -> None:
    with pytest.raises(ArgumentError, match="speakers must be"):
        speaker_count(given)


def test_rttm(tmp_path: Path) -> None:
    turns = [Turn(0.5, 2.25, "SPEAKER_00"), Turn(2.0, 3.0, "Анна Петровна")]
    lines = list(rttm_lines(turns, "my call"))
    assert lines[0] == "SPEAKER my_call 1 0.500 1.750 <NA> <NA> SPEAKER_00 <NA> <NA>"
    (tmp_path / "a.rttm").write_text("\n".join(lines), encoding="utf-8")
    (found,) = read_rttm(tmp_path / "a.rttm").values()
    assert found == [turns[0], Turn(2.0, 3.0, "Анна_Петровна")]


@given(st.lists(st.tuples(*[st.integers(0, 10**7)] * 2, st.sampled_from("абв")), max_size=9))
def test_rttm_round_trip(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int, str]]
) -> None:
    turns = [Turn(start / 1000, (start + n) / 1000, name) for start, n, name in parts]
    path = tmp_path_factory.getbasetemp() / "round.rttm"
    second = [replace(turn, channel=1) for turn in turns]
    lines = [*rttm_lines(turns, "one"), "", *rttm_lines(second, "other")]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_rttm(path) == ({"one": turns, "other": turns} if turns else {})


def test_other_lines_of_rttm_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_bytes(
        b"\xef\xbb\xbf;; made by hand\r\nSPKR-INFO a 1 <NA> <NA> <NA> unknown b <NA> <NA>\r\n"
        b"SPEAKER a 1 0.5 1e0 <NA> <NA> b <NA>\r\n"
    )
    assert read_rttm(path) == {"a": [Turn(0.5, 1.5, "b")]}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("SPEAKER a 1 0.5", "line 2: 4 fields, but a line of a turn has 8"),
        ("SPEAKER a 1 <NA> 1 <NA> <NA> b", "line 2: the start is '<NA>', not a number of seconds"),
        ("SPEAKER a 1 1 -1 <NA> <NA> b", "line 2: the duration is '-1', not"),
        ("SPEAKER a 1 nan 1 <NA> <NA> b", "line 2: the start is 'nan', not"),
        ("NOSCORE a 1 0 1 <NA> <NA> b", "line 2: 'NOSCORE' is no kind of line .* all .* is scored"),
        ("0.5,1.5,anna", "line 2: '0.5,1.5,anna' is no kind of line"),
    ],
)
def test_wrong_rttm(line: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DatasetError, match=f"a.rttm, {complaint}"):
        read_rttm(path)


def test_rttm_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"the RTTM file .*a\.rttm cannot be read: No such"):
        read_rttm(tmp_path / "a.rttm")
    (tmp_path / "a.rttm").write_bytes(b"\xff")
    with pytest.raises(DatasetError, match=r"a\.rttm, line 1: not UTF-8"):
        read_rttm(tmp_path / "a.rttm")
