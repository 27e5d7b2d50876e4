"""What a beam leaves untried: numbers, and such as make sense."""

from typing import Any

import pytest

from gigaam.decoding import DecodingOptions, Pruning
from gigaam.errors import ArgumentError


@pytest.mark.parametrize("name", ["beam_threshold", "token_threshold", "tokens", "blank"])
@pytest.mark.parametrize("value", ["7", float("nan"), True, None, 0, -1])
def test_limits_are_numbers_in_their_ranges(name: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{name} must be"):
        Pruning(**{name: value})


def test_so_many_tokens_are_a_whole_number() -> None:
    with pytest.raises(ArgumentError, match=r"tokens must be at least 1, not 2\.5"):
        Pruning(tokens=2.5)  # type: ignore[arg-type]


def test_a_beam_of_one_may_be_pruned() -> None:
    pruned = DecodingOptions(search="beam", beam_size=1, pruning=Pruning(blank=1))
    assert pruned.pruning == Pruning(blank=1.0)
    with pytest.raises(ArgumentError, match="beam_size over 1"):
        DecodingOptions(search="greedy", pruning=Pruning())
