"""CTC beam search against all alignments, against greedy search, and against itself in batches."""

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.decoding.ctc_beam import CTCBeamDecoding
from gigaam.decoding.greedy import CTCGreedyDecoding
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.scoring import JointScorer
from gigaam.errors import ModelError
from tests.scorers import PairScorer, in_order

PLAIN = JointScorer(())
ALL = Pruning.nothing()


def random_log_probs(
    rng: np.random.Generator, frames: int, classes: int, peaks: float = 2.0
) -> NDArray[np.float64]:
    logits = peaks * rng.normal(size=(frames, classes))
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(path) if token != blank)


def over_all_alignments(log_probs: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """The log-probability of every token sequence."""
    frames, classes = log_probs.shape
    found: dict[tuple[int, ...], float] = {}
    for path in product(range(classes), repeat=frames):
        tokens = collapsed(path, classes - 1)
        found[tokens] = np.logaddexp(
            found.get(tokens, -np.inf), log_probs[np.arange(frames), path].sum()
        )
    return found


def best_path(log_probs: NDArray[np.float64], tokens: tuple[int, ...]) -> tuple[int, ...]:
    frames, classes = log_probs.shape
    paths = (
        p for p in product(range(classes), repeat=frames) if collapsed(p, classes - 1) == tokens
    )
    return max(paths, key=lambda path: log_probs[np.arange(frames), path].sum())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scorer", [PLAIN, PairScorer(3, seed=5)], ids=["plain", "scored"])
def test_scores_are_those_of_all_alignments(seed: int, scorer: JointScorer) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 5, 4)
    wanted = {
        tokens: score + scorer.total(tokens) if isinstance(scorer, PairScorer) else score
        for tokens, score in over_all_alignments(log_probs).items()
    }
    search = CTCBeamDecoding(scorer, beam_size=len(wanted) + 3, n_best=10_000, pruning=ALL)
    (found,) = search.search(log_probs[None], [5])
    every = in_order(found)
    assert {tuple(each.ids.tolist()): each.score for each in every} == pytest.approx(wanted)
    assert len(every) == len(wanted)
    scores = [each.score for each in every]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_tokens_lie_where_the_best_path_has_them(seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 5, 4)
    (found,) = CTCBeamDecoding(PLAIN, 500, 40, ALL).search(log_probs[None], [5])
    for each in in_order(found):
        path = best_path(log_probs, tuple(each.ids.tolist()))
        runs = [(k, [i for i, _ in g]) for k, g in groupby(enumerate(path), key=lambda p: p[1])]
        runs = [run for run in runs if run[0] != 3]
        assert each.frames.tolist() == [frames[0] for _, frames in runs]
        peaks = [max(log_probs[i, token] for i in frames) for token, frames in runs]
        assert each.log_probs == pytest.approx(peaks)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5), st.floats(0.5, 8))
def test_never_below_greedy(seed: int, frames: int, beam_size: int, peaks: float) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), frames, 5, peaks)
    (greedy,) = CTCGreedyDecoding("абвг").search(log_probs[None].astype(np.float32), [frames])
    path_score = log_probs.max(-1).sum()
    wide = CTCBeamDecoding(PLAIN, 64 * beam_size, 1, ALL)
    (found,) = wide.search(log_probs[None], [frames])
    assert found.score >= path_score - 1e-6
    if found.ids.tolist() == greedy.ids.tolist():
        assert found.frames.tolist() == greedy.frames.tolist()
        assert found.log_probs.tolist() == greedy.log_probs.tolist()


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 25), min_size=1, max_size=5))
def test_a_batch_gives_what_each_gives_alone(seed: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, len(lengths) * 25, 6, 6).reshape(len(lengths), 25, 6)
    search = CTCBeamDecoding(PairScorer(5, seed=1), 4, 3, Pruning(blank=0.9))
    together = search.search(log_probs, lengths)
    for row, length in enumerate(lengths):
        (alone,) = search.search(log_probs[row : row + 1, :length], [length])
        assert len(alone.alternatives) == len(together[row].alternatives)
        for mine, other in zip(in_order(alone), in_order(together[row]), strict=True):
            assert mine.ids.tolist() == other.ids.tolist()
            assert mine.frames.tolist() == other.frames.tolist()
            assert mine.score == pytest.approx(other.score)


@given(st.integers(0, 2**32 - 1))
def test_sequences_are_distinct_and_sorted(seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 30, 4, 3)
    (found,) = CTCBeamDecoding(PLAIN, 6, 6, Pruning()).search(log_probs[None], [30])
    every = in_order(found)
    assert len({tuple(each.ids.tolist()) for each in every}) == len(every)
    assert [each.score for each in every] == sorted((e.score for e in every), reverse=True)


