"""Sequences of one outlook: the best goes on, and lists of the best lack none."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.decoding.ctc_beam import CTCBeamDecoding
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.log_probs import ArrayLogProbs
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.rnnt_beam import RNNTBeamDecoding
from gigaam.decoding.scoring import JointScorer

DOUBTS = 9
WORD = (2, 3, 4, 5, 6)  # certain, after each doubt
CLASSES = 9  # two that cannot be told apart, those of the word, one more, and blank
BLANK = np.full(CLASSES, -20.0, np.float32)
BLANK[-1] = 0.0


class FrameTransducer:
    """One recording whose token at a frame does not depend on those before; states count them."""

    def __init__(self, frames: NDArray[np.float32]) -> None:
        self._frames = frames

    def start(self) -> "Counts":
        return Counts(np.zeros(1, np.int64))

    def advance(self, states: "Counts", labels: NDArray, index: NDArray | None = None) -> "Counts":
        found = states.found.copy()
        found[slice(None) if index is None else index] += 1
        return Counts(found)

    def join(
        self, states: "Counts", recordings: NDArray, first_frames: NDArray, width: int
    ) -> ArrayLogProbs:
        frames = first_frames[:, None] + np.arange(width)
        due = states.found[:, None] <= frames
        heard = self._frames[frames.clip(max=len(self._frames) - 1)]
        return ArrayLogProbs(np.where(due[..., None], heard, BLANK))


@dataclass(frozen=True)
class Counts:
    found: NDArray[np.int64]

    def select(self, index: NDArray) -> "Counts":
        return Counts(self.found[index])

    def joined(self, others: "Counts") -> "Counts":
        return Counts(np.concatenate([self.found, others.found]))


def doubtful() -> NDArray[np.float32]:
    """Frames [T, V]: each doubt is between the tokens 0 and 1, a bit less from time to time."""
    frames = []
    for doubt in range(DOUBTS):
        share = 0.55 + 0.01 * doubt
        frame = np.full(CLASSES, 1e-6)
        frame[:2] = share, 1 - share
        frames.append(frame)
        for token in WORD:
            frame = np.full(CLASSES, 1e-6)
            frame[token] = 1
            frames.append(frame)
    return np.log(np.array(frames) / np.sum(frames, 1, keepdims=True)).astype(np.float32)


def best_by_hand(n: int) -> list[tuple[int, ...]]:
    """The n best sequences: all choices, by what they cost."""
    frames = doubtful()[:: len(WORD) + 1, :2]
    choices = sorted(
        product((0, 1), repeat=DOUBTS),
        key=lambda chosen: (
            -sum(float(frame[each]) for frame, each in zip(frames, chosen, strict=True))
        ),
    )
    return [tuple(token for each in chosen for token in (each, *WORD)) for chosen in choices[:n]]


def found_by(head: str, n_best: int, recombine: bool) -> Hypothesis:
    pruning, frames = Pruning(recombine=recombine), doubtful()
    if head == "ctc":
        search = CTCBeamDecoding(JointScorer([]), 4, n_best, pruning)
        return search.search(frames[None], [len(frames)])[0]
    rnnt = RNNTBeamDecoding(CLASSES - 1, JointScorer([]), 4, n_best, 1, pruning)
    return rnnt.search(FrameTransducer(frames), [len(frames)])[0]


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_doubts_of_some_words_ago_take_no_room(head: str) -> None:
    wanted = best_by_hand(12)
    found = found_by(head, 4, recombine=True)
    every = [found, *found.alternatives]
    assert [tuple(each.ids.tolist()) for each in every] == wanted[:4]
    scores = [each.score for each in every]
    assert scores == sorted(scores, reverse=True)
    for each in every:
        assert each.score == pytest.approx(float(each.log_probs.sum()), abs=1e-3)
        assert len(each.frames) == len(each.ids) == DOUBTS * (len(WORD) + 1)
        assert (np.diff(each.frames) >= 0).all()


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_the_best_is_the_same_however_many_are_asked_for(head: str) -> None:
    alone, first = (found_by(head, n, recombine=True) for n in (1, 4))
    assert alone.ids.tolist() == first.ids.tolist()
    assert alone.score == first.score
