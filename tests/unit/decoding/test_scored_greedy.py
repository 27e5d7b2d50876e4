"""The greedy RNN-T search under a scorer: against a plain loop, plain greedy, and in batches."""

from math import exp, inf, log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.decoding.greedy import RNNTGreedyDecoding
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.scored_greedy import ScoredRNNTGreedyDecoding
from gigaam.decoding.scoring import JointScorer, RememberingScorer, Scorer
from gigaam.errors import ModelError
from tests.numpy_transducer import NumpyTransducer
from tests.scorers import PairScorer

ALL = Pruning.nothing()


def greedy(
    classes: int, scorer: Scorer, cap: int = 3, pruning: Pruning = ALL
) -> ScoredRNNTGreedyDecoding:
    return ScoredRNNTGreedyDecoding(classes - 1, RememberingScorer(scorer), cap, pruning)


def by_hand(
    transducer: NumpyTransducer, scorer: PairScorer, row: int, length: int, cap: int
) -> tuple[list[tuple[int, int]], float]:
    """Tokens with their frames, and the score: frame by frame, every token tried."""
    zeros = np.zeros(transducer.encoded.shape[-1])
    h, c = transducer.cell(zeros, zeros, zeros)
    last, total, found = len(scorer.ends) - 1, 0.0, []
    for frame in range(length):
        for _ in range(cap):
            log_probs = transducer.log_probs(transducer.encoded[row, frame], h).astype(float)
            gains = scorer.gains[last]
            if (log_probs[:-1] + np.maximum(gains, 0)).max() <= log_probs[-1]:
                total += (1 + scorer.lm_weight) * log_probs[-1]
                break
            token = int((log_probs[:-1] + gains).argmax())
            total += log_probs[token] + gains[token]
            total += scorer.lm_weight * log1p(-exp(log_probs[-1]))
            found.append((token, frame))
            last = token
            h, c = transducer.cell(transducer.embedding[token], h, c)
    return found, total + scorer.ends[last]


@given(st.integers(0, 2**16), st.integers(1, 20), st.floats(-1, 4), st.sampled_from([0.0, 0.5]))
def test_what_a_plain_loop_finds(seed: int, frames: int, bias: float, weight: float) -> None:
    transducer = NumpyTransducer([seed], [frames], classes=5, blank_bias=bias)
    scorer = PairScorer(4, seed=seed)
    scorer.lm_weight = weight
    (found,) = greedy(5, scorer).search(transducer, [frames])
    wanted, score = by_hand(transducer, scorer, 0, frames, cap=3)
    pairs = list(zip(found.ids.tolist(), found.frames.tolist(), strict=True))
    assert pairs == wanted
    assert found.score == pytest.approx(score, abs=1e-3)


@given(st.integers(0, 2**16), st.integers(1, 40), st.floats(-1, 4))
def test_plain_greedy_where_nothing_is_added(seed: int, frames: int, bias: float) -> None:
    transducer = NumpyTransducer([seed], [frames], classes=5, blank_bias=bias)
    (plain,) = RNNTGreedyDecoding("абвг", max_symbols_per_step=3).search(transducer, [frames])
    nothing = PairScorer(4, seed=0, spread=0.0)
    for scorer in (nothing, JointScorer([nothing])):
        (found,) = greedy(5, scorer, pruning=Pruning()).search(transducer, [frames])
        assert found.ids.tolist() == plain.ids.tolist()
        assert found.frames.tolist() == plain.frames.tolist()
        assert found.log_probs.tolist() == plain.log_probs.tolist()


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30)), min_size=1, max_size=5))
def test_a_batch_gives_what_each_gives_alone(recordings: list[tuple[int, int]]) -> None:
    seeds, lengths = (list(each) for each in zip(*recordings, strict=True))
    search = greedy(5, PairScorer(4, seed=1), pruning=Pruning(blank=0.7))
    batch = NumpyTransducer(seeds, lengths, classes=5, blank_bias=3.0)
    together = search.search(batch, lengths)
    for seed, length, found in zip(seeds, lengths, together, strict=True):
        single = NumpyTransducer([seed], [length], classes=5, blank_bias=3.0)
        (alone,) = search.search(single, [length])
        assert found.ids.tolist() == alone.ids.tolist()
        assert found.frames.tolist() == alone.frames.tolist()
        assert found.score == pytest.approx(alone.score, abs=1e-4)


class TakenBack(PairScorer):
    """Takes the same from every token."""

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return states, np.full(len(tokens), -50.0)


def test_what_is_taken_back_swallows_no_token() -> None:
    transducer = NumpyTransducer([4], [25], classes=5, blank_bias=2.0)
    (plain,) = RNNTGreedyDecoding("абвг", max_symbols_per_step=3).search(transducer, [25])
    (found,) = greedy(5, TakenBack(4, seed=0)).search(transducer, [25])
    assert found.ids.tolist() == plain.ids.tolist()


def test_what_is_wrong_with_the_nets() -> None:
    transducer = NumpyTransducer([0, 1], [6, 6], classes=4, blank_bias=1.0)
    with pytest.raises(ModelError, match="belongs to another model"):
        greedy(5, PairScorer(4, seed=0)).search(transducer, [6, 6])
    transducer.encoded[0, 2] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        greedy(4, PairScorer(3, seed=0)).search(transducer, [6, 6])


@given(st.integers(0, 2**16), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3))))
def test_what_is_remembered_is_what_was_said(seed: int, asked: list[tuple[int, int]]) -> None:
    scorer = PairScorer(4, seed=seed)
    remembering = RememberingScorer(scorer)
    for first in range(0, len(asked), 3):
        pairs = np.array(asked[first : first + 3], np.int64)
        states, tokens = pairs[:, :1], pairs[:, 1]
        for _ in range(2):
            wanted, found = scorer.advance(states, tokens), remembering.advance(states, tokens)
            assert all((w == f).all() for w, f in zip(wanted, found, strict=True))
        for state, token in asked[first : first + 3]:
            (after,), (gain,) = scorer.advance(np.array([[state]]), np.array([token]))
            assert remembering.step((state,), token) == (tuple(after.tolist()), gain, False)
    assert remembering.size == 1
    assert -inf < remembering.lm_weight < inf


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gigaam.decoding.scoring._MOST_REMEMBERED", 2)
    scorer = PairScorer(4, seed=0)
    remembering = RememberingScorer(scorer)
    for token in [0, 1, 2, 3, 0, 1, 2, 3]:
        _, (gain,) = remembering.advance(np.array([[4]]), np.array([token]))
        assert gain == remembering.step((4,), token)[1] == scorer.gains[4, token]
        assert max(len(remembering._known), len(remembering._steps)) <= 3
