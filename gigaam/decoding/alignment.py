"""Where given tokens lie in the frames of a CTC head: the best path that spells them (Viterbi).

Shapes: N sequences, T frames, U tokens, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis

__all__ = ["align"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_STAY, _FROM_BLANK, _FROM_TOKEN = 0, 1, 2


def align(
    log_probs: Sequence[NDArray[np.float32]],
    frames: Sequence[Int],
    ids: Sequence[Int],
    scores: Sequence[float],
) -> list[Hypothesis]:
    """Each sequence with the frames and log-probabilities of its tokens on its best path.

    A token's frame is the first of its run, its log-probability the highest of its run.

    Args:
        log_probs: Of each sequence's recording, float32 [T, V].
        frames: Those that may hold tokens, in order, [T'] each; all others are blank.
        ids: The tokens [U] of each; some path must have room for them.
        scores: Of each.
    """
    lengths = np.array([len(each) for each in frames], np.int64)
    steps, most = int(lengths.max(initial=0)), max(map(len, ids), default=0)
    tokens = np.full((len(ids), most), -1, np.int64)
    blank = np.zeros((steps, len(ids), 1))
    emitted = np.full((steps, len(ids), most), -np.inf)
    gaps = np.zeros((steps, len(ids), 1), bool)
    for n, (rows, own, sequence) in enumerate(zip(log_probs, frames, ids, strict=True)):
        tokens[n, : len(sequence)] = sequence
        blank[: len(own), n, 0] = rows[own, -1]
        emitted[: len(own), n, : len(sequence)] = rows[own[:, None], sequence]
        gaps[: len(own), n, 0] = np.diff(own, prepend=own[:1]) > 1
    choices = _forward(tokens, blank, emitted, gaps)
    return [
        _traced(n, choices, emitted[: lengths[n], n], frames[n], ids[n], scores[n])
        for n in range(len(ids))
    ]


class _Choices:
    """What the best path to each state came from, per step."""

    def __init__(self, steps: int, count: int, most: int) -> None:
        self.token = np.zeros((steps, count, most), np.int8)
        self.blank = np.zeros((steps, count, most + 1), bool)  # whether from the token before
        self.ends_in_token = np.zeros(count, bool)


def _forward(tokens: Int, blank: Float, emitted: Float, gaps: NDArray[np.bool_]) -> _Choices:
    """Choices of the best paths over all steps.

    A path is in the blank before token u (or after the last one), or in token u.
    """
    count, most = tokens.shape
    choices = _Choices(len(blank), count, most)
    in_blank = np.full((count, most + 1), -np.inf)
    in_blank[:, 0] = 0.0
    # Behind a column for "no token before": a token's predecessor is the column to its left.
    in_token = np.full((count, most + 1), -np.inf)
    barred = np.zeros((count, most), bool)
    barred[:, 1:] = tokens[:, 1:] == tokens[:, :-1]  # a blank must part equal tokens
    with np.errstate(invalid="ignore"):
        for step in range(len(blank)):
            from_token = in_token > in_blank
            if gaps[step].any():  # all that lies between two frames is blank
                crossed = gaps[step]
                in_blank = np.where(crossed & from_token, in_token, in_blank)
                in_token = np.where(crossed, -np.inf, in_token)
            before = np.where(barred, -np.inf, in_token[:, :-1])
            arrival = np.stack([in_token[:, 1:], in_blank[:, :-1], before])
            choices.token[step] = arrival.argmax(0)
            choices.blank[step] = from_token
            in_blank = np.maximum(in_blank, in_token) + blank[step]
            in_token[:, 1:] = arrival.max(0) + emitted[step]
    ends = (tokens >= 0).sum(1)[:, None]
    last_token = np.take_along_axis(in_token, ends, 1)[:, 0]
    choices.ends_in_token = last_token > np.take_along_axis(in_blank, ends, 1)[:, 0]
    return choices


def _traced(
    n: int, choices: _Choices, emitted: Float, frames: Int, ids: Int, score: float
) -> Hypothesis:
    """One sequence of the batch, its best path followed from the end."""
    column, in_token = len(ids), bool(choices.ends_in_token[n])
    first = np.zeros(len(ids), np.int64)
    peaks = np.full(len(ids), -np.inf)
    gap_before = np.diff(frames, prepend=frames[:1]) > 1
    for step in range(len(choices.token) - 1, -1, -1):
        crossed = step < len(frames) and gap_before[step]
        if in_token:
            token = column - 1
            first[token] = step
            peaks[token] = max(peaks[token], emitted[step, token])
            choice = choices.token[step, n, token]
            if choice == _STAY:
                continue
            column = token
            in_token = choice == _FROM_TOKEN or (crossed and bool(choices.blank[step, n, column]))
        elif choices.blank[step, n, column]:
            in_token = True
    return Hypothesis(
        ids=ids.astype(np.int64),
        frames=frames[first].astype(np.int64),
        log_probs=peaks.astype(np.float32),
        score=score,
    )
