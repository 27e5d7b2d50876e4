"""What a call says about the search."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gigaam.decoding.hotwords import HotwordSource, Phrase, read_hotwords
from gigaam.decoding.pruning import Pruning
from gigaam.errors import ArgumentError

if TYPE_CHECKING:
    from gigaam.ngrams import NGramModel

__all__ = ["DecodingOptions", "with_hotwords"]


@dataclass(frozen=True)
class DecodingOptions:
    """How tokens are searched for; what is None is as the model has it, or as its task goes best.

    Without a beam, a language model and hotwords the search is greedy. Confidences of words and
    results are the nets' own in every search: neither a language model nor a hotword raises them.

    Attributes:
        search: Name of a search, see `gigaam.decoding.searches`; by default the one that the other
            options ask for.
        max_symbols_per_step: Most tokens that an RNN-T model emits at one frame.
        beam_size: Token sequences kept after each frame; by default 1, and 8 with hotwords or
            a language model.
        n_best: Sequences returned, see `gigaam.TranscriptionResult.alternatives`.
        lm: An n-gram language model, such as `gigaam lm` makes: its file, or what
            `gigaam.ngrams.load` gave.
        lm_weight: Of its log-probabilities beside those of the nets.
        word_bonus: Added to the score for each word, in natural logarithms: makes up for what a
            language model takes from long texts.
        hotwords: Words and phrases to expect, in Russian spelling: an iterable of them, a mapping
            to weights, or a file with a phrase per line and an optional ``:weight``.
        hotword_weight: How much they are preferred.
        inflect: Whether their case forms are expected, too (needs ``gigaam[inflect]``).
        pruning: What a beam search leaves untried.
    """

    search: str | None = None
    max_symbols_per_step: int | None = None
    beam_size: int | None = None
    n_best: int = 1
    lm: str | os.PathLike[str] | NGramModel | None = None
    lm_weight: float | None = None
    word_bonus: float | None = None
    hotwords: HotwordSource | None = None
    hotword_weight: float | None = None
    inflect: bool = False
    pruning: Pruning | None = None

    def __post_init__(self) -> None:
        for name in ("max_symbols_per_step", "beam_size", "n_best"):
            value = getattr(self, name)
            if value is not None and (not _is_whole(value) or value < 1):
                raise ArgumentError(f"{name} must be at least 1, not {value!r}")
        weight = self.hotword_weight
        if weight is not None and not 0 <= weight <= 100:  # NaN is refused, too
            raise ArgumentError(f"hotword_weight must be from 0 to 100, not {weight!r}")
        self._check_together()
        if self.hotwords is not None:
            object.__setattr__(self, "hotwords", read_hotwords(self.hotwords))

    def _check_together(self) -> None:
        """Refuses what would do nothing."""
        for name, needed in (
            ("lm_weight", "lm"),
            ("word_bonus", "lm"),
            ("hotword_weight", "hotwords"),
            ("inflect", "hotwords"),
        ):
            if getattr(self, name) not in (None, False) and getattr(self, needed) is None:
                raise ArgumentError(f"{name} means nothing without {needed}")
        if self.n_best > self.kept:
            raise ArgumentError(
                f"{self.n_best} best sequences need a beam_size of {self.n_best} or more, "
                f"not {self.kept}"
            )
        if self.pruning is not None and self.is_greedy and self.search in (None, "greedy"):
            raise ArgumentError("pruning is for a beam search: give a beam_size over 1")

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """The hotwords as they were read."""
        return self.hotwords or ()  # type: ignore[return-value]

    @property
    def is_greedy(self) -> bool:
        """Whether the nets alone decide, token by token."""
        return self.kept == 1 and self.hotwords is None and self.lm is None

    @property
    def kept(self) -> int:
        """The beam's size."""
        if self.beam_size is not None:
            return self.beam_size
        return 1 if self.hotwords is None and self.lm is None else 8


def with_hotwords(
    decoding: DecodingOptions | None, hotwords: HotwordSource | None
) -> DecodingOptions | None:
    """Options with the hotwords that a call names beside them.

    Raises:
        ArgumentError: The options name some already.
    """
    if hotwords is None:
        return decoding
    decoding = decoding or DecodingOptions()
    if decoding.hotwords is not None:
        raise ArgumentError("hotwords are given twice: by themselves and in decoding")
    return replace(decoding, hotwords=hotwords)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
