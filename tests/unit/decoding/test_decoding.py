import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gigaam.decoding import (
    CTCGreedyDecoding,
    Hypothesis,
    RNNTGreedyDecoding,
    mean_probability,
)
from gigaam.errors import ArgumentError, CheckpointError, GigaAMError, ModelError
from tests.examples import examples
from tests.numpy_transducer import NumpyTransducer

ABC = ["a", "b", "c"]


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))).astype(np.float32)


def path_log_probs(path, confident=0.9):
    """Log-probabilities [1, T, 4] whose best path is this one."""
    probs = np.full((1, len(path), 4), (1 - confident) / 3, dtype=np.float32)
    probs[0, np.arange(len(path)), path] = confident
    return np.log(probs)


def collapse_plainly(path, blank):
    ids, frames, previous = [], [], None
    for frame, token in enumerate(path):
        if token != previous and token != blank:
            ids.append(token)
            frames.append(frame)
        previous = token
    return ids, frames


# CTC


def test_ctc_collapses_repeats_and_drops_blanks():
    (found,) = CTCGreedyDecoding(ABC).search(path_log_probs([3, 0, 0, 3, 0, 1, 1, 2, 3]), [9])

    assert found.ids.tolist() == [0, 0, 1, 2]
    assert found.frames.tolist() == [1, 4, 5, 7]
    assert (found.ids.dtype, found.frames.dtype, found.log_probs.dtype) == (
        np.int64,
        np.int64,
        np.float32,
    )


def test_ctc_token_has_the_highest_log_probability_of_its_run():
    log_probs = np.concatenate(
        [path_log_probs([0], 0.6), path_log_probs([0], 0.95), path_log_probs([0], 0.7)], axis=1
    )
    (found,) = CTCGreedyDecoding(ABC).search(log_probs, [3])

    np.testing.assert_allclose(np.exp(found.log_probs), [0.95], rtol=1e-6)
    assert found.confidence == pytest.approx(0.95)


@settings(deadline=None)
@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-4, 4, width=32)))
def test_ctc_path_is_the_most_probable_of_all(logits):
    log_probs = log_softmax(logits)
    paths = itertools.product(range(4), repeat=3)
    scores = {path: sum(log_probs[t, c] for t, c in enumerate(path)) for path in paths}
    best = max(scores.values())
    among_the_best = [
        collapse_plainly(path, 3) for path, score in scores.items() if score >= best - 1e-5
    ]

    (found,) = CTCGreedyDecoding(ABC).search(log_probs[None], [3])

    assert (found.ids.tolist(), found.frames.tolist()) in among_the_best


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_ctc_batch_is_each_recording_alone_whatever_the_padding(paths, random):
    longest = max(map(len, paths))
    padded = [path + [random.randrange(4) for _ in range(longest - len(path))] for path in paths]
    batch = np.concatenate([path_log_probs(path) for path in padded])

    found = CTCGreedyDecoding(ABC).search(batch, np.array([len(path) for path in paths]))

    for path, hypothesis in zip(paths, found, strict=True):
        assert (hypothesis.ids.tolist(), hypothesis.frames.tolist()) == collapse_plainly(path, 3)
        assert len(hypothesis.log_probs) == len(hypothesis)


def test_ctc_without_recordings_or_frames():
    search = CTCGreedyDecoding(ABC).search
    assert search(np.zeros((0, 5, 4), np.float32), []) == []
    (found,) = search(np.zeros((1, 0, 4), np.float32), [0])
    assert len(found) == 0
    assert found.confidence == 0.0


# RNN-T


