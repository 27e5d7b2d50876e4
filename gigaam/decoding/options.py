"""What a call says about the search."""

from __future__ import annotations

from dataclasses import dataclass

from gigaam.errors import ArgumentError

__all__ = ["DecodingOptions"]


@dataclass(frozen=True)
class DecodingOptions:
    """How tokens are searched for; what is None is as the model has it.

    Attributes:
        search: Name of a search, see `gigaam.decoding.searches`; by default the greedy one.
        max_symbols_per_step: Most tokens that an RNN-T model emits at one frame.
    """

    search: str | None = None
    max_symbols_per_step: int | None = None

    def __post_init__(self) -> None:
        limit = self.max_symbols_per_step
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ArgumentError(f"max_symbols_per_step must be at least 1, not {limit!r}")
