"""What a live session tells: text while somebody speaks, and the text once they have spoken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gigaam.types import Segment

__all__ = ["Event", "Final", "Partial", "Reason"]

Reason: TypeAlias = Literal["silence", "blank", "cut", "finish"]
"""Why a final came: the speaker paused; the model heard no word though the detector heard speech;
the utterance was cut where it became too long, and goes on; the sound has ended."""


@dataclass(frozen=True)
class Partial:
    """What is known so far of speech that goes on.

    Its text is ``committed`` and ``tentative`` together, and follows the finals before it. Until
    the next final, ``committed`` is only ever appended to.

    Attributes:
        committed: Words on which the model has settled.
        tentative: Words that may still change.
        start: Where the text begins, in seconds from the start of the stream.
        end: How far the sound was heard for it, in seconds.
        stride: Seconds of sound from one partial to the next: more than the option says where
            decoding does not keep up with it.
        channel: The channel it is spoken on, from 0, where each is recognised by itself.
    """

    committed: str
    tentative: str
    start: float
    end: float
    stride: float
    channel: int | None = None

    @property
    def text(self) -> str:
        """Both parts together."""
        return " ".join(filter(None, (self.committed, self.tentative)))

    def to_dict(self) -> dict[str, Any]:
        """The type "partial" and all fields as plain data, ready for ``json.dumps``."""
        return {
            "type": "partial",
            "committed": self.committed,
            "tentative": self.tentative,
            "start": self.start,
            "end": self.end,
            "stride": self.stride,
            "channel": self.channel,
        }


@dataclass(frozen=True)
class Final:
    """A segment, as ``transcribe_longform`` gives it for the utterance's sound alone.

    Attributes:
        segment: Its times are in seconds from the start of the stream. Its text is empty where an
            utterance has ended of which the last final told all, or of which nothing is left.
        reason: Why it came. A final that is not "cut" is the last one of its utterance.
        utterance: Start and end of the sound, in seconds, of which the segment is a part; of one
            that was cut, as far as it was heard.
    """

    segment: Segment
    reason: Reason
    utterance: tuple[float, float]

    @property
    def channel(self) -> int | None:
        """The channel it was spoken on, from 0, where each is recognised by itself."""
        return self.segment.channel

    def to_dict(self) -> dict[str, Any]:
        """The type "final", the segment's fields and the others, ready for ``json.dumps``."""
        return {
            "type": "final",
            **self.segment.to_dict(),
            "reason": self.reason,
            "utterance": list(self.utterance),
        }


Event: TypeAlias = Partial | Final
