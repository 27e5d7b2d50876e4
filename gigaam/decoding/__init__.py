"""From probabilities to words: tokenizers, searches, times and confidences."""

from gigaam.decoding.greedy import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.hypotheses import Hypothesis, mean_probability
from gigaam.decoding.nets import Transducer
from gigaam.decoding.options import DecodingOptions
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.searches import build_search, register_search

__all__ = [
    "CTCGreedyDecoding",
    "DecodingOptions",
    "Hypothesis",
    "Pruning",
    "RNNTGreedyDecoding",
    "Transducer",
    "build_search",
    "mean_probability",
    "register_search",
]
