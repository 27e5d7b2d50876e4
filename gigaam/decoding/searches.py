"""Searches by name: what a call's options choose among, and others can be added to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gigaam.decoding.context_graph import ContextGraph
from gigaam.decoding.ctc_beam import CTCBeamDecoding
from gigaam.decoding.greedy import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.hotwords import Phrase
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.options import DecodingOptions
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.rnnt_beam import RNNTBeamDecoding
from gigaam.decoding.scored_greedy import ScoredRNNTGreedyDecoding
from gigaam.decoding.scoring import JointScorer, RememberingScorer
from gigaam.errors import ArgumentError
from gigaam.quoting import brief, some

if TYPE_CHECKING:
    from gigaam.ngrams import NGramModel

__all__ = ["ModelDecoding", "Search", "SearchBuilder", "build_search", "register_search"]

ModelDecoding: TypeAlias = CTCGreedyDecoding | RNNTGreedyDecoding
"""A model's tokenizer, kind of head and limits: its ``decoding``, which is a greedy search."""


class Search(Protocol):
    """Finds tokens in encoded recordings; holds no state of a call, so threads may share it."""

    def find(self, nets: Any, encoded: Any) -> list[Hypothesis]:
        """The tokens of each recording of a batch.

        Args:
            nets: `gigaam.decoding.nets.Emitting` or `gigaam.decoding.nets.Transducing`.
            encoded: What the nets' encoder gave.
        """


SearchBuilder: TypeAlias = Callable[[ModelDecoding, DecodingOptions], Search]
"""Makes the search that options describe for a model.

Raises:
    ArgumentError: An option makes no sense for such a model.
"""


def _greedy(decoding: ModelDecoding, options: DecodingOptions) -> Search:
    if not options.is_greedy:
        raise ArgumentError('hotwords, a language model and a beam need search="beam"')
    if options.max_symbols_per_step is None:
        return decoding
    limited = copy(_checked(decoding, options))
    limited.max_symbols_per_step = options.max_symbols_per_step  # type: ignore[union-attr]
    return limited


def _beam(decoding: ModelDecoding, options: DecodingOptions) -> Search:
    parts = list(_scorers(decoding, options))
    scorer = JointScorer(parts)
    size, pruning = options.kept(_checked(decoding, options).head), options.pruning or Pruning()
    options.check_n_best(size)
    if isinstance(decoding, CTCGreedyDecoding):
        return CTCBeamDecoding(scorer, size, options.n_best, pruning, decoding.blank_id)
    most = options.max_symbols_per_step or decoding.max_symbols_per_step
    if size == 1 and parts:
        remembering = parts[0] if len(parts) == 1 else RememberingScorer(scorer)
        return ScoredRNNTGreedyDecoding(decoding.blank_id, remembering, most, pruning)
    return RNNTBeamDecoding(decoding.blank_id, scorer, size, options.n_best, most, pruning)


def _checked(decoding: ModelDecoding, options: DecodingOptions) -> ModelDecoding:
    if options.max_symbols_per_step is not None and isinstance(decoding, CTCGreedyDecoding):
        raise ArgumentError("max_symbols_per_step is for RNN-T models; this one has a CTC head")
    return decoding


def _scorers(decoding: ModelDecoding, options: DecodingOptions) -> Iterator[RememberingScorer]:
    """What the options add to the nets' scores."""
    if options.lm is not None:
        from gigaam.ngrams import shared

        weight = _LM_WEIGHT if options.lm_weight is None else options.lm_weight
        bonus = _WORD_BONUS if options.word_bonus is None else options.word_bonus
        yield _shared_lm_scorer(decoding, shared(options.lm), weight, bonus)
    if options.phrases:
        weight = _HOTWORD_WEIGHT if options.hotword_weight is None else options.hotword_weight
        scorer, unspellable = _shared_graph(decoding, options.phrases, options.inflect, weight)
        if unspellable:
            warnings.warn(
                f"this model's vocabulary cannot spell the hotwords {some(unspellable)}: "
                "they are left out",
                stacklevel=2,
            )
        yield scorer


# Chosen on development recordings, see dev/LOG.md.
_LM_WEIGHT, _WORD_BONUS = 0.5, 0.5
_HOTWORD_WEIGHT = 1.0


@lru_cache(maxsize=4)  # what was asked in one call is asked in the next
def _shared_lm_scorer(
    decoding: ModelDecoding, lm: NGramModel, weight: float, bonus: float
) -> RememberingScorer:
    from gigaam.decoding.language_model import language_model_scorer

    return RememberingScorer(language_model_scorer(decoding.tokenizer, lm, weight, bonus))


@lru_cache(maxsize=16)  # a graph of a thousand phrases takes longer to build than to use
def _shared_graph(
    decoding: ModelDecoding, phrases: tuple[Phrase, ...], inflected: bool, weight: float
) -> tuple[RememberingScorer, tuple[str, ...]]:
    """The scorer of hotwords, and those that cannot be spelled."""
    if inflected:
        from gigaam.decoding.inflection import inflect

        phrases = inflect(phrases)
    graph = ContextGraph(decoding.tokenizer, phrases, weight)
    return RememberingScorer(graph), graph.unspellable


_BUILDERS: dict[str, SearchBuilder] = {"greedy": _greedy, "beam": _beam}


def register_search(name: str, builder: SearchBuilder) -> None:
    """Makes ``DecodingOptions(search=name)`` mean what is built like this."""
    _BUILDERS[name] = builder


def build_search(decoding: ModelDecoding, options: DecodingOptions | None = None) -> Search:
    """The search that options describe, for a model.

    Args:
        decoding: The model's own.
        options: By default, the model's own search.

    Raises:
        ArgumentError: There is no such search, or not for this model.
    """
    options = DecodingOptions() if options is None else options
    if not isinstance(options, DecodingOptions):
        raise ArgumentError(f"decoding must be DecodingOptions, not {brief(options)}")
    name = options.search or ("greedy" if options.is_greedy else "beam")
    if name not in _BUILDERS:
        raise ArgumentError(f"no search is called {name!r}; there are {', '.join(_BUILDERS)}")
    return _BUILDERS[name](decoding, options)
