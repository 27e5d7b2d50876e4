"""Searches by name: what a call's options choose among, and others can be added to."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Protocol, TypeAlias

from gigaam.decoding.greedy import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.options import DecodingOptions
from gigaam.errors import ArgumentError

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
    if options.max_symbols_per_step is None:
        return decoding
    if isinstance(decoding, CTCGreedyDecoding):
        raise ArgumentError("max_symbols_per_step is for RNN-T models; this one has a CTC head")
    limited = copy(decoding)
    limited.max_symbols_per_step = options.max_symbols_per_step
    return limited


_BUILDERS: dict[str, SearchBuilder] = {"greedy": _greedy}


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
    options = options or DecodingOptions()
    name = options.search or "greedy"
    if name not in _BUILDERS:
        raise ArgumentError(f"no search is called {name!r}; there are {', '.join(_BUILDERS)}")
    return _BUILDERS[name](decoding, options)
