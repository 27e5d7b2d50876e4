"""Segments by speaker, of a program's own diarizer."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gigaam.errors import ArgumentError
from gigaam.speakers import SpeakerCount, SpeakerListener, Turn, diarize
from gigaam.types import Segment, Word

SILENCE = np.zeros(16_000, np.float32)


class Told:
    """Gives each channel the turns that it was made with."""

    def __init__(self, *turns: Sequence[Turn]) -> None:
        self._turns = list(turns)

    def stream(self, count: SpeakerCount) -> "Heard":
        return Heard(list(self._turns.pop(0)))


class Heard:
    def __init__(self, turns: list[Turn]) -> None:
        self._turns = turns

    def feed(self, samples: np.ndarray) -> None:
        pass

    def finish(self) -> list[Turn]:
        return self._turns


def listener(*turns: Sequence[Turn]) -> SpeakerListener:
    found = SpeakerListener(Told(*turns), SpeakerCount())
    for _ in found.hearing([[SILENCE] * len(turns)]):
        pass
    return found


def segment(start: float, n_words: int, channel: int | None = None) -> Segment:
    words = [Word("да", start + 0.5 * n, start + 0.5 * n + 0.4) for n in range(n_words)]
    return Segment(" ".join(["да"] * n_words), start, words[-1].end, words=words, channel=channel)


TWO = [Turn(0, 2, "SPEAKER_00"), Turn(2, 4, "SPEAKER_01"), Turn(4, 6, "SPEAKER_00")]


def test_segments_of_several_channels_are_in_order() -> None:
    both = [segment(0, 12, 0), segment(1, 10, 1)]
    found = list(listener(TWO, TWO).told_apart(True, both))
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert len(found) == 6
    people = {channel: {s.speaker for s in found if s.channel == channel} for channel in (0, 1)}
    assert len(people[0] | people[1]) == 4


def test_an_error_comes_after_what_was_recognised() -> None:
    def segments() -> Iterator[Segment]:
        yield segment(0, 4)
        raise OSError("the disk is gone")

    told = listener(TWO).told_apart(False, segments())
    assert next(told).speaker == "SPEAKER_00"
    with pytest.raises(OSError, match="the disk is gone"):
        next(told)


def test_names_stay_in_every_channel() -> None:
    call = 16_000, np.zeros((2, 16_000), np.float32)
    mine = [Turn(0, 0.5, "Анна"), Turn(0.5, 1, "SPEAKER_07")]
    found = diarize(call, Told(mine, mine), channels="split")
    assert [turn.speaker for turn in found] == ["Анна", "Анна", "SPEAKER_00", "SPEAKER_01"]
    assert [turn.channel for turn in found] == [0, 1, 0, 1]


def test_a_seam_of_segments_is_no_reason_for_a_flicker() -> None:
    turns = [Turn(0, 2.95, "A"), Turn(2.9, 3.25, "B"), Turn(3.2, 6, "A")]
    found = listener(turns).told_apart(True, [segment(0, 6), segment(3, 6)])
    assert [each.speaker for each in found] == ["A", "A"]


def test_a_recording_of_one_channel_that_is_split() -> None:
    (found,) = listener([Turn(0, 2, "A")]).told_apart(False, [segment(0, 3, 0)])
    assert (found.channel, found.speaker, found.words) == (0, "A", None)


@pytest.mark.parametrize("given", [None, [(0.0, 1.0, "A")], [Turn(0, 1, "A"), None]])
def test_what_diarizers_must_give(given: object) -> None:
    class Wrong(Told):
        def stream(self, count: SpeakerCount) -> Heard:
            return Heard(given)  # type: ignore[arg-type]

    with pytest.raises(ArgumentError, match=r"Wrong must give a list of gigaam\.speakers\.Turn"):
        diarize((16_000, SILENCE), Wrong())


def test_known_speakers_have_names() -> None:
    with pytest.raises(ArgumentError, match="known_speakers must be names and recordings"):
        diarize((16_000, SILENCE), Told([]), known_speakers=["anna.wav"])  # type: ignore[arg-type]