def test_frames_of_nothing_but_blank_change_nothing() -> None:
    log_probs = random_log_probs(np.random.default_rng(3), 8, 4, 2)
    silent = np.log(np.array([[1e-9, 1e-9, 1e-9, 1 - 3e-9]]))
    spread = np.insert(log_probs, [2, 2, 5, 8], silent, axis=0)
    (passed,) = CTCBeamDecoding(PLAIN, 50, 5, Pruning(blank=0.999, recombine=False)).search(
        spread[None], [12]
    )
    (heard,) = CTCBeamDecoding(PLAIN, 50, 5, Pruning(blank=1.0, recombine=False)).search(
        spread[None], [12]
    )
    for mine, other in zip(in_order(passed), in_order(heard), strict=True):
        assert mine.ids.tolist() == other.ids.tolist()
        assert mine.frames.tolist() == other.frames.tolist()
        assert mine.score == pytest.approx(other.score, abs=1e-5)


def test_no_frames_and_no_recordings() -> None:
    search = CTCBeamDecoding(PLAIN, 4, 2, Pruning())
    (found,) = search.search(np.zeros((1, 3, 4), np.float32), [0])
    assert found.ids.tolist() == []
    assert found.confidence == 0
    assert search.search(np.zeros((0, 3, 4), np.float32), []) == []


@pytest.mark.parametrize("row", [0, 1, 2])
def test_what_is_no_number_is_an_error(row: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(0), 15, 4).reshape(3, 5, 4)
    log_probs[row, 2] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        CTCBeamDecoding(PLAIN, 4, 1, Pruning()).search(log_probs, [5, 5, 5])
    log_probs[row, 2] = np.log([0.5, 0.3, 0.2, 1e-300])
    log_probs[row, 2, 3] = -np.inf
    log_probs[row, 3] = np.log([1e-9, 1e-9, 1e-9, 1.0])
    together = CTCBeamDecoding(PLAIN, 4, 1, Pruning()).search(log_probs, [5, 5, 5])
    (alone,) = CTCBeamDecoding(PLAIN, 4, 1, Pruning()).search(log_probs[row : row + 1], [5])
    assert together[row].ids.tolist() == alone.ids.tolist()


def test_ties_do_not_depend_on_the_batch() -> None:
    equal = np.full((4, 6, 5), np.log(0.2))
    search = CTCBeamDecoding(PLAIN, 6, 6, Pruning())
    (alone,) = search.search(equal[:1], [6])
    for found in search.search(equal, [6] * 4):
        ids = [each.ids.tolist() for each in in_order(found)]
        assert ids == [each.ids.tolist() for each in in_order(alone)]


def test_a_head_of_another_tokenizer_is_an_error() -> None:
    search = CTCBeamDecoding(PLAIN, 4, 1, Pruning(), blank_id=7)
    with pytest.raises(ModelError, match="7 tokens and a blank need 8"):
        search.search(np.zeros((1, 3, 5), np.float32), [3])


def test_long_lists_are_aligned_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    log_probs = random_log_probs(np.random.default_rng(1), 12, 5, 3)
    search = CTCBeamDecoding(PLAIN, 20, 20, Pruning(blank=0.6))
    (whole,) = search.search(log_probs[None], [12])
    monkeypatch.setattr("gigaam.decoding.alignment._MOST_NUMBERS", 1)
    (sliced,) = search.search(log_probs[None], [12])
    assert len(whole.alternatives) == 19
    for mine, other in zip(in_order(whole), in_order(sliced), strict=True):
        assert mine.frames.tolist() == other.frames.tolist()
        assert mine.log_probs.tolist() == other.log_probs.tolist()


def test_the_scorer_may_outweigh_all_that_was_heard() -> None:
    """Sequences e^1000 apart: neither overflows nor hides the other."""
    log_probs = random_log_probs(np.random.default_rng(2), 6, 4)
    scorer = PairScorer(3, seed=5, spread=500.0)
    wanted = {
        tokens: score + scorer.total(tokens)
        for tokens, score in over_all_alignments(log_probs).items()
    }
    (found,) = CTCBeamDecoding(scorer, 2_000, 2_000, ALL).search(log_probs[None], [6])
    scores = {tuple(each.ids.tolist()): each.score for each in in_order(found)}
    assert scores == pytest.approx(wanted)
