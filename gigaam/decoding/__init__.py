"""From probabilities to words: tokenizers, searches, times and confidences."""

from gigaam.decoding.greedy import (
    CTCGreedyDecoding,
    Hypothesis,
    RNNTGreedyDecoding,
    Transducer,
    mean_probability,
)

__all__ = [
    "CTCGreedyDecoding",
    "Hypothesis",
    "RNNTGreedyDecoding",
    "Transducer",
    "mean_probability",
]
