"""Turns of several speakers on a time axis: what is heard, and who speaks when.

A turn joins utterances of one speaker until it is long enough; the next turn is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers import Turn
from recipes.speakers.references import Word, made_up_words, seconds, spread
from recipes.speakers.speech import RATE, TURN_PAUSE_S, Stretch, merge, stretches
from recipes.speakers.voices import Utterance

TURN_S = (1.0, 12.0)
SHORT_SHARE = 0.4  # of the turns, which end with the utterance that reaches a second
PAUSE_S, PAUSE_SPREAD, PAUSE_RANGE_S = 0.3, 0.6, (0.05, 2.0)  # median; of its logarithm; limits
BREATH_S = (0.1, 0.4)  # between utterances of a turn
EDGE_S = (0.3, 1.0)  # before the first turn and after the last
OVERLAP_S = (0.2, 1.5)
GAIN_DB = 3.0
BACK_SHARE = 0.5  # of the changes that give the turn back to the one who spoke before


class Deck:
    """The utterances of a speaker in random order, again and again, those too long left out."""

    def __init__(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> None:
        self._utterances = [u for u in utterances if len(u.samples) <= TURN_S[1] * RATE]
        if not self._utterances:
            raise ValueError(f"no utterance of at most {TURN_S[1]:g} s")
        self._rng = rng
        self._order: list[int] = []

    def next(self) -> Utterance:
        """The utterance on top, which stays there."""
        if not self._order:
            self._order = self._rng.permutation(len(self._utterances)).tolist()
        return self._utterances[self._order[-1]]

    def take(self) -> Utterance:
        """The utterance on top, removed."""
        top = self.next()
        self._order.pop()
        return top


@dataclass
class Planned:
    """A turn before it has its place: utterances and their first samples within it."""

    parts: list[tuple[int, Utterance]] = field(default_factory=list)
    length: int = 0

    def add(self, pause: int, utterance: Utterance) -> None:
        """Appends an utterance after a pause in samples."""
        first = self.length + (pause if self.parts else 0)
        self.parts.append((first, utterance))
        self.length = first + len(utterance.samples)


Placed = tuple[int, str, Planned]
"""Its first sample, the speaker, the turn."""


@dataclass(frozen=True)
class Conversation:
    """Sound float32 [channels, n] in units of 16 bits, and what is true of it."""

    sound: NDArray[np.float32]
    turns: list[Turn]
    words: list[Word]
    changes: int
    overlaps: int


def converse(
    speakers: Mapping[str, Sequence[Utterance]],
    duration_s: float,
    rng: np.random.Generator,
    *,
    overlap_share: float = 0.1,
    stereo: bool = False,
) -> Conversation:
    """A conversation of these speakers of at least this length, without noise.

    Args:
        speakers: What each speaker can say, by name.
        duration_s: After the turn that reaches it nobody says anything more.
        rng: Decides everything.
        overlap_share: Part of the changes at which the next speaker starts too early.
        stereo: Whether each speaker gets a channel instead of all being mixed.
    """
    decks = {name: Deck(utterances, rng) for name, utterances in speakers.items()}
    placed: list[Placed] = []
    overlaps, end, order = 0, _samples(rng.uniform(*EDGE_S)), _Order(list(speakers), rng)
    while end < duration_s * RATE:
        name = order.next()
        turn = plan_turn(decks[name], rng)
        step = _step(placed[-1], name, turn, rng, overlap_share) if placed else 0
        overlaps += step < 0
        placed.append((end + step, name, turn))
        end += step + turn.length
    channels = {name: index if stereo else 0 for index, name in enumerate(speakers)}
    return render(placed, channels, rng, overlaps)


def single(name: str, utterance: Utterance, rng: np.random.Generator) -> Conversation:
    """One utterance and nothing else."""
    turn = Planned()
    turn.add(0, utterance)
    return render([(_samples(rng.uniform(*EDGE_S)), name, turn)], {name: 0}, rng)


def render(
    placed: Sequence[Placed],
    channels: Mapping[str, int],
    rng: np.random.Generator,
    overlaps: int = 0,
) -> Conversation:
    """What is heard of turns that have their places, each speaker on a channel of 0, 1, …."""
    gains = {name: 10 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20) for name in channels}
    n = max(start + turn.length for start, _, turn in placed) + _samples(rng.uniform(*EDGE_S))
    sound = np.zeros((max(channels.values()) + 1, n), np.float32)
    for start, name, turn in placed:
        for first, utterance in turn.parts:
            at = start + first
            heard = sound[channels[name], at : at + len(utterance.samples)]
            heard += np.float32(gains[name]) * utterance.samples
    turns, words = reference(placed, channels)
    return Conversation(sound, turns, words, len(placed) - 1, overlaps)


class _Order:
    """Who speaks next: everybody once, then somebody else, often the one before."""

    def __init__(self, names: list[str], rng: np.random.Generator) -> None:
        self._names, self._rng = names, rng
        self._first = [names[i] for i in rng.permutation(len(names))]
        self._spoken: list[str] = []

    def next(self) -> str:
        name = self._choose()
        self._spoken.append(name)
        return name

    def _choose(self) -> str:
        if self._first:
            return self._first.pop()
        others = [name for name in self._names if name != self._spoken[-1]] or self._names
        if len(others) > 1 and self._rng.random() < BACK_SHARE:
            return self._spoken[-2]
        return others[self._rng.integers(len(others))]


def plan_turn(deck: Deck, rng: np.random.Generator) -> Planned:
    """The next utterances of a speaker until the turn has a length drawn from 1 to 12 s."""
    wanted = TURN_S[0]
    if rng.random() >= SHORT_SHARE:
        wanted += (TURN_S[1] - TURN_S[0]) * rng.beta(1.2, 2.5)
    turn = Planned()
    while turn.length < wanted * RATE:
        pause = _samples(rng.uniform(*BREATH_S))
        more = turn.length + pause + len(deck.next().samples)
        if turn.length >= TURN_S[0] * RATE and more > TURN_S[1] * RATE:
            break
        turn.add(pause, deck.take())
    return turn


def _step(
    before: Placed,
    name: str,
    turn: Planned,
    rng: np.random.Generator,
    overlap_share: float,
) -> int:
    """Samples from the end of a turn to the start of the next; below 0 if they overlap.

    An overlap is at most half of either turn, so that never three speak at once.
    """
    _, speaker, last = before
    if name != speaker and rng.random() < overlap_share:
        return -min(_samples(rng.uniform(*OVERLAP_S)), last.length // 2, turn.length // 2)
    pause = PAUSE_S * np.exp(PAUSE_SPREAD * rng.standard_normal())
    return _samples(float(np.clip(pause, *PAUSE_RANGE_S)))


def _samples(duration_s: float) -> int:
    return round(duration_s * RATE)


def reference(
    placed: Sequence[Placed], channels: Mapping[str, int]
) -> tuple[list[Turn], list[Word]]:
    """The true turns and words: a speaker's turn ends with a pause of more than 0.5 s."""
    spoken: dict[str, list[Stretch]] = {}
    words: list[Word] = []
    named = 0
    for start, name, turn in placed:
        for first, utterance in turn.parts:
            heard = stretches(utterance.samples, utterance.range_db)
            spoken.setdefault(name, []).extend(
                (start + first + a, start + first + b) for a, b in heard
            )
            texts = utterance.words
            if texts is None:
                texts = tuple(made_up_words(sum(b - a for a, b in heard) / RATE, named))
                named += len(texts)
            for text, a, b in spread(texts, heard):
                at = start + first
                words.append(Word(text, seconds(at + a), seconds(at + b), name))
    turns = [
        Turn(seconds(a), seconds(b), name, channels[name])
        for name, parts in spoken.items()
        for a, b in merge(parts, TURN_PAUSE_S)
    ]
    turns.sort(key=lambda turn: (turn.start, turn.end, turn.speaker))
    words.sort(key=lambda word: (word.start, word.end, word.speaker))
    return turns, words