@settings(deadline=None, max_examples=examples(60))
@given(
    lengths=st.lists(st.integers(0, 17), min_size=1, max_size=6),
    blank_bias=st.sampled_from([-20.0, 0.0, 4.0, 6.0, 8.0]),
    cap=st.integers(1, 4),
    width=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_rnnt_batch_is_a_plain_loop_over_each_recording(lengths, blank_bias, cap, width, seed):
    seeds = list(range(seed, seed + len(lengths)))
    transducer = NumpyTransducer(seeds, lengths, classes=4, blank_bias=blank_bias)
    decoding = RNNTGreedyDecoding(ABC, max_symbols_per_step=cap, block_frames=width)

    found = decoding.search(transducer, lengths)

    for row, (length, hypothesis) in enumerate(zip(lengths, found, strict=True)):
        expected = transducer.search_one(row, length, cap)
        assert hypothesis.ids.tolist() == [label for label, _, _ in expected]
        assert hypothesis.frames.tolist() == [frame for _, frame, _ in expected]
        np.testing.assert_allclose(
            hypothesis.log_probs, [p for _, _, p in expected], rtol=1e-4, atol=1e-6
        )


def test_the_nets_of_these_tests_emit_any_number_of_tokens_at_a_frame():
    """What the property above draws is neither all blank nor all tokens."""
    for bias in (0.0, 4.0, 8.0):
        transducer = NumpyTransducer([1, 2], [200, 200], classes=4, blank_bias=bias)
        per_frame: set[int] = set()
        for row in (0, 1):
            found = transducer.search_one(row, 200, cap=4)
            per_frame.update(np.bincount([frame for _, frame, _ in found]).tolist())
        assert per_frame == {0, 1, 2, 3, 4}


def test_rnnt_that_is_never_blank_emits_ten_tokens_a_frame():
    never_blank = NumpyTransducer([1], [5], classes=4, blank_bias=-20.0)
    (found,) = RNNTGreedyDecoding(ABC).search(never_blank, [5])
    assert found.frames.tolist() == [frame for frame in range(5) for _ in range(10)]


def test_rnnt_recording_gets_the_same_alone_as_in_a_shuffled_batch():
    lengths = [31, 2, 0, 47, 18, 5]
    decoding = RNNTGreedyDecoding(ABC)

    def search(seeds):
        transducer = NumpyTransducer(seeds, [lengths[s] for s in seeds], classes=4, blank_bias=6.0)
        return decoding.search(transducer, [lengths[s] for s in seeds])

    together = dict(zip([3, 0, 5, 2, 4, 1], search([3, 0, 5, 2, 4, 1]), strict=True))
    for seed in range(6):
        (alone,) = search([seed])
        assert together[seed].ids.tolist() == alone.ids.tolist()
        assert together[seed].frames.tolist() == alone.frames.tolist()
        np.testing.assert_allclose(together[seed].log_probs, alone.log_probs, rtol=1e-4, atol=1e-6)


def test_rnnt_steps_over_tokens_and_drops_finished_recordings():
    lengths = [60, 30, 6]
    transducer = NumpyTransducer([1, 2, 3], lengths, classes=4, blank_bias=8.0)
    found = RNNTGreedyDecoding(ABC, block_frames=6).search(transducer, lengths)

    longest_alone = max(len(h) + -(-n // 6) for h, n in zip(found, lengths, strict=True))
    assert len(transducer.joined_rows) <= longest_alone + 1  # all advance in each step
    assert transducer.joined_rows[0] == 3
    assert transducer.joined_rows[-1] == 1
    assert transducer.joined_rows == sorted(transducer.joined_rows, reverse=True)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_rnnt_without_frames_asks_the_nets_nothing(lengths):
    transducer = NumpyTransducer(list(lengths), lengths, classes=4, blank_bias=0.0)
    found = RNNTGreedyDecoding(ABC).search(transducer, np.array(lengths, dtype=np.int32))
    assert [len(hypothesis) for hypothesis in found] == lengths
    assert transducer.joined_rows == []


# Both


def test_confidence_is_the_geometric_mean():
    probabilities = np.array([0.5, 0.9, 0.8], dtype=np.float32)
    hypothesis = Hypothesis(np.arange(3), np.arange(3), np.log(probabilities))
    assert hypothesis.confidence == pytest.approx((0.5 * 0.9 * 0.8) ** (1 / 3))
    assert mean_probability(np.array([1e-7], dtype=np.float32)) == 1.0
    assert mean_probability(np.array([-np.inf], dtype=np.float32)) == 0.0


@pytest.mark.parametrize("decoding", [CTCGreedyDecoding, RNNTGreedyDecoding])
def test_config_keywords_tokenizer_and_blank(decoding):
    built = decoding(vocabulary=ABC, model_path=None)
    assert built.blank_id == len(built.tokenizer) == 3
    assert built.tokenizer.decode([2, 0, 1]) == "cab"
    with pytest.raises(CheckpointError, match="vocabulary"):
        decoding()


def test_head_of_another_model_is_named():
    with pytest.raises(ModelError, match=r"5 classes.* need 4"):
        CTCGreedyDecoding(ABC).search(np.zeros((1, 2, 5), np.float32), [2])
    transducer = NumpyTransducer([0], [3], classes=6, blank_bias=0.0)
    with pytest.raises(ModelError, match=r"6 classes.* need 4"):
        RNNTGreedyDecoding(ABC).search(transducer, [3])


def test_symbol_cap_below_one_is_refused():
    with pytest.raises(ArgumentError, match=r"max_symbols_per_step.*0") as caught:
        RNNTGreedyDecoding(ABC, max_symbols_per_step=0)
    assert isinstance(caught.value, GigaAMError)
    assert isinstance(caught.value, ValueError)
