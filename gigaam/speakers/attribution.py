"""Whose words they are.

A word belongs to whoever speaks for most of it. Words are not asked one by one: times of words and
of turns are a little off, and at each of them a word would change hands. So the cheapest sequence
of speakers is taken (Viterbi), in which each change costs something, less after a pause.
"""

from __future__ import annotations

import math
from bisect import bisect_left
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
_FAR_S = 2.0  # from a turn; further away it is as if there were none
_LEAST_S = 0.02  # that a word lasts

_OVERLAP_SHARE = 0.5  # of a word, in which another speaks as well


def attributed(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """The words with their speakers, and whether others spoke at the same time.

    Args:
        words: In order.
        turns: In order of their starts; without any, the words have no speakers.
    """
    if not words or not turns:
        return list(words)
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    covered, away = _covered(words, turns, names)
    lengths = np.array([max(word.end - word.start, _LEAST_S) for word in words])
    # Where nobody speaks, whoever is nearest does.
    lonely = covered.max(axis=1) <= 0
    shares = covered / lengths[:, None]
    shares[lonely] = 0.5 * (1 - np.minimum(away[lonely], _FAR_S) / _FAR_S)
    path = cheapest_path((1 - shares.clip(0, 1)) * lengths[:, None], _prices(words))
    is_shared = (shares >= _OVERLAP_SHARE).sum(axis=1) > 1
    return [
        replace(word, speaker=names[who], overlapped=bool(shared))
        for word, who, shared in zip(words, path, is_shared, strict=True)
    ]


def _covered(
    words: Sequence[Word], turns: Sequence[Turn], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of each word in which each speaks, and how far their turns are away, [words, S]."""
    covered = np.zeros((len(words), len(names)))
    away = np.full((len(words), len(names)), math.inf)
    for column, name in enumerate(names):
        own = [turn for turn in turns if turn.speaker == name]
        ends = [turn.end for turn in own]  # of one speaker, so in order as well
        for row, word in enumerate(words):
            at = bisect_left(ends, word.start)
            for turn in own[max(0, at - 1) :]:
                shared_s = min(word.end, turn.end) - max(word.start, turn.start)
                covered[row, column] += max(0.0, shared_s)
                away[row, column] = min(away[row, column], max(0.0, -shared_s))
                if turn.start >= word.end:
                    break
    return covered, away


def _prices(words: Sequence[Word]) -> list[float]:
    """What a change of speakers costs between each word and the next."""
    return [
        _SWITCH_S
        * math.exp(-max(0.0, word.start - before.end) / _PAUSE_S)
        * (_CHEAPER if before.text.endswith(_SENTENCE_ENDS) else 1.0)
        for before, word in pairwise(words)
    ]
