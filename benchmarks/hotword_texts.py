"""Sentences with words that no recogniser was taught, and sentences without any form of these.

All is chosen from texts alone, by a seed, before anything is spoken or decoded. A hotword is a noun
of five letters or more that the known texts and the frequent words lack: a *name* is capital inside
of a sentence, a *term* is in the dictionary and in small letters. Half of each are said as they are
listed, in the nominative; of the others, another case or the plural is said.
"""

import lzma
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pymorphy3
import wordfreq

from gigaam.dataset.text import is_russian, normalize_text

FREQUENT = 240_000
"""Words of wordfreq's list that the packaged models were trained on, see recipes/tiny."""

LETTERS = 5
"""Of the shortest hotword."""

SENTENCE_WORDS = range(4, 15)
SENTENCE_LETTERS = 100

_NAMES = {"Name", "Surn", "Patr", "Geox", "Orgn"}
_WORD = re.compile(r"[А-ЯЁа-яё]+(?:-[А-ЯЁа-яё]+)*")
_READABLE = re.compile(r"[А-ЯЁа-яё ,.!?…:;—–\-\"«»]+")


@dataclass(frozen=True)
class Candidate:
    """A rare word where it stands.

    Attributes:
        hotword: In the nominative, normalised.
        said: As it stands in the sentence, normalised.
        kind: ``name`` or ``term``.
        sentence: As written.
    """

    hotword: str
    said: str
    kind: str
    sentence: str

    @property
    def group(self) -> tuple[str, bool]:
        """The kind, and whether another form than the nominative is said."""
        return self.kind, self.said != self.hotword


@dataclass
class Half:
    """What is spoken for tuning, or for reporting."""

    spoken: list[Candidate] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)


@lru_cache(maxsize=1)
def _dictionary() -> pymorphy3.MorphAnalyzer:
    return pymorphy3.MorphAnalyzer()


@lru_cache(maxsize=1 << 18)
def _noun(word: str) -> Any:
    """The likeliest reading of a word, if it is a noun that declines; else None."""
    reading = _dictionary().parse(word)[0]
    declines = "NOUN" in reading.tag and not {"Fixd", "Abbr", "Init"} & reading.tag.grammemes
    return reading if declines else None


def forms(words: Iterable[str]) -> set[str]:
    """Every form of all that these words may be, normalised."""
    return {
        normalize_text(form.word)
        for word in words
        for reading in _dictionary().parse(word)
        for form in (*reading.lexeme, reading)
    } | set(words)


def known_words(paths: Sequence[Path]) -> set[str]:
    """The words of manifests and of any other texts, and the frequent ones."""
    known = {
        normalize_text(word) for word in islice(wordfreq.iter_wordlist("ru", "large"), FREQUENT)
    }
    for path in paths:
        known.update(normalize_text(path.read_text(encoding="utf-8", errors="replace")).split())
    return known


def read_sentences(paths: Sequence[Path], left_out: set[str]) -> list[str]:
    """Distinct sentences that can be read aloud as they are spelt, in a fixed order.

    Args:
        paths: Files with a sentence per line, packed or not.
        left_out: Normalised texts.
    """
    found: dict[str, str] = {}
    for path in paths:
        opened = lzma.open if path.suffix == ".xz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                sentence = line.strip(" -—–\n")
                if not _READABLE.fullmatch(sentence) or len(sentence) > SENTENCE_LETTERS:
                    continue
                text = normalize_text(sentence)
                if len(text.split()) in SENTENCE_WORDS and is_russian(text):
                    found.setdefault(text, sentence)
    return [sentence for text, sentence in found.items() if text not in left_out]


def candidates(sentences: Sequence[str], known: set[str]) -> Iterator[Candidate]:
    """The rare words of sentences, each where it stands."""
    capital = {word for each in sentences for word in _WORD.findall(each) if word[0].isupper()}
    seen = {normalize_text(word) for word in capital}
    for sentence in sentences:
        for at, match in enumerate(_WORD.finditer(sentence)):
            written = match[0]
            said = normalize_text(written)
            if len(said) < LETTERS or " " in said or said in known or (at == 0 and match.start()):
                continue
            candidate = _candidate(written, said, sentence, at, seen)
            if candidate and candidate.hotword not in known:
                yield candidate


def _candidate(written: str, said: str, sentence: str, at: int, seen: set[str]) -> Candidate | None:
    """The word as a hotword; None if it is neither a name nor a term."""
    reading = _noun(written.lower())
    if reading is None:
        return None
    is_name = bool(_NAMES & reading.tag.grammemes) or written[0].isupper()
    nominative = reading.inflect({"nomn", "sing"}) if is_name else reading
    if is_name and ("sing" not in reading.tag or nominative is None):
        return None
    hotword = normalize_text(nominative.word if is_name else reading.normal_form)
    if len(hotword) < LETTERS or not is_russian(hotword) or " " in hotword:
        return None
    if written[0].isupper():
        begins = at == 0 or not re.search(r"[а-яё,] $", sentence[: sentence.index(written)])
        # Of a name that is guessed at, the nominative must have been met as well.
        if begins or (not reading.is_known and hotword not in seen):
            return None
        return Candidate(hotword, said, "name", sentence)
    return Candidate(hotword, said, "term", sentence) if reading.is_known and not is_name else None


def choose(
    sentences: Sequence[str],
    known: set[str],
    counts: dict[str, int],
    n_plain: int,
    seed: int = 0,
) -> tuple[Half, Half]:
    """Two halves with other hotwords and other sentences: for tuning, and for reporting.

    Args:
        sentences: From `read_sentences`.
        known: From `known_words`.
        counts: Hotwords of each kind in a half, one sentence each.
        n_plain: Sentences in a half that have no form of any hotword of both.
        seed: Of the choice.
    """
    chance = random.Random(seed)
    pool = list(candidates(sentences, known))
    chance.shuffle(pool)
    wanted = {(kind, other): count for kind, count in counts.items() for other in (False, True)}
    wanted = {(kind, other): count // 2 for (kind, other), count in wanted.items()}
    halves = (Half(), Half())
    taken: set[str] = set()
    used: set[str] = set()
    room = [dict(wanted), dict(wanted)]
    for each in pool:
        half = next((i for i in (0, 1) if room[i].get(each.group, 0)), None)
        if half is None or each.sentence in used or not forms([each.hotword]).isdisjoint(taken):
            continue
        room[half][each.group] -= 1
        taken |= forms([each.hotword])
        used.add(each.sentence)
        halves[half].spoken.append(each)
    plain = [s for s in sentences if taken.isdisjoint(normalize_text(s).split()) and s not in used]
    chosen = chance.sample(plain, 2 * n_plain)
    for one, part in zip(halves, (chosen[:n_plain], chosen[n_plain:]), strict=True):
        chance.shuffle(one.spoken)
        one.plain = part
    return halves
