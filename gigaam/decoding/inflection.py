"""Case forms of names and terms: a phrase given in the nominative is heard in all its cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from gigaam.decoding.hotwords import LONGEST_PHRASE, Phrase, merge_phrases
from gigaam.decoding.word_forms import CASES, PERSONAL, Dictionary, Reading

__all__ = ["inflect"]

_MOST_FORMS = 32  # of a phrase; an adjective in all genders has about 13
_WITHOUT_PLURAL = {*PERSONAL, "Geox", "Orgn", "Abbr"}  # seldom meant, and like other forms

_Plan = list[Reading | None]
"""What each word of a phrase is read as; None where it stays as it is."""


def inflect(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """The phrases, and after each its forms in the other cases.

    Of names (``Мария Ватутина``) all parts are inflected, as the sex that fits them; both, if both
    do. Of terms the first noun is, with its adjectives, in the singular and the plural (``полис
    каско`` → ``полисам каско``). Words that do not decline, are in another case or are not Russian
    stay as they are. Words that the dictionary lacks are inflected like those with such an ending.

    Args:
        phrases: In the nominative; other phrases stay alone.

    Returns:
        Distinct phrases; forms have their phrase's weight, at most 32 of each, capital letters as
        it has them.

    Raises:
        MissingDependencyError: The package pymorphy3 is not installed.
    """
    dictionary = Dictionary()
    return merge_phrases(
        Phrase(text, phrase.weight)
        for phrase in phrases
        for text in islice(dict.fromkeys(_forms(phrase.text, dictionary)), _MOST_FORMS)
        if len(text) <= LONGEST_PHRASE
    )


def _forms(text: str, dictionary: Dictionary) -> Iterator[str]:
    """The phrase itself, then its forms; the same may come again."""
    yield text
    words = text.split()
    readings = [dictionary.readings(word) for word in words]
    first = next((i for i, word in enumerate(words) if not _is_foreign(word, readings[i])), 0)
    last = first
    while last < len(words) and readings[last]:
        last += 1
    for plan in _plans(words[first:last], readings[first:last]):
        yield from _inflected(words, [None] * first + plan + [None] * (len(words) - last))


def _is_foreign(word: str, readings: list[Reading]) -> bool:
    """Whether it stands before the words that decline: Latin letters, digits, an abbreviation."""
    return not readings and (word.isupper() or not word.isalpha() or word.isascii())


def _plans(words: Sequence[str], readings: Sequence[list[Reading]]) -> list[_Plan]:
    """The ways to read words each of which may be in the nominative."""
    if not words:
        return []
    head = _adjectives_first(readings)
    nouns = _nouns(readings[head])
    if len(words) == 1:
        return [[reading] for reading in nouns or _of_all_genders(readings[0])]
    if _has_name(words, readings) and (not nouns or any(noun.is_animate for noun in nouns)):
        return _plans_of_person(words, readings)
    plans: list[_Plan] = []
    for noun in nouns or readings[head]:
        plan: _Plan = [None] * len(words)
        plan[head] = noun
        for at in [*range(head), *range(head + 1, len(words))]:
            plan[at] = next((r for r in readings[at] if r.agrees(noun)), None)
            # In "улица Ленина" stands a man's genitive, though "ленин" is an adjective as well.
            if at > head and (plan[at] is None or _nouns(readings[at])):
                plan[at] = None
                break
        plans.append(plan)
    return plans


def _has_name(words: Sequence[str], readings: Sequence[list[Reading]]) -> bool:
    """Whether one is a name: лист is one, too, but only when it is written Лист."""
    return any(
        any(reading.is_personal for reading in (options[:1] if word.islower() else options))
        for word, options in zip(words, readings, strict=True)
    )


def _nouns(options: list[Reading]) -> list[Reading]:
    return [reading for reading in options if not reading.is_adjective]


def _adjectives_first(readings: Sequence[list[Reading]]) -> int:
    """How many adjectives stand before the noun, or an adjective used as one, they agree with."""
    for count in range(len(readings) - 1, 0, -1):
        is_last = count == len(readings) - 1
        heads = _nouns(readings[count]) or (readings[count] if is_last else [])
        if any(
            all(any(r.agrees(head) for r in options) for options in readings[:count])
            for head in heads
        ):
            return count
    return 0


def _of_all_genders(readings: Sequence[Reading]) -> list[Reading]:
    """Adjectives on their own: in the masculine, that of dictionaries, they stand for all."""
    return [
        reading.of_gender(gender) if reading.gender == "masc" else reading
        for reading in readings
        for gender in (("masc", "femn", "neut") if reading.gender == "masc" else ("",))
    ]


def _plans_of_person(words: Sequence[str], readings: Sequence[list[Reading]]) -> list[_Plan]:
    """The words as a man's or a woman's name and titles, or as either."""
    ranks = {gender: _fitting_names(readings, gender) for gender in ("masc", "femn")}
    return [
        [_of_person(word, options, gender) for word, options in zip(words, readings, strict=True)]
        for gender, rank in ranks.items()
        if rank == max(ranks.values())
    ]


def _fitting_names(readings: Sequence[list[Reading]], gender: str) -> tuple[int, int]:
    """How many first names and patronymics fit a man or a woman, then how many words."""
    fitting = [[r for r in options if r.may_be(gender)] for options in readings]
    given = [any(r.grammemes & {"Name", "Patr"} for r in options) for options in fitting]
    return sum(given), sum(map(bool, fitting))


def _of_person(word: str, options: list[Reading], gender: str) -> Reading | None:
    """What a word in a name is; None if it does not decline there (Анны Шмидт)."""
    fitting = [reading for reading in options if reading.may_be(gender)]
    if not fitting and word.islower():  # a title, which may be of another gender
        fitting = [reading for reading in options if reading.is_animate or reading.is_adjective]
    if not fitting and gender == "masc":  # surnames in -а decline as common nouns do
        fitting = [reading for reading in options if not reading.is_personal]
    ranks = [(not r.is_personal, not r.is_animate, r.is_adjective) for r in fitting]
    return fitting[ranks.index(min(ranks))] if fitting else None


def _inflected(words: Sequence[str], plan: _Plan) -> Iterator[str]:
    """The phrase in all cases."""
    read = [reading for reading in plan if reading is not None]
    head = next((reading for reading in read if not reading.is_adjective), read[0])
    personal = any(reading.is_personal for reading in read)
    numbers = [head.number]
    if head.number == "sing" and not personal and head.grammemes.isdisjoint(_WITHOUT_PLURAL):
        numbers.append("plur")
    # An adjective on its own may belong to either kind of noun.
    animacies = (False, True) if head.is_adjective else (head.is_animate,)
    for number, case, animate in product(numbers, CASES, animacies):
        forms = [
            [word] if reading is None else _like(word, reading.in_case(case, number, animate))
            for word, reading in zip(words, plan, strict=True)
        ]
        yield from map(" ".join, product(*forms))


def _like(word: str, forms: list[str]) -> list[str]:
    """The forms with capital letters where the word has them."""
    return [_with_capitals(word, form) for form in forms]


def _with_capitals(word: str, form: str) -> str:
    if len(word) > 1 and word.isupper():
        return form.upper()
    parts, models = form.split("-"), word.split("-")
    if len(parts) != len(models):
        models = models[:1] * len(parts)
    return "-".join(
        part[:1].upper() + part[1:] if model[:1].isupper() else part
        for part, model in zip(parts, models, strict=True)
    )
