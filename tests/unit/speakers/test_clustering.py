"""Which pieces of speech are of the same person."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.speakers.clustering import speakers_of
from gigaam.speakers.turns import SpeakerCount
from gigaam.speakers.voices import DIMENSIONS, Piece
from tests.examples import examples


def pieces(
    who: list[int], spread: float = 0.03, frames: int = 118, seed: int = 0, gap: int = 30
) -> list[Piece]:
    """Pieces of people whose voices have nothing in common; -1 is too short to tell."""
    rng = np.random.default_rng(seed)
    people = np.eye(DIMENSIONS)[rng.permutation(DIMENSIONS)]
    found = []
    for n, person in enumerate(who):
        voice = people[person] + rng.normal(0, spread, DIMENSIONS)
        known = (voice / np.linalg.norm(voice)).astype(np.float32) if person >= 0 else None
        length = frames if person >= 0 else 15
        found.append(Piece(n * (frames + gap), n * (frames + gap) + length, known))
    return found


@settings(max_examples=examples(40))
@given(st.lists(st.integers(0, 3), min_size=12, max_size=60), st.integers(0, 5))
def test_people_are_told_apart(who: list[int], seed: int) -> None:
    talking = {each for each in who if who.count(each) >= 3}
    who = [each for each in who if each in talking] or [0] * 12
    order = list(dict.fromkeys(who))
    expected = [order.index(each) for each in who]
    for count in (SpeakerCount(), SpeakerCount(len(order), len(order))):
        assert speakers_of(pieces(who, seed=seed), count).tolist() == expected


def test_nobody() -> None:
    assert speakers_of([], SpeakerCount()).tolist() == []
    assert speakers_of(pieces([-1, -1]), SpeakerCount(2, 2)).tolist() == [0, 0]


def test_one_piece() -> None:
    assert speakers_of(pieces([0]), SpeakerCount(3, 3)).tolist() == [0]


def test_short_pieces_stay_with_those_before_them() -> None:
    who = [0, 0, -1, 0, 1, 1, -1, 1, 0, 0]
    assert speakers_of(pieces(who), SpeakerCount()).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("count", "n_people"), [((1, 99), 4), ((2, 2), 2), ((1, 3), 3), ((4, 4), 4)]
)
def test_the_number_is_heeded(count: tuple[int, int], n_people: int) -> None:
    who = [0, 1, 2, 3] * 10
    assert speakers_of(pieces(who), SpeakerCount(*count)).max() + 1 == n_people


def test_more_than_there_are_pieces() -> None:
    assert speakers_of(pieces([0, 1, 0]), SpeakerCount(9, 9)).tolist() == [0, 1, 0]


# As pieces of two seconds by real people: a cosine of 0.6 and 0.5 with each other in the mean.
@pytest.mark.parametrize("spread", [0.058, 0.072])
@pytest.mark.parametrize("n_people", [1, 2, 3])
def test_half_a_minute_is_enough(n_people: int, spread: float) -> None:
    for seed in range(5):
        who = [n // 3 % n_people for n in range(15)]
        told = speakers_of(pieces(who, spread, seed=seed), SpeakerCount(n_people, n_people))
        assert told.tolist() == who
        found = speakers_of(pieces(who, spread, seed=seed), SpeakerCount())
        assert found.tolist() == who


def test_many_people_in_a_long_recording() -> None:
    who = [n // 2 % 8 for n in range(320)]
    assert speakers_of(pieces(who, 0.065), SpeakerCount()).tolist() == who


def test_known_voices_are_not_taken_for_each_other() -> None:
    who = [0, 0, 1, 1, 0, 1]
    heard = pieces(who, 0.09)
    rng = np.random.default_rng(7)
    known = np.stack([np.eye(DIMENSIONS)[rng.permutation(DIMENSIONS)[0]]] * 3).astype(np.float32)
    for n in (0, 1):  # and one who is not there
        known[n] = sum(piece.voice for piece, person in zip(heard, who, strict=True) if person == n)
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    assert speakers_of(heard, SpeakerCount(), known).tolist() == who
    assert set(speakers_of(heard, SpeakerCount(1, 1), known).tolist()) == {0}


def test_many_pieces_are_clustered_in_parts() -> None:
    who = [0] * 1500 + [1] * 1500 + [0, 1] * 500
    found = speakers_of(pieces(who), SpeakerCount())
    assert found.tolist() == who
