"""What is said of the number of speakers, and turns as RTTM."""

from typing import Any

import pytest

from gigaam.errors import ArgumentError
from gigaam.speakers.rttm import rttm_lines
from gigaam.speakers.turns import SpeakerCount, Turn, speaker_count
from recipes.speakers.references import parse_rttm


@pytest.mark.parametrize(
    ("given", "count"), [("auto", (1, 99)), (1, (1, 1)), (5, (5, 5)), ((2, 4), (2, 4))]
)
def test_numbers(given: Any, count: tuple[int, int]) -> None:
    assert speaker_count(given) == SpeakerCount(*count)


@pytest.mark.parametrize("given", [0, -1, 100, True, 2.0, (3, 2), (1, 2, 3), "two", (1, "2"), None])
def test_numbers_that_cannot_be(given: Any) -> None:
    with pytest.raises(ArgumentError, match="speakers must be"):
        speaker_count(given)


def test_rttm() -> None:
    turns = [Turn(0.5, 2.25, "SPEAKER_00"), Turn(2.0, 3.0, "Анна Петровна")]
    lines = list(rttm_lines(turns, "my call"))
    assert lines[0] == "SPEAKER my_call 1 0.500 1.750 <NA> <NA> SPEAKER_00 <NA> <NA>"
    found = parse_rttm("\n".join(lines))
    assert [(turn.start, turn.end) for turn in found] == [(0.5, 2.25), (2.0, 3.0)]
    assert found[1].speaker == "Анна_Петровна"
