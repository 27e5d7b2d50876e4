"""What a call says about the search."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gigaam.decoding.hotwords import HotwordSource, Phrase, read_hotwords
from gigaam.decoding.pruning import Pruning
from gigaam.errors import ArgumentError
from gigaam.quoting import brief

if TYPE_CHECKING:
    from gigaam.ngrams import NGramModel

__all__ = ["DecodingOptions", "LanguageModelSource", "with_words"]

LanguageModelSource: TypeAlias = "str | os.PathLike[str] | NGramModel"
"""A language model: "packaged", its file, or what `gigaam.ngrams.load` gave."""

_MOST_WEIGHT = 100.0


@dataclass(frozen=True)
class DecodingOptions:
    """How tokens are searched for; what is None is as the model has it, or as its task goes best.

    Without a beam, a language model and hotwords the search is greedy. Confidences of words and
    results are the nets' own in every search: neither a language model nor a hotword raises them.

    Attributes:
        search: Name of a search, see `gigaam.decoding.searches`; by default the one that the other
            options ask for.
        max_symbols_per_step: Most tokens that an RNN-T model emits at one frame.
        beam_size: Token sequences kept after each frame; by default 8 with hotwords or a language
            model (16 with the latter for CTC models), and otherwise 1.
        n_best: Sequences returned, see `gigaam.TranscriptionResult.alternatives`.
        lm: An n-gram language model: "packaged", the file of one such as `gigaam lm` makes, or
            what `gigaam.ngrams.load` gave.
        lm_weight: Of its log-probabilities beside those of the nets, from 0 to 100, by default 0.5.
        word_bonus: Added to the score for each word, in natural logarithms, from -100 to 100, by
            default 0.5: makes up for what a language model takes from long texts.
        hotwords: Words and phrases to expect, in Russian spelling: an iterable of them, a mapping
            to weights, or a file with a phrase per line and an optional ``:weight``. Without any
            in it, it is as if it were not given.
        hotword_weight: How much they are preferred, from 0 to 100, by default 1.
        inflect: Whether their case forms are expected, too (needs ``gigaam[inflect]``).
        pruning: What a beam search leaves untried.
    """

    search: str | None = None
    max_symbols_per_step: int | None = None
    beam_size: int | None = None
    n_best: int = 1
    lm: LanguageModelSource | None = None
    lm_weight: float | None = None
    word_bonus: float | None = None
    hotwords: HotwordSource | None = None
    hotword_weight: float | None = None
    inflect: bool = False
    pruning: Pruning | None = None

    def __post_init__(self) -> None:
        for name in ("max_symbols_per_step", "beam_size", "n_best"):
            value = getattr(self, name)
            optional = value is None and name != "n_best"
            if not optional and not (_is_whole(value) and value >= 1):
                raise ArgumentError(f"{name} must be a whole number from 1, not {brief(value)}")
        for name, least in (("lm_weight", 0), ("word_bonus", -_MOST_WEIGHT), ("hotword_weight", 0)):
            value = getattr(self, name)
            if value is not None and not _is_within(value, least, _MOST_WEIGHT):
                raise ArgumentError(
                    f"{name} must be a number from {least:g} to {_MOST_WEIGHT:g}, "
                    f"not {brief(value)}"
                )
        self._check_types()
        self._check_together()
        if self.hotwords is not None:
            object.__setattr__(self, "hotwords", read_hotwords(self.hotwords))

    def _check_types(self) -> None:
        for name, kind, wanted in (
            ("search", str | None, "the name of a search"),
            ("inflect", bool, "True or False"),
            ("pruning", Pruning | None, "a Pruning"),
        ):
            if not isinstance(getattr(self, name), kind):
                raise ArgumentError(f"{name} must be {wanted}, not {brief(getattr(self, name))}")
        if not isinstance(self.lm, str | os.PathLike | None) or self.lm == "":
            from gigaam.ngrams import NGramModel

            if not isinstance(self.lm, NGramModel):
                raise ArgumentError(
                    f'lm must be "packaged", the path of a language model or an opened one, '
                    f"not {brief(self.lm)}"
                )

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
        self.check_n_best(max(self.kept("ctc"), self.kept("rnnt")))
        if self.pruning is not None and self.is_greedy and self.search in (None, "greedy"):
            raise ArgumentError("pruning is for a beam search: give a beam_size over 1")

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """The hotwords as they were read."""
        return self.hotwords or ()  # type: ignore[return-value]

    @property
    def is_greedy(self) -> bool:
        """Whether the nets alone decide, token by token."""
        return self.beam_size in (None, 1) and not self.phrases and self.lm is None

    def check_n_best(self, kept: int) -> None:
        """Raises if a beam of that size is too small for the sequences to return."""
        if self.n_best > kept:
            raise ArgumentError(
                f"{self.n_best} best sequences need a beam_size of {self.n_best} or more, "
                f"not {kept}"
            )

    def kept(self, head: Literal["ctc", "rnnt"]) -> int:
        """The beam's size for a model with such a head."""
        if self.beam_size is not None:
            return self.beam_size
        if self.lm is not None and head == "ctc":  # where the nets know least of words
            return 16
        return 1 if self.is_greedy else 8


def with_words(
    decoding: DecodingOptions | None,
    hotwords: HotwordSource | None,
    lm: LanguageModelSource | None,
) -> DecodingOptions | None:
    """Options with the hotwords and the language model that a call names beside them.

    Raises:
        ArgumentError: The options name such already.
    """
    named = {"hotwords": hotwords, "lm": lm}
    given: dict[str, Any] = {name: each for name, each in named.items() if each is not None}
    if not given:
        return decoding
    decoding = decoding or DecodingOptions()
    for name in given:
        if getattr(decoding, name) is not None:
            raise ArgumentError(f"{name} is given twice: by itself and in decoding")
    return replace(decoding, **given)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_within(value: Any, least: float, most: float) -> bool:
    """Whether it is a number in a range, which NaN is not."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and least <= value <= most
