"""What a Russian word in the nominative may be, and the forms it then has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gigaam.errors import MissingDependencyError

__all__ = ["CASES", "PERSONAL", "Dictionary", "Reading"]

# Names of grammemes are those of OpenCorpora, which the dictionary is from.
CASES = {
    "nomn": {"nomn"},
    "gent": {"gent", "gen1", "gen2"},
    "datv": {"datv"},
    "accs": {"accs", "acc2"},
    "ablt": {"ablt"},
    "loct": {"loct", "loc1", "loc2"},
}
"""The six cases, each with its second forms (чашка чаю, в саду)."""

PERSONAL = {"Name", "Patr", "Surn"}

_ADJECTIVES = {"ADJF", "PRTF"}
_GENDERS = {"masc", "femn", "neut", "ms-f"}
_ANIMACY = {"anim", "inan"}
_INFLECTED = {"sing", "plur", "Sgtm", "Pltm", "GNdr", "Fixd", *_GENDERS, *_ANIMACY}
_INFLECTED |= {grammeme for names in CASES.values() for grammeme in names}

_MOST_READINGS = 3
_WORTH_READING = 0.5  # of a guess, in proportion to the likeliest

# Surnames that the dictionary lacks are inflected as one that it has, with the same ending.
_MODEL_SURNAMES = {
    "ова": "петрова",
    "ева": "сергеева",
    "ёва": "королёва",
    "ина": "ватутина",
    "ына": "голицына",
    "ская": "достоевская",
    "цкая": "троцкая",
    "ов": "петров",
    "ев": "сергеев",
    "ёв": "королёв",
    "ин": "ватутин",
    "ын": "голицын",
    "ский": "достоевский",
    "цкий": "троцкий",
}


@dataclass(frozen=True)
class Reading:
    """One of the nouns or adjectives that a word in the nominative may be.

    Attributes:
        grammemes: Of the word.
        forms: Of the same word in all cases, numbers and genders, each with its grammemes.
    """

    grammemes: frozenset[str]
    forms: tuple[tuple[str, frozenset[str]], ...]

    @property
    def is_adjective(self) -> bool:
        """Whether it is one, or a participle."""
        return not self.grammemes.isdisjoint(_ADJECTIVES)

    @property
    def is_animate(self) -> bool:
        """Whether it is a being: a noun whose accusative is its genitive."""
        return "anim" in self.grammemes

    @property
    def is_personal(self) -> bool:
        """Whether it is a first name, a patronymic or a surname."""
        return not self.grammemes.isdisjoint(PERSONAL)

    @property
    def number(self) -> str:
        """``"sing"`` or ``"plur"``."""
        return "plur" if "plur" in self.grammemes else "sing"

    @property
    def gender(self) -> str | None:
        """``"masc"``, ``"femn"``, ``"neut"``, ``"ms-f"`` (either sex) or None, as in the plural."""
        return next(iter(self.grammemes & _GENDERS), None)

    def may_be(self, gender: str) -> bool:
        """Whether it may be said of a man (``"masc"``) or a woman (``"femn"``)."""
        return self.number == "sing" and self.gender in (gender, "ms-f")

    def agrees(self, noun: Reading) -> bool:
        """Whether this adjective may belong to that noun."""
        if not self.is_adjective or self.number != noun.number:
            return False
        return self.number == "plur" or noun.gender in (self.gender, "ms-f")

    def of_gender(self, gender: str) -> Reading:
        """The same adjective for nouns of another gender."""
        return Reading(self.grammemes - _GENDERS | {gender}, self.forms)

    def in_case(self, case: str, number: str, animate: bool) -> list[str]:
        """The forms in a case of `CASES`, in lower case; an adjective's beside such a noun."""
        found: dict[str, None] = {}
        for form, grammemes in self.forms:
            if number not in grammemes or grammemes.isdisjoint(CASES[case]):
                continue
            if number == "sing" and self.gender is not None and self.gender not in grammemes:
                continue
            animacy = grammemes & _ANIMACY
            if self.is_adjective and animacy and animacy != {"anim" if animate else "inan"}:
                continue
            found[form] = None
        return list(found)


class Dictionary:
    """Pymorphy's dictionary of Russian, and its guesses at words that it lacks."""

    def __init__(self) -> None:
        """Loads it, a tenth of a second.

        Raises:
            MissingDependencyError: The package pymorphy3 is not installed.
        """
        try:
            from pymorphy3 import MorphAnalyzer
        except ImportError as error:
            raise MissingDependencyError(
                "case forms need the package pymorphy3: pip install pymorphy3"
            ) from error
        self._analyzer = MorphAnalyzer()

    def readings(self, word: str) -> list[Reading]:
        """What the word may be, the likeliest first; none if it is in no nominative."""
        parses = self._analyzer.parse(word)
        known = [parse for parse in parses if parse.is_known]
        if not known and word.isupper():
            return []  # an abbreviation: ОСАГО
        nominal = _nominatives(known or parses)
        if not known:
            nominal = self._guesses(word, nominal)
        readings = dict.fromkeys(map(_reading, nominal))
        if self._may_be_surname(word, bool(known), list(readings)):
            readings.update(dict.fromkeys(self._as_surname(word.lower())))
        return list(readings)[:_MOST_READINGS]

    def _may_be_surname(self, word: str, is_known: bool, readings: list[Reading]) -> bool:
        """Whether a word is to be read as a surname that the dictionary lacks."""
        if any(reading.is_personal for reading in readings):
            return False
        if is_known and readings:
            return False
        # Шнуров is known in no nominative; шнуров is what it is known as.
        return word[:1].isupper() or not (is_known or readings)

    def _guesses(self, word: str, nominal: list[Any]) -> list[Any]:
        """The likelier ones; of a capitalised word surnames, if it may be one."""
        nominal = [parse for parse in nominal if "Abbr" not in parse.tag]
        surnames = [parse for parse in nominal if "Surn" in parse.tag]
        if surnames and word[:1].isupper():
            nominal = surnames
        best = max((parse.score for parse in nominal), default=0)
        return [parse for parse in nominal if parse.score >= _WORTH_READING * best]

    def _as_surname(self, word: str) -> Iterator[Reading]:
        """The word as a surname, if it has an ending of such."""
        ending = next((end for end in _MODEL_SURNAMES if word.endswith(end)), None)
        if ending is None or len(word) < len(ending) + 2:
            return
        model = _MODEL_SURNAMES[ending]
        for parse in _nominatives(self._analyzer.parse(model)):
            if "Surn" in parse.tag:
                like = _reading(parse)
                stem, cut = word.removesuffix(ending), len(model) - len(ending)
                forms = tuple((stem + form[cut:], grammemes) for form, grammemes in like.forms)
                yield Reading(like.grammemes, forms)


def _nominatives(parses: Iterable[Any]) -> list[Any]:
    kinds = {"NOUN", *_ADJECTIVES}
    return [parse for parse in parses if "nomn" in parse.tag and parse.tag.POS in kinds]


def _reading(parse: Any) -> Reading:
    """A parse with those forms that differ in case, number and gender alone: nothing colloquial."""
    same = parse.tag.grammemes - _INFLECTED
    forms = [
        (form.word, frozenset(form.tag.grammemes))
        for form in parse.lexeme
        if form.tag.grammemes - _INFLECTED == same
    ]
    return Reading(frozenset(parse.tag.grammemes), tuple(forms))
