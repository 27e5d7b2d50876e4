"""Whose words they are.

A word belongs to whoever speaks for most of it. Words are not asked one by one: times of words and
of turns are a little off, and at each of them a word would change hands. So the cheapest sequence
of speakers is taken (Viterbi), in which each change costs something, less after a pause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers.paths import cheapest_path
from gigaam.speakers.turns import Turn
from gigaam.types import Word

__all__ = ["attributed"]

_SWITCH_S = 0.3  # of somebody else's speech, that a change of speakers costs
_PAUSE_S = 0.5  # makes it cheap
_SENTENCE_ENDS = (".", "!", "?", "…")
_CHEAPER = 0.3  # after a sentence
_BESIDE, _NEAR_S = 0.4, 2.0  # the share at the edge of a turn, and how far away it is half
_LEAST_S = 0.02  # that a word lasts

_OVERLAP_SHARE = 0.5  # of a word, in which another speaks as well


def attributed(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """The words with their speakers, and whether others spoke at the same time.

    Args:
        words: In order.
        turns: In any order; without any, the words have no speakers.
    """
    by_name: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.end > turn.start:
            by_name.setdefault(turn.speaker, []).append(turn)
    if not words or not by_name:
        return list(words)
    names = list(by_name)
    starts, ends = (np.array([getattr(word, edge) for word in words]) for edge in ("start", "end"))
    lengths = np.maximum(ends - starts, _LEAST_S)
    shares = np.stack([_shares(starts, ends, own) for own in by_name.values()], axis=1)
    path = cheapest_path((1 - shares) * lengths[:, None], _prices(words))
    is_shared = (shares >= _OVERLAP_SHARE).sum(axis=1) > 1
    return [
        replace(word, speaker=names[who], overlapped=bool(shared))
        for word, who, shared in zip(words, path, is_shared, strict=True)
    ]


def _shares(
    starts: NDArray[np.float64], ends: NDArray[np.float64], turns: Sequence[Turn]
) -> NDArray[np.float64]:
    """The share of each word in which somebody speaks, [words]; less than half beside a turn.

    Args:
        starts: Of the words, [words].
        ends: Of the words, [words].
        turns: Of one speaker.
    """
    edges = _apart(turns)
    spoken_s = np.repeat([0.0, *np.cumsum(edges[1::2] - edges[::2])], 2)[1:-1]
    covered = np.interp(ends, edges, spoken_s) - np.interp(starts, edges, spoken_s)
    shares = (covered / np.maximum(ends - starts, _LEAST_S)).clip(0, 1)
    before = np.concatenate([[-np.inf], edges[1::2]])[np.searchsorted(edges[1::2], starts, "right")]
    after = np.concatenate([edges[::2], [np.inf]])[np.searchsorted(edges[::2], ends, "left")]
    away = np.minimum(starts - before, after - ends)
    beside: NDArray[np.float64] = _BESIDE * _NEAR_S / (_NEAR_S + away)
    return np.where(covered > 0, shares, beside)


def _apart(turns: Sequence[Turn]) -> NDArray[np.float64]:
    """Starts and ends in turns, those that touch or overlap made one, [2 × turns]."""
    found: list[float] = []
    for turn in sorted(turns, key=lambda turn: turn.start):
        if found and turn.start <= found[-1]:
            found[-1] = max(found[-1], turn.end)
        else:
            found += [turn.start, turn.end]
    return np.array(found)


def _prices(words: Sequence[Word]) -> list[float]:
    """What a change of speakers costs between each word and the next."""
    return [
        _SWITCH_S
        * math.exp(-max(0.0, word.start - before.end) / _PAUSE_S)
        * (_CHEAPER if before.text.endswith(_SENTENCE_ENDS) else 1.0)
        for before, word in pairwise(words)
    ]
