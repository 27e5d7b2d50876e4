"""The texts read by synthetic voices: sentences from printed texts, and phrases cut from them.

`HeldOutTexts` is the guard: no text of dev or test may occur in a text synthesised for training.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gigaam.dataset.text import is_russian, normalize_text

FORTUNES = Path("/usr/share/games/fortunes/ru")
SENTENCE_WORDS = range(2, 19)
PHRASE_WORDS = (1, 1, 1, 2, 2, 2, 3, 3, 4, 5)

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"»)]*\s+")
_VOWELS = set("аеиоуыэюя")
# The only Russian words without a vowel, and the only words of one vowel letter.
_SHORT_WORDS = set("вксбжаиоуяэ")
_ABBREVIATION = re.compile(r"\w\.\w|\b[А-ЯЁ]{2,}\b|\b[А-ЯЁ]\.|[A-Za-z0-9]")
# Marks and brackets a synthesiser may read aloud ("звёздочка", "скобка").
_READ_ALOUD = re.compile(r"[^\w\s.,!?…:;—–\-\"«»]")


@dataclass(frozen=True)
class Line:
    """One text: as written (ё and punctuation guide the voice) and as the model spells it."""

    text: str
    transcription: str


class HeldOutTexts:
    """The normalised texts of dev and test, which no synthetic text may contain as whole words.

    A held-out text of a single letter (the prompt "в") only bars texts equal to it, as every second
    sentence contains the word.
    """

    def __init__(self, transcriptions: Iterable[str]) -> None:
        self._texts = sorted(set(transcriptions))

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def find_in(self, transcription: str) -> str | None:
        """The first held-out text that occurs in a normalised text, None if none does."""
        words = f" {transcription} "
        for text in self._texts:
            if text == transcription or (len(text) > 1 and f" {text} " in words):
                return text
        return None

    def check(self, transcriptions: Iterable[str]) -> None:
        """Raises ValueError, naming both texts, if a held-out text occurs in any of these."""
        for transcription in transcriptions:
            found = self.find_in(transcription)
            if found is not None:
                raise ValueError(f"held-out text {found!r} occurs in {transcription!r}")


def parse_fortunes(file: str) -> Iterator[str]:
    """The fortunes of one file without their attributions, each on one line."""
    for fortune in file.replace("\r", "").split("\n%\n"):
        lines = [line.strip() for line in fortune.split("\n")]
        spoken = [line for line in lines if line and line != "%" and not line.startswith("--")]
        if spoken:
            yield " ".join(spoken)


def split_sentences(paragraph: str) -> Iterator[Line]:
    """The sentences of a paragraph that can be read aloud exactly as they are spelt."""
    for piece in _SENTENCE_END.split(paragraph):
        sentence = piece.strip(' -—–"«»')
        if _ABBREVIATION.search(sentence) or _READ_ALOUD.search(sentence):
            continue
        line = Line(sentence, normalize_text(sentence))
        words = line.transcription.split()
        readable = is_russian(line.transcription) and len(words) in SENTENCE_WORDS
        if readable and all(_is_spelt_word(word) for word in words):
            yield line


def _is_spelt_word(word: str) -> bool:
    return word in _SHORT_WORDS if len(word) == 1 else not _VOWELS.isdisjoint(word)


def read_fortunes(fortunes: Path = FORTUNES) -> Iterator[str]:
    """The fortunes of fortunes-ru, in a fixed order."""
    for path in sorted(fortunes.iterdir()):
        if path.suffix not in (".dat", ".u8") and path.is_file():
            yield from parse_fortunes(path.read_text(encoding="utf-8"))


def usable_sentences(paragraphs: Iterable[str], held_out: HeldOutTexts) -> list[Line]:
    """All distinct sentences of some texts that can be read aloud and contain no held-out text."""
    distinct: dict[str, Line] = {}
    for paragraph in paragraphs:
        for line in split_sentences(paragraph):
            distinct.setdefault(line.transcription, line)
    return [line for line in distinct.values() if held_out.find_in(line.transcription) is None]


def sample_phrase(texts: Sequence[str], held_out: HeldOutTexts, chance: random.Random) -> Line:
    """A phrase of 1 to 5 successive words of one of `texts` that contains no held-out text."""
    while True:
        words = [word for word in re.split(r"[^\w-]+", chance.choice(texts)) if word.strip("-_")]
        length = min(chance.choice(PHRASE_WORDS), len(words))
        if not length:
            continue
        start = chance.randrange(len(words) - length + 1)
        phrase = " ".join(words[start : start + length])
        line = Line(phrase, normalize_text(phrase))
        if is_russian(line.transcription) and held_out.find_in(line.transcription) is None:
            return line
