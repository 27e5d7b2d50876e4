"""Which pieces of speech are of the same person.

In two steps from the bottom up, by the mean of cosines (average linkage). Pieces that are very much
alike make small clusters, whose means say more of a voice than two seconds do; those that are large
enough are joined then, as far as they are alike or until there are as many as there are people.
At last every piece goes to the nearest person, or stays with the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers.paths import cheapest_path
from gigaam.speakers.trees import MOST_LEAVES, cosine_tree, cut_at, cut_into, tree_of
from gigaam.speakers.turns import SpeakerCount
from gigaam.speakers.voices import DIMENSIONS, FRAME_S, Piece

__all__ = ["speakers_of", "voices_by_speaker"]

Voices = NDArray[np.float32]
Seconds = NDArray[np.float64]

# Distances: one less the cosine.
_ALIKE = 0.30
_SAME_PERSON = 0.35
_DOUBT, _DOUBT_S = 0.25, 3.0  # of a voice of which next to nothing was heard, and how it fades

_TELLING_S = 1.0  # a piece as long makes clusters, a shorter one only joins them
_LEAST_S, _LEAST_SHARE, _ENOUGH_S = 3.0, 0.02, 10.0  # of speech of somebody who counts
_ROUNDS = 2

_SWITCH, _SWITCH_S = 0.1, 0.5  # what a change of speakers costs, and the pause that makes it cheap


def speakers_of(pieces: Sequence[Piece], count: SpeakerCount) -> NDArray[np.int64]:
    """Who speaks in each piece, int64 [pieces], numbered by first appearance.

    Args:
        pieces: In order.
        count: How many people there are; there may be fewer, if fewer voices were heard.
    """
    heard = [piece for piece in pieces if piece.voice is not None]
    if not heard:
        return np.zeros(len(pieces), np.int64)
    longest = max(piece.seconds for piece in heard)
    telling = [piece for piece in heard if piece.seconds >= min(_TELLING_S, longest)]
    voices = np.stack([piece.voice for piece in telling if piece.voice is not None])
    seconds = np.array([piece.seconds for piece in telling])
    people = _people(voices, seconds, count)
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


def _people(voices: Voices, seconds: Seconds, count: SpeakerCount) -> Voices:
    """What people sound like, [people, D]."""
    means, talks = _groups(voices, seconds)
    total_s = seconds.sum()
    least_s = min(max(_LEAST_S, min(_LEAST_SHARE * total_s, _ENOUGH_S)), total_s / 4)
    order = np.argsort(-talks, kind="stable")
    n_large = max(int((talks >= least_s).sum()), min(count.least, len(talks)))
    means, talks = means[order[:n_large]], talks[order[:n_large]]
    means = _settled(means, voices, seconds)
    if len(means) == 1:
        return means
    weights = _talk(means, voices, seconds)
    tree = tree_of(_distances(means, weights))
    n_people = len(np.unique(cut_at(tree, _SAME_PERSON)))
    n_people = min(max(n_people, count.least), count.most)
    labels = cut_into(tree, n_people)
    joined = [
        np.average(means[labels == each], axis=0, weights=weights[labels == each])
        for each in np.unique(labels)
    ]
    return _settled(_unit(np.stack(joined)), voices, seconds)


def _groups(voices: Voices, seconds: Seconds) -> tuple[Voices, Seconds]:
    """Means of small clusters, [groups, D], and how long each speaks."""
    means, talks = [], []
    for first in range(0, len(voices), MOST_LEAVES):
        here = slice(first, first + MOST_LEAVES)
        labels: NDArray[np.integer] = np.ones(len(voices[here]), np.int64)
        if len(labels) > 1:
            labels = cut_at(cosine_tree(voices[here]), _ALIKE)
        for each in np.unique(labels):
            weights = seconds[here][labels == each]
            means.append(np.average(voices[here][labels == each], axis=0, weights=weights))
            talks.append(weights.sum())
    return _unit(np.stack(means)), np.array(talks)


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


def _distances(means: Voices, talks: Seconds) -> NDArray[np.float64]:
    """How far means are apart, less what is uncertain of those of little speech; condensed."""
    doubt = _DOUBT * np.exp(-np.minimum.outer(talks, talks) / _DOUBT_S)
    distances = np.maximum(1 - means @ means.T - doubt, 0.0)
    upper: NDArray[np.float64] = distances[np.triu_indices(len(means), 1)]
    return upper


def _talk(means: Voices, voices: Voices, seconds: Seconds) -> Seconds:
    """How long each speaks, at least a moment."""
    nearest = (voices @ means.T).argmax(axis=1)
    return np.maximum(np.bincount(nearest, weights=seconds, minlength=len(means)), 1e-3)


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
