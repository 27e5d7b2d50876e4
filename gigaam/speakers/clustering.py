"""Which pieces of speech are of the same person.

In two steps from the bottom up. Pieces that are very much alike make small clusters (average
linkage of cosines), whose means say more of a voice than two seconds do. Then the two that are
nearest are joined, again and again, as far as they are alike or until there are as many as there
are people: by the cosine of their means, less a doubt where little was heard of one of them. Voices
that are known beforehand are clusters that never join each other. People are those who say enough.
At last every piece goes to the nearest person, or stays with the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers.paths import cheapest_path
from gigaam.speakers.trees import MOST_LEAVES, cosine_tree, cut_at
from gigaam.speakers.turns import SpeakerCount
from gigaam.speakers.voices import DIMENSIONS, FRAME_S, Piece

__all__ = ["speakers_of", "voices_by_speaker"]

Voices = NDArray[np.float32]
Seconds = NDArray[np.float64]

# Distances: one less the cosine.
_ALIKE = 0.30  # of the pieces of a small cluster, in the mean
_SAME_PERSON = 0.30  # of the means of two clusters, less what is uncertain
_DOUBT, _DOUBT_S = 0.4, 5.0  # of a voice of which next to nothing was heard, and how it fades

_TELLING_S = 1.0  # a piece as long makes clusters, a shorter one only joins them
_MOST_CLUSTERS = 400  # the longest; what is left is not lost, but goes to the nearest person
_KNOWN_S, _LEAST_KNOWN_S = 10.0, 0.7  # what a known voice weighs, and how much of it must be heard
_ROUNDS = 2

# Of speech, of somebody who counts: so much at least, and a share of short and of long recordings.
_LEAST_S, _LEAST_SHARE, _ENOUGH_SHARE, _ENOUGH_S = 1.2, 0.1, 0.02, 10.0

_SWITCH, _SWITCH_S = 0.1, 0.5  # what a change of speakers costs, and the pause that makes it cheap


def speakers_of(
    pieces: Sequence[Piece], count: SpeakerCount, known: Voices | None = None
) -> NDArray[np.int64]:
    """Who speaks in each piece, int64 [pieces], numbered by first appearance.

    Args:
        pieces: In order.
        count: How many people there are; there may be fewer, if fewer voices were heard.
        known: Voices of people of whom some may be there, float32 [known, D] of length 1.
    """
    heard = [piece for piece in pieces if piece.voice is not None]
    if not heard:
        return np.zeros(len(pieces), np.int64)
    longest = max(piece.seconds for piece in heard)
    telling = [piece for piece in heard if piece.seconds >= min(_TELLING_S, longest)]
    voices = np.stack([piece.voice for piece in telling if piece.voice is not None])
    seconds = np.array([piece.seconds for piece in telling])
    if known is None:
        known = np.zeros((0, DIMENSIONS), np.float32)
    people = _people(voices, seconds, count, known)
    return _by_appearance(_path(pieces, people))


def voices_by_speaker(pieces: Sequence[Piece], speakers: NDArray[np.int64]) -> Voices:
    """What each speaker sounds like over all, [speakers, D]; 0 where that is not known.

    Args:
        pieces: At least one.
        speakers: Who speaks in each, int64 [pieces].
    """
    sums: dict[int, NDArray[np.float64]] = {}
    for piece, speaker in zip(pieces, speakers.tolist(), strict=True):
        if piece.voice is not None:
            sums[speaker] = sums.get(speaker, 0.0) + piece.seconds * piece.voice.astype(np.float64)
    found = np.zeros((int(speakers.max()) + 1, DIMENSIONS), np.float32)
    for speaker, total in sums.items():
        found[speaker] = total / max(float(np.linalg.norm(total)), 1e-9)
    return found


@dataclass
class _Clusters:
    """Pieces that are taken together; n of them.

    Attributes:
        sums: Of their voices, each by its length, [n, D].
        heard_s: How long each speaks in the recording, [n].
        known: Whether it is a voice that was known before, bool [n].
        least_s: Whoever speaks less does not count, but for those who are known.
    """

    sums: NDArray[np.float64]
    heard_s: Seconds
    known: NDArray[np.bool_]
    least_s: float

    @property
    def people(self) -> NDArray[np.bool_]:
        """Which of them count as people, [n]."""
        enough = np.where(self.known, _LEAST_KNOWN_S, self.least_s)
        found: NDArray[np.bool_] = self.heard_s >= enough
        return found

    def order(self, which: NDArray[np.integer]) -> None:
        """Keep these alone, in this order."""
        self.sums, self.heard_s, self.known = (
            each[which] for each in (self.sums, self.heard_s, self.known)
        )

    def join(self, one: int, other: int) -> None:
        """Make one of two; the other goes."""
        for each in (self.sums, self.heard_s, self.known):
            each[one] += each[other]
        self.order(np.delete(np.arange(len(self.heard_s)), other))

    def distances(self, one: int) -> NDArray[np.float64]:
        """How far one is from each, less what is uncertain of those of little speech, [n]."""
        lengths = np.linalg.norm(self.sums, axis=1)
        talks = self.heard_s + _KNOWN_S * self.known
        found: NDArray[np.float64] = 1 - self.sums @ self.sums[one] / (lengths * lengths[one])
        found -= _DOUBT * np.exp(-np.minimum(talks, talks[one]) / _DOUBT_S)
        found[self.known & self.known[one]] = np.inf
        found[one] = np.inf
        return found


def _people(voices: Voices, seconds: Seconds, count: SpeakerCount, known: Voices) -> Voices:
    """What people sound like, [people, D]."""
    total_s = float(seconds.sum())
    least_s = min(max(_LEAST_S, min(_ENOUGH_SHARE * total_s, _ENOUGH_S)), _LEAST_SHARE * total_s)
    sums, talks = _groups(voices, seconds)
    longest = np.argsort(-talks, kind="stable")[:_MOST_CLUSTERS]
    clusters = _Clusters(
        np.concatenate([sums[longest], _KNOWN_S * known.astype(np.float64)]),
        np.concatenate([talks[longest], np.zeros(len(known))]),
        np.arange(len(longest) + len(known)) >= len(longest),
        least_s,
    )
    _join(clusters, count)
    clusters.order(np.lexsort([-clusters.heard_s, ~clusters.people]))
    n_heard = int((clusters.heard_s > 0).sum())
    n_people = min(max(int(clusters.people.sum()), min(count.least, n_heard)), count.most)
    return _settled(_unit(clusters.sums[:n_people]), voices, seconds)


def _groups(voices: Voices, seconds: Seconds) -> tuple[NDArray[np.float64], Seconds]:
    """Sums of small clusters, each piece by its length, [groups, D], and how long each speaks."""
    sums, talks = [], []
    for first in range(0, len(voices), MOST_LEAVES):
        here = slice(first, first + MOST_LEAVES)
        labels: NDArray[np.integer] = np.ones(len(voices[here]), np.int64)
        if len(labels) > 1:
            labels = cut_at(cosine_tree(voices[here]), _ALIKE)
        for each in np.unique(labels):
            weights = seconds[here][labels == each]
            sums.append(weights @ voices[here][labels == each])
            talks.append(weights.sum())
    return np.stack(sums), np.array(talks)


def _join(clusters: _Clusters, count: SpeakerCount) -> None:
    """Join the nearest, until there are as many people as there seem to be, and some of nobody."""
    apart = np.stack([clusters.distances(n) for n in range(len(clusters.heard_s))])
    while (clusters.heard_s > 0).sum() > count.least:
        people = clusters.people
        are_people = np.logical_and.outer(people, people)
        allowed = np.where(are_people, np.inf, apart) if people.sum() <= count.least else apart
        if allowed.min() > _SAME_PERSON:
            allowed = np.where(are_people, apart, np.inf)
            if people.sum() <= count.most or allowed.min() == np.inf:
                break
        one, other = sorted(divmod(int(allowed.argmin()), len(people)))
        clusters.join(one, other)
        apart = np.delete(np.delete(apart, other, 0), other, 1)
        apart[one] = apart[:, one] = clusters.distances(one)


def _settled(means: Voices, voices: Voices, seconds: Seconds) -> Voices:
    """The means of the voices that are nearest to each, some times over."""
    for _ in range(_ROUNDS):
        nearest = (voices @ means.T).argmax(axis=1)
        moved = [
            np.average(voices[nearest == each], axis=0, weights=seconds[nearest == each])
            if (nearest == each).any()
            else mean
            for each, mean in enumerate(means)
        ]
        means = _unit(np.stack(moved))
    return means


def _unit(vectors: NDArray[np.floating]) -> Voices:
    found: Voices = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def _path(pieces: Sequence[Piece], people: Voices) -> NDArray[np.int64]:
    """The cheapest sequence of speakers: near in voice, with few changes."""
    costs = np.zeros((len(pieces), len(people)))
    for cost, piece in zip(costs, pieces, strict=True):
        if piece.voice is not None:
            cost += (1 - people @ piece.voice) * piece.seconds
    pauses = ((piece.first - before.end) * FRAME_S for before, piece in pairwise(pieces))
    prices = [_SWITCH * math.exp(-pause_s / _SWITCH_S) for pause_s in pauses]
    return np.array(cheapest_path(costs, prices), np.int64)


def _by_appearance(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)
