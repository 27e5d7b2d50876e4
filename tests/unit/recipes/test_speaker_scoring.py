"""How many words get the right speaker, on cases that can be worked out by hand."""

from dataclasses import dataclass

from recipes.speakers.scoring import Counted, attributed


@dataclass(frozen=True)
class Heard:
    """A turn of no particular type."""

    start: float
    end: float
    speaker: str | None
    text: str = ""


def words(*said: str) -> list[Heard]:
    """Words such as "a:да", a second each."""
    pairs = (word.split(":") for word in said)
    return [Heard(i, i + 1, name or None, text) for i, (name, text) in enumerate(pairs)]


class TestAttributed:
    true = tuple(words("a:да", "a:нет", "b:ну", "b:вот", "b:так"))

    def test_turns_give_words_their_speakers(self) -> None:
        found = attributed(self.true, [Heard(0, 2.4, "x"), Heard(2.4, 5, "y")])
        assert found == Counted(5, 5)
        assert attributed(self.true, [Heard(0, 2.6, "x"), Heard(2.6, 5, "y")]).rate == 0.8

    def test_words_may_be_the_answer(self) -> None:
        assert attributed(self.true, words("1:да", "1:нет", "2:ну", "1:вот", "2:так")).part == 4

    def test_the_truth_is_right_where_people_overlap(self) -> None:
        true = [Heard(0, 1, "a"), Heard(1, 2, "a"), Heard(1.2, 1.8, "b"), Heard(0.9, 2.1, "c")]
        assert attributed(true, true).rate == 1

    def test_mapping_is_one_to_one(self) -> None:
        assert attributed(self.true, [Heard(0, 5, "x")]).part == 3
        assert attributed(self.true, words("1:a", "2:b", "3:c", "3:d", "4:e")).part == 3

    def test_nothing_told_and_nothing_said(self) -> None:
        assert attributed(self.true, []) == Counted(0, 5)
        assert attributed(self.true, [Heard(7, 8, "x")]) == Counted(0, 5)
        assert attributed([], [Heard(0, 1, "x")]) == Counted(0, 0)

    def test_words_of_nobody_are_somebody_elses(self) -> None:
        assert attributed(self.true, words(":а", ":б", "1:в", "1:г", "1:д")).part == 5
