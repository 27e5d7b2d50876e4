"""What a beam search leaves untried."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gigaam.errors import ArgumentError
from gigaam.quoting import brief

__all__ = ["NOT_NUMBERS", "Pruning"]

NOT_NUMBERS = "the nets gave log-probabilities that are no numbers: nothing can be searched for"

_BONUS = 100.0


@dataclass(frozen=True)
class Pruning:
    """Limits of a beam search; what they cut off is improbable, and most of the work.

    Attributes:
        beam_threshold: A sequence goes whose score lies this much below the best one's, in natural
            logarithms.
        token_threshold: A token is not tried that is this much less probable than the frame's best
            class, in natural logarithms.
        tokens: Most tokens tried for each sequence at a frame.
        blank: A frame is passed over whose blank is at least this probable, unless a hotword is
            under way.
        recombine: Of sequences that their last few tokens, hotwords and a language model do not
            tell apart, only the best goes on. Among the alternatives of a result they are all the
            same, with scores that are estimates.
    """

    beam_threshold: float = 10.0
    token_threshold: float = 7.0
    tokens: int = 12
    blank: float = 0.999
    recombine: bool = True

    def __post_init__(self) -> None:
        for name in ("beam_threshold", "token_threshold"):
            value = getattr(self, name)
            if not _is_number(value) or not value > 0:  # NaN is refused, too
                raise ArgumentError(f"{name} must be a number over 0, not {brief(value)}")
        if not _is_number(self.tokens) or isinstance(self.tokens, float) or self.tokens < 1:
            raise ArgumentError(f"tokens must be at least 1, not {brief(self.tokens)}")
        if not isinstance(self.recombine, bool):
            raise ArgumentError(f"recombine must be True or False, not {brief(self.recombine)}")
        if not _is_number(self.blank) or not 0.5 < self.blank <= 1:
            raise ArgumentError(f"blank must be a probability over 0.5, not {brief(self.blank)}")

    @property
    def blank_expecting(self) -> float:
        """What ``blank`` is while a hotword is under way: a bonus makes up for so much."""
        return 1 - (1 - self.blank) / _BONUS

    @classmethod
    def nothing(cls) -> Pruning:
        """Everything is tried: for checking a search, not for speech."""
        return cls(math.inf, math.inf, 1 << 30, 1.0, recombine=False)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
