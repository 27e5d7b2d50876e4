"""RNN-T beam search against all alignments and greedy search, and in batches."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigaam.decoding.greedy import RNNTGreedyDecoding
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.rnnt_beam import RNNTBeamDecoding
from gigaam.decoding.scoring import JointScorer, Scorer
from gigaam.errors import ModelError
from tests.numpy_transducer import NumpyTransducer
from tests.scorers import PairScorer, in_order

ALL = Pruning.nothing()
PLAIN = JointScorer(())


def beam(
    classes: int,
    scorer: Scorer = PLAIN,
    size: int = 100_000,
    n_best: int = 1,
    cap: int = 2,
    pruning: Pruning = ALL,
) -> RNNTBeamDecoding:
    return RNNTBeamDecoding(classes - 1, scorer, size, n_best, cap, pruning)


def over_all_alignments(
    transducer: NumpyTransducer, row: int, frames: int, cap: int
) -> dict[tuple[int, ...], float]:
    """The log-probability of every token sequence of up to ``cap`` tokens a frame.

    After so many the next frame comes without a blank, as in greedy search.
    """
    blank = len(transducer.b_out) - 1
    zeros = np.zeros(transducer.encoded.shape[-1])

    def rows(tokens: tuple[int, ...]) -> np.ndarray:
        h, c = transducer.cell(zeros, zeros, zeros)
        for token in tokens:
            h, c = transducer.cell(transducer.embedding[token], h, c)
        return transducer.log_probs(transducer.encoded[row, :frames], h).astype(np.float64)

    cached: dict[tuple[int, ...], np.ndarray] = {}
    bursts = [b for n in range(cap + 1) for b in product(range(blank), repeat=n)]
    paths: dict[tuple[int, ...], float] = {(): 0.0}
    for frame in range(frames):
        after: dict[tuple[int, ...], float] = {}
        for tokens, score in paths.items():
            for burst in bursts:
                reached, found = score, tokens
                for token in (*burst, blank):
                    if found not in cached:
                        cached[found] = rows(found)
                    if token == blank and len(burst) == cap:
                        break
                    reached = reached + cached[found][frame, token]
                    found = found if token == blank else (*found, token)
                after[found] = np.logaddexp(after.get(found, -np.inf), reached)
        paths = after
    return paths


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scorer", [PLAIN, PairScorer(2, seed=5)], ids=["plain", "scored"])
def test_scores_are_those_of_all_alignments(seed: int, scorer: Scorer) -> None:
    transducer = NumpyTransducer([seed], [3], classes=3, blank_bias=1.0)
    wanted = over_all_alignments(transducer, 0, 3, cap=2)
    if isinstance(scorer, PairScorer):
        wanted = {tokens: score + scorer.total(tokens) for tokens, score in wanted.items()}
    (found,) = beam(3, scorer, n_best=10_000).search(transducer, [3])
    every = in_order(found)
    assert len(every) == len(wanted)
    scores = {tuple(each.ids.tolist()): each.score for each in every}
    assert scores == pytest.approx(wanted, abs=1e-5)
    assert [each.score for each in every] == sorted((e.score for e in every), reverse=True)


def test_a_language_model_does_not_judge_where_tokens_are_due() -> None:
    """Blank: (1 + w) ln p. Token: ln p + w (ln (1 - p of blank) + ln p of the model)."""
    transducer = NumpyTransducer([3], [1], classes=3, blank_bias=1.0)
    scorer = PairScorer(2, seed=1)
    scorer.lm_weight = 0.5
    (found,) = beam(3, scorer, n_best=100, cap=2).search(transducer, [1])
    scores = {tuple(each.ids.tolist()): each.score for each in in_order(found)}
    zeros = np.zeros(transducer.encoded.shape[-1])
    h, c = transducer.cell(zeros, zeros, zeros)
    start = transducer.log_probs(transducer.encoded[0, 0], h).astype(np.float64)
    h, c = transducer.cell(transducer.embedding[1], h, c)
    after = transducer.log_probs(transducer.encoded[0, 0], h).astype(np.float64)
    assert scores[()] == pytest.approx(1.5 * start[2] + scorer.total(()), abs=1e-5)
    token = start[1] + 0.5 * np.log1p(-np.exp(start[2]))
    assert scores[(1,)] == pytest.approx(token + 1.5 * after[2] + scorer.total((1,)), abs=1e-5)


@given(st.integers(0, 2**16), st.integers(1, 7), st.floats(-1, 3))
def test_never_below_greedy(seed: int, frames: int, bias: float) -> None:
    transducer = NumpyTransducer([seed], [frames], classes=3, blank_bias=bias)
    greedy = RNNTGreedyDecoding("аб", max_symbols_per_step=2)
    (path,) = greedy.search(transducer, [frames])
    (found,) = beam(3, size=40).search(transducer, [frames])
    wide = [tuple(each.ids.tolist()) for each in in_order(found)]
    assert found.score >= path.score + blanks(transducer, path, frames) - 1e-5
    assert len(wide) == 1


def blanks(transducer: NumpyTransducer, path: Hypothesis, frames: int) -> float:
    """What the blanks of a path add to its score."""
    zeros = np.zeros(transducer.encoded.shape[-1])
    h, c = transducer.cell(zeros, zeros, zeros)
    total, token = 0.0, 0
    for frame in range(frames):
        here = 0
        while token < len(path.ids) and path.frames[token] == frame:
            h, c = transducer.cell(transducer.embedding[path.ids[token]], h, c)
            token, here = token + 1, here + 1
        if here < 2:
            total += float(transducer.log_probs(transducer.encoded[0, frame], h)[-1])
    return total


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30)), min_size=1, max_size=5))
def test_a_batch_gives_what_each_gives_alone(recordings: list[tuple[int, int]]) -> None:
    seeds, lengths = (list(each) for each in zip(*recordings, strict=True))
    search = beam(5, PairScorer(4, seed=1), 4, 3, 3, Pruning(blank=0.7))
    batch = NumpyTransducer(seeds, lengths, classes=5, blank_bias=3.0)
    together = search.search(batch, lengths)
    for seed, length, found in zip(seeds, lengths, together, strict=True):
        single = NumpyTransducer([seed], [length], classes=5, blank_bias=3.0)
        (alone,) = search.search(single, [length])
        for mine, other in zip(in_order(alone), in_order(found), strict=True):
            assert mine.ids.tolist() == other.ids.tolist()
            assert mine.frames.tolist() == other.frames.tolist()
            assert mine.score == pytest.approx(other.score, abs=1e-4)


def test_frames_of_nothing_but_blank_are_passed_over() -> None:
    lengths = [40]
    transducer = NumpyTransducer([1], lengths, classes=5, blank_bias=14.0)
    (heard,) = beam(5, size=6, cap=3).search(transducer, lengths)
    joined = sum(transducer.joined_rows)
    transducer.joined_rows.clear()
    (passed,) = beam(5, size=6, cap=3, pruning=Pruning(blank=0.995)).search(transducer, lengths)
    assert sum(transducer.joined_rows) < joined
    assert passed.ids.tolist() == heard.ids.tolist()
    assert passed.frames.tolist() == heard.frames.tolist()


def test_tokens_have_the_log_probabilities_they_were_emitted_with() -> None:
    transducer = NumpyTransducer([4], [25], classes=5, blank_bias=2.0)
    (greedy,) = RNNTGreedyDecoding("абвг", max_symbols_per_step=3).search(transducer, [25])
    (found,) = beam(5, size=1, cap=3).search(transducer, [25])
    if found.ids.tolist() == greedy.ids.tolist():
        assert found.log_probs == pytest.approx(greedy.log_probs)
    assert len(found.ids) > 0


def test_no_frames_and_no_recordings() -> None:
    transducer = NumpyTransducer([1, 2], [0, 4], classes=3, blank_bias=1.0)
    empty, found = beam(3, size=4).search(transducer, [0, 4])
    assert empty.ids.tolist() == []
    assert found.score < 0
    assert beam(3).search(NumpyTransducer([], [], classes=3, blank_bias=1.0), []) == []


@pytest.mark.parametrize("rows", [1, 3])
def test_what_is_no_number_is_an_error(rows: int) -> None:
    transducer = NumpyTransducer(list(range(rows)), [6] * rows, classes=4, blank_bias=1.0)
    transducer.encoded[0, 2] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        beam(4, size=4, pruning=Pruning()).search(transducer, [6] * rows)


def test_ties_do_not_depend_on_the_batch() -> None:
    transducer = NumpyTransducer([0] * 4, [5] * 4, classes=4, blank_bias=0.0)
    transducer.w_out[:] = 0.0
    search = beam(4, size=5, n_best=5, pruning=Pruning())
    together = search.search(transducer, [5] * 4)
    ids = [[each.ids.tolist() for each in in_order(found)] for found in together]
    assert ids == ids[:1] * 4


def test_a_head_of_another_tokenizer_is_an_error() -> None:
    transducer = NumpyTransducer([0], [5], classes=4, blank_bias=0.0)
    with pytest.raises(ModelError, match="7 tokens and a blank need 8"):
        beam(8, size=4, pruning=Pruning()).search(transducer, [5])


class Recording(NumpyTransducer):
    """Notes which labels were fed to which states."""

    def advance(self, states: Any, labels: np.ndarray, index: np.ndarray | None = None) -> Any:
        rows = states.h if index is None else states.h[index]
        self.fed += [(row.tobytes(), label) for row, label in zip(rows, labels, strict=True)]
        return super().advance(states, labels, index)


def test_the_nets_are_asked_once_for_what_they_said() -> None:
    transducer = Recording([3], [12], classes=5, blank_bias=2.0)
    object.__setattr__(transducer, "fed", [])
    beam(5, size=4, cap=3, pruning=Pruning()).search(transducer, [12])
    assert len(set(transducer.fed)) == len(transducer.fed) > 5
