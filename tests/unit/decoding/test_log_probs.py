"""The most probable classes, wherever the log-probabilities lie."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gigaam.decoder import DeviceLogProbs, log_probs_of
from gigaam.decoding.log_probs import ArrayLogProbs

VALUES = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-50, 0, width=32), unique=True)
)


@given(values=VALUES, k=st.integers(1, 10))
def test_top_is_the_head_of_a_sort(values: np.ndarray, k: int) -> None:
    order = np.argsort(-values, axis=-1)[..., :k]
    expected = np.take_along_axis(values, order, axis=-1)
    for log_probs in (ArrayLogProbs(values), DeviceLogProbs(torch.from_numpy(values))):
        assert log_probs.classes == values.shape[-1]
        labels, found = log_probs.top(k)
        np.testing.assert_array_equal(labels, order)
        np.testing.assert_array_equal(found, expected)
        best, best_found = log_probs.best()
        np.testing.assert_array_equal(best, order[..., 0])
        np.testing.assert_array_equal(best_found, expected[..., 0])
        np.testing.assert_array_equal(log_probs.numpy(), values)


def test_of_equal_classes_the_first_is_the_best() -> None:
    labels, _ = ArrayLogProbs(np.zeros((2, 5), np.float32)).best()
    assert labels.tolist() == [0, 0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_values_stay_where_they_are(device: str) -> None:
    kept = log_probs_of(torch.zeros(1, 2, device=device))
    assert isinstance(kept, ArrayLogProbs if device == "cpu" else DeviceLogProbs)
