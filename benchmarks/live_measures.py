"""What is measured of a live session's events: what was taken back, and how late text came.

Nothing in it runs a model. Times are in seconds of the stream.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks.live_streams import Heard, Said
from gigaam.dataset.text import normalize_text
from gigaam.live import Final, Partial
from gigaam.recognition.words import middle_s
from gigaam.types import Word

_BEFORE_ONSET_S = 0.3  # a word that begins further than this before a recording is not its own


@dataclass
class Told:
    """The events of one utterance, in order."""

    heard: list[Heard] = field(default_factory=list)

    @property
    def finals(self) -> list[Final]:
        """Its finals."""
        return [each.event for each in self.heard if isinstance(each.event, Final)]

    @property
    def span(self) -> tuple[float, float]:
        """Start and end of its sound."""
        return self.finals[-1].utterance

    @property
    def words(self) -> list[Word]:
        """The words of its finals."""
        return [word for final in self.finals for word in final.segment.words or ()]


def utterances(heard: Iterable[Heard]) -> list[Told]:
    """Events by utterance; a final that is no cut is the last one of its own."""
    told = [Told()]
    for each in heard:
        told[-1].heard.append(each)
        if isinstance(each.event, Final) and each.event.reason != "cut":
            told.append(Told())
    return told[:-1] if not told[-1].heard else told


def places(heard: Sequence[str], final: Sequence[str]) -> list[int | None]:
    """Where each word heard stands in the final; None if the final contradicts it."""
    found: list[int | None] = [None] * len(heard)
    for part in Levenshtein.opcodes(heard, final):
        if part.tag == "equal":
            for offset in range(part.src_end - part.src_start):
                found[part.src_start + offset] = part.dest_start + offset
    return found


def overlap(before: Sequence[str], after: Sequence[str]) -> int:
    """How many of the last words before are the first ones after."""
    longest = min(len(before), len(after))
    return next((n for n in range(longest, 0, -1) if before[-n:] == after[:n]), 0)


@dataclass(frozen=True)
class Commit:
    """A committed word.

    Attributes:
        word: As references are spelled.
        at_s: When it was committed.
        heard_to_s: How much sound was heard for that.
    """

    word: str
    at_s: float
    heard_to_s: float


def commits(told: Told) -> Iterator[Commit]:
    """The committed words of an utterance."""
    known: list[str] = []
    was_told = False
    for each in told.heard:
        if isinstance(each.event, Final):
            was_told = True
            continue
        words = each.event.committed.split()
        # Of what was committed before a cut, the rest that it did not tell is there again.
        n_known = overlap(known, words) if was_told else len(known)
        for word in words[n_known:]:
            yield Commit(normalize_text(word), each.at_s, each.event.end)
        known, was_told = words, False


@dataclass(frozen=True)
class Contradictions:
    """Words of partials, and how many of them finals contradict.

    Attributes:
        committed: Words that were committed before their final.
        committed_wrong: Those that are not in it, or stand elsewhere.
        letters: Those of committed words.
        letters_wrong: Those that are not in the final, or stand elsewhere, however it is spaced.
        tentative: Tentative words of all partials.
        tentative_wrong: Those that are not in the final's words of the same sound.
        erased: Words that a screen takes back when it shows the next event.
        final: Words of finals.
    """

    committed: int = 0
    committed_wrong: int = 0
    letters: int = 0
    letters_wrong: int = 0
    tentative: int = 0
    tentative_wrong: int = 0
    erased: int = 0
    final: int = 0

    def __add__(self, other: "Contradictions") -> "Contradictions":
        mine, theirs = vars(self).values(), vars(other).values()
        return Contradictions(*(a + b for a, b in zip(mine, theirs, strict=True)))


def contradictions(told: Told) -> Contradictions:
    """What the finals of an utterance make of its partials."""
    n_told = tentative = tentative_wrong = 0
    for each in told.heard:
        if isinstance(each.event, Final):
            n_told += len(each.event.segment.words or ())
            continue
        final = _spelled(_heard_to(told.words[n_told:], each.event.end))
        n_tentative = len(each.event.tentative.split())
        found = places([normalize_text(word) for word in each.event.text.split()], final)
        tentative += n_tentative
        tentative_wrong += found[len(found) - n_tentative :].count(None)
    return Contradictions(
        *_committed(told), tentative, tentative_wrong, erased(told), len(told.words)
    )


def _committed(told: Told) -> tuple[int, int, int, int]:
    """Committed words and letters of an utterance, and how many its finals contradict."""
    committed = list(commits(told))
    if not committed:
        return 0, 0, 0, 0
    words = [each.word for each in committed]
    final = _spelled(_heard_to(told.words, committed[-1].heard_to_s))
    letters = "".join(words)
    return (
        len(words),
        places(words, final).count(None),
        len(letters),
        places(letters, "".join(final)).count(None),
    )


def confirmations(told: Told) -> list[bool | None]:
    """Of each word of the finals, whether it was committed before; None for those after the last.

    Words after the last one that was committed as the finals have it were not contradicted: they
    had not come yet.
    """
    committed = [each.word for each in commits(told)]
    found = {place for place in places(committed, _spelled(told.words)) if place is not None}
    last = max(found, default=-1)
    return [place in found if place <= last else None for place in range(len(told.words))]


def erased(told: Told) -> int:
    """Words that a screen takes back while it shows the events of an utterance in turn."""
    shown: list[str] = []
    n_erased = 0
    for each in told.heard:
        event = each.event
        words = (event.segment.text if isinstance(event, Final) else event.text).split()
        kept = next(
            (n for n, (a, b) in enumerate(zip(shown, words, strict=False)) if a != b),
            min(len(shown), len(words)),
        )
        is_cut = isinstance(event, Final) and event.reason == "cut"
        n_erased += (min(len(shown), len(words)) if is_cut else len(shown)) - kept
        shown = [] if isinstance(event, Final) else words
    return n_erased


def commit_lags(told: Told) -> list[float]:
    """From the end of each word to the event that committed it, of words that finals confirm."""
    committed = list(commits(told))
    found = places([each.word for each in committed], _spelled(told.words))
    return [
        each.at_s - told.words[place].end
        for place, each in zip(found, committed, strict=True)
        if place is not None
    ]


def settled_lags(told: Told) -> list[float]:
    """From the end of each word of the finals to when it was committed or told, the earlier."""
    committed = list(commits(told))
    found = places([each.word for each in committed], _spelled(told.words))
    at_s = [
        each.at_s
        for each in told.heard
        if isinstance(each.event, Final)
        for _ in each.event.segment.words or ()
    ]
    for place, each in zip(found, committed, strict=True):
        if place is not None:
            at_s[place] = min(at_s[place], each.at_s)
    return [at - word.end for at, word in zip(at_s, told.words, strict=True)]


def final_lag(told: Told, endpoint_s: float) -> float | None:
    """From the silence that ends an utterance to its last final; None if it said nothing."""
    last = told.heard[-1]
    if not told.words or told.finals[-1].reason != "silence":
        return None
    return last.at_s - (told.words[-1].end + endpoint_s)


def first_text_lag(told: Told, onset_s: float) -> float | None:
    """From the onset of speech to the first text of it.

    None if the utterance did not begin with it: before it words were heard, or it is that of an
    utterance before.
    """
    words = told.words
    if not words or not told.span[0] <= onset_s <= words[0].start + _BEFORE_ONSET_S:
        return None
    texts = (each for each in told.heard if _has_text(each) and each.pushed_s > onset_s)
    return next((each.at_s - onset_s for each in texts), None)


def recording_in(told: Told, said: Sequence[Said]) -> tuple[Said | None, Said | None]:
    """The first and the last recording of which an utterance has words."""
    if not told.words:
        return None, None
    first, last = (nearest(said, [middle_s(told.words[place])])[0] for place in (0, -1))
    return said[first], said[last]


def nearest(said: Sequence[Said], at_s: Sequence[float]) -> list[int]:
    """Which recording is nearest to each of these positions."""
    middles = [(one.end_s + next_.start_s) / 2 for one, next_ in pairwise(said)]
    return [int(place) for place in np.searchsorted(middles, at_s)]


def heard_of(said: Sequence[Said], words: Sequence[Word]) -> list[str]:
    """The words, spelled as references are, by the recording that is nearest to each."""
    texts: list[list[str]] = [[] for _ in said]
    of_words = nearest(said, [middle_s(word) for word in words])
    for place, word in zip(of_words, words, strict=True):
        texts[place].append(word.text)
    return [normalize_text(" ".join(each)) for each in texts]


def _has_text(heard: Heard) -> bool:
    event = heard.event
    return bool(event.text if isinstance(event, Partial) else event.segment.text)


def _heard_to(words: Sequence[Word], end_s: float) -> list[Word]:
    return [word for word in words if word.start < end_s]


def _spelled(words: Sequence[Word]) -> list[str]:
    return [normalize_text(word.text) for word in words]
