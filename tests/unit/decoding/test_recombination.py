"""Sequences of one outlook: the best goes on, and lists of the best lack none."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.decoding.ctc_beam import CTCBeamDecoding
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.log_probs import ArrayLogProbs
from gigaam.decoding.prefixes import Prefixes
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.rnnt_beam import RNNTBeamDecoding
from gigaam.decoding.scoring import JointScorer, Scorer
from tests.numpy_transducer import NumpyTransducer
from tests.scorers import PairScorer

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


def found_by(head: str, n_best: int) -> Hypothesis:
    pruning, frames = Pruning(), doubtful()
    if head == "ctc":
        search = CTCBeamDecoding(JointScorer([]), 4, n_best, pruning)
        return search.search(frames[None], [len(frames)])[0]
    rnnt = RNNTBeamDecoding(CLASSES - 1, JointScorer([]), 4, n_best, 1, pruning)
    return rnnt.search(FrameTransducer(frames), [len(frames)])[0]


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_doubts_of_some_words_ago_take_no_room(head: str) -> None:
    wanted = best_by_hand(12)
    found = found_by(head, 4)
    every = [found, *found.alternatives]
    assert [tuple(each.ids.tolist()) for each in every] == wanted[:4]
    scores = [each.score for each in every]
    assert scores == sorted(scores, reverse=True)
    for each in every:
        assert each.score == pytest.approx(float(each.log_probs.sum()), abs=1e-3)
        assert len(each.frames) == len(each.ids) == DOUBTS * (len(WORD) + 1)
        assert (np.diff(each.frames) >= 0).all()


class LateReward:
    """Nine for a word that began with 7, once it ends; the state is what a word began with."""

    size = 1
    lm_weight = 0.0

    def start(self) -> NDArray[np.int64]:
        return np.zeros(1, np.int64)

    def advance(self, states: NDArray, tokens: NDArray) -> tuple[NDArray, NDArray]:
        ends = (tokens == WORD[-1]) & (states[:, 0] == 7)
        begins = np.isin(tokens, (0, 1, 7))
        return np.where(begins, tokens, states[:, 0])[:, None], 9.0 * ends

    def finish(self, states: NDArray) -> NDArray:
        return np.zeros(len(states))

    def expects(self, states: NDArray) -> NDArray:
        return np.zeros(len(states), bool)


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_room_is_left_for_the_word_at_hand(head: str) -> None:
    frames = doubtful()
    last = -(len(WORD) + 1)
    frames[last, :2], frames[last, 7] = np.log([0.98, 1e-6]), np.log(0.02)
    found = {}
    for recombine in (False, True):
        pruning = Pruning(recombine=recombine)
        if head == "ctc":
            ctc = CTCBeamDecoding(LateReward(), 4, 1, pruning)
            (hypothesis,) = ctc.search(frames[None], [len(frames)])
        else:
            rnnt = RNNTBeamDecoding(CLASSES - 1, LateReward(), 4, 1, 1, pruning)
            (hypothesis,) = rnnt.search(FrameTransducer(frames), [len(frames)])
        found[recombine] = hypothesis.ids[last]
    assert found == {False: 0, True: 7}


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_the_best_is_the_same_however_many_are_asked_for(head: str) -> None:
    alone, first = (found_by(head, n) for n in (1, 4))
    assert alone.ids.tolist() == first.ids.tolist()
    assert alone.score == first.score


def check_paths(found: Hypothesis, frames: int, cap: int | None) -> None:
    """What is found is distinct, in order, and lies in the frames as it can."""
    every = [found, *found.alternatives]
    assert len({tuple(each.ids.tolist()) for each in every}) == len(every)
    assert [each.score for each in every] == sorted((e.score for e in every), reverse=True)
    for each in every:
        assert len(each.frames) == len(each.ids)
        assert np.isfinite(each.log_probs).all()
        steps = np.diff(each.frames)
        assert (steps >= (0 if cap else 1)).all()
        if len(each.frames):
            assert 0 <= each.frames[0] <= each.frames[-1] < frames
            assert cap is None or np.bincount(each.frames).max() <= cap


SCORERS = st.sampled_from([JointScorer([]), PairScorer(3, seed=5)])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0.5, 6), SCORERS)
@example(647, 6, 3.0, JointScorer([]))  # eight tokens in six frames, once
def test_ctc_lists_hold_what_can_be(seed: int, frames: int, peaks: float, scorer: Scorer) -> None:
    logits = peaks * np.random.default_rng(seed).normal(size=(1, frames, 4))
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for size in (4, 8):
        (found,) = CTCBeamDecoding(scorer, size, size, Pruning()).search(log_probs, [frames])
        check_paths(found, frames, cap=None)


@given(st.integers(0, 2**16), st.integers(1, 30), st.floats(-1, 3), SCORERS)
def test_rnnt_lists_hold_what_can_be(seed: int, frames: int, bias: float, scorer: Scorer) -> None:
    transducer = NumpyTransducer([seed], [frames], classes=4, blank_bias=bias)
    search = RNNTBeamDecoding(3, scorer, 6, 6, 2, Pruning())
    (found,) = search.search(transducer, [frames])
    check_paths(found, frames, cap=2)
    (alone,) = RNNTBeamDecoding(3, scorer, 6, 1, 2, Pruning()).search(transducer, [frames])
    assert alone.ids.tolist() == found.ids.tolist()


def test_outlooks_of_different_sequences_differ() -> None:
    prefixes = Prefixes(JointScorer([]), 3)
    outlooks = set()
    for tokens in (*product((0, 1), repeat=3), *product((0, 1), repeat=2), (0,), (1,), ()):
        sequence = 0
        for token in tokens:
            sequence = prefixes.child(sequence, token)
        outlooks.add(prefixes.outlook(sequence))
    assert len(outlooks) == 15
