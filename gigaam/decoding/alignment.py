"""Where given tokens lie in the frames of a CTC head: the best path that spells them (Viterbi).

Shapes: N sequences, T frames, U tokens, V classes (the last is blank), P places of a path: before
each token a blank, and after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis

__all__ = ["align"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_MOST_NUMBERS = 1 << 22  # of paths' scores at once, 32 MiB


def align(
    log_probs: NDArray[np.floating], frames: Int, ids: Sequence[Int], scores: Sequence[float]
) -> list[Hypothesis]:
    """Sequences of a recording with the frames and log-probabilities of their tokens.

    A token's frame is the first of its run on the best path, its log-probability the highest of its
    run.

    Args:
        log_probs: The recording's [T, V].
        frames: Those that may hold tokens, in order, [T']; all others are blank.
        ids: The tokens [U] of each; some path must have room for them.
        scores: Of each.
    """
    # What lies between two of these frames is a step of its own, in which all paths are in blank.
    steps = np.repeat(frames, 1 + (np.diff(frames, prepend=frames[:1]) > 1))
    between = np.diff(steps, append=-1) == 0
    places = 2 * max(map(len, ids), default=0) + 1
    at_once = max(1, _MOST_NUMBERS // max(1, len(steps) * places))
    found = []
    for first in range(0, len(ids), at_once):
        own = ids[first : first + at_once]
        emitted = _emitted(log_probs, steps, between, own)
        skips = _skips(own)
        paths = _paths(skips, emitted)
        for n, tokens in enumerate(own):
            path = _traced(paths[:, n], skips[n], len(tokens))
            found.append(_heard(path, emitted[:, n], steps, tokens, scores[first + n]))
    return found


def _emitted(
    log_probs: NDArray[np.floating], steps: Int, between: NDArray[np.bool_], ids: Sequence[Int]
) -> Float:
    """Log-probabilities of each step's places, [T', N, P]."""
    most = max(map(len, ids))
    emitted = np.full((len(steps), len(ids), 2 * most + 1), -np.inf)
    emitted[:, :, ::2] = log_probs[steps, -1][:, None, None]
    for n, tokens in enumerate(ids):
        emitted[:, n, 1 : 2 * len(tokens) : 2] = log_probs[steps[:, None], tokens]
    emitted[between, :, ::2] = 0.0
    emitted[between, :, 1::2] = -np.inf
    return emitted


def _skips(ids: Sequence[Int]) -> Float:
    """Of each place but the first two, 0 if the blank before it may be left out, [N, P - 2]."""
    skips = np.full((len(ids), max(0, 2 * max(map(len, ids)) - 1)), -np.inf)
    for row, tokens in zip(skips, ids, strict=True):
        row[1 : max(0, 2 * len(tokens) - 1) : 2] = np.where(tokens[1:] != tokens[:-1], 0.0, -np.inf)
    return skips


def _paths(skips: Float, emitted: Float) -> Float:
    """Scores of the best paths to each place after each step, [T', N, P]."""
    paths = np.empty_like(emitted)
    before = np.full(emitted.shape[1:], -np.inf)
    before[:, 0] = 0.0
    arriving = np.empty_like(before)
    for after, heard in zip(paths, emitted, strict=True):
        arriving[:, 0] = before[:, 0]
        np.maximum(before[:, 1:], before[:, :-1], out=arriving[:, 1:])
        np.maximum(arriving[:, 2:], before[:, :-2] + skips, out=arriving[:, 2:])
        before = np.add(arriving, heard, out=after)
    return paths


def _traced(paths: Float, skips: Float, n_tokens: int) -> list[int]:
    """The places of the best path, step by step."""
    if not len(paths):
        return []
    last = 2 * n_tokens
    place = last - 1 if n_tokens and paths[-1, last - 1] > paths[-1, last] else last
    path = [place]
    for step in range(len(paths) - 2, -1, -1):
        before = paths[step, max(0, place - 2) : place + 1].tolist()
        best, came = before[-1], place
        if place and before[-2] > best:
            best, came = before[-2], place - 1
        if place > 1 and before[0] + skips[place - 2] > best:
            came = place - 2
        place = came
        path.append(place)
    return path[::-1]


def _heard(path: list[int], emitted: Float, steps: Int, ids: Int, score: float) -> Hypothesis:
    """The sequence whose path this is."""
    places = np.array(path, np.int64)
    at = np.flatnonzero(places % 2)
    begins = np.flatnonzero(np.diff(places[at], prepend=-1))
    peaks = emitted[at, places[at]]
    return Hypothesis(
        ids=ids.astype(np.int64),
        frames=steps[at[begins]].astype(np.int64),
        log_probs=(np.maximum.reduceat(peaks, begins) if len(begins) else peaks).astype(np.float32),
        score=score,
    )
