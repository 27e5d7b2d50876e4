"""Segments by phrases: what is recognised in a chunk, cut where its speaker pauses.

Chunks are made for the models: turns of one speaker minutes apart are in different ones, turns some
seconds apart are not. Phrases are made for readers: on two channels they take turns. No segment
mixes speakers, whatever it is made for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, TypeAlias

from gigaam.errors import ArgumentError
from gigaam.types import Segment, Word, speaker_turns

__all__ = [
    "DEFAULT_MAX_PAUSE_S",
    "Segments",
    "in_phrases",
    "in_turns",
    "joint_confidence",
    "pause_limit_s",
]

Segments: TypeAlias = Literal["chunks", "phrases"]

DEFAULT_MAX_PAUSE_S = 1.0
"""As in subtitles. The ends of words are heard a little early, so that less is a real pause."""


def pause_limit_s(segments: Segments | None, max_pause: float | None, is_split: bool) -> float:
    """The pause that ends a segment, in seconds; infinity where segments are chunks.

    Args:
        segments: What was asked for, if anything.
        max_pause: The pause that was asked for, if any, in seconds.
        is_split: Whether each channel is recognised by itself, and segments are phrases if
            nothing was asked for.

    Raises:
        ArgumentError: They make no sense, or not together.
    """
    if segments not in (None, "chunks", "phrases"):
        raise ArgumentError(f'segments must be "chunks" or "phrases", not {segments!r}')
    in_chunks = segments == "chunks" or (segments is None and not is_split)
    if max_pause is None:
        return math.inf if in_chunks else DEFAULT_MAX_PAUSE_S
    if in_chunks:
        raise ArgumentError(
            f'max_pause={max_pause!r} is for segments="phrases"; here segments are "chunks"'
        )
    is_number = isinstance(max_pause, (int, float)) and not isinstance(max_pause, bool)
    if not (is_number and 0 < max_pause < math.inf):
        raise ArgumentError(f"max_pause must be seconds, above 0, not {max_pause!r}")
    return max_pause


def in_phrases(segment: Segment, max_pause_s: float) -> list[Segment]:
    """The phrases of a segment, each from the start of its first word to the end of its last.

    Args:
        segment: With its words; without any it is a phrase as it stands.
        max_pause_s: A pause this long ends a phrase, and so does another speaker.
    """
    return [
        phrase for turn in in_turns(segment) for phrase in _in_phrases_of_one(turn, max_pause_s)
    ]


def _in_phrases_of_one(segment: Segment, max_pause_s: float) -> list[Segment]:
    words = segment.words
    if not words:
        return [segment]
    phrases = list(_stretches(words, max_pause_s))
    if len(phrases) == 1:
        whole = segment.text.strip()
        return [replace(segment, text=whole, start=words[0].start, end=words[-1].end)]
    return [_part(segment, phrase) for phrase in phrases]


def in_turns(segment: Segment) -> list[Segment]:
    """What each speaker says in a segment, one after the other.

    Args:
        segment: Where its words have no speakers, or all the same one, it stays whole.
    """
    turns = speaker_turns(segment.words or ())
    if len(turns) > 1:
        return [
            _part(replace(segment, speaker=who or segment.speaker), said) for who, said in turns
        ]
    if turns and turns[0][0] is not None:
        return [replace(segment, speaker=turns[0][0])]
    return [segment]


def _part(segment: Segment, words: list[Word]) -> Segment:
    """The part of a segment that consists of these words."""
    return replace(
        segment,
        text=" ".join(word.text for word in words),
        start=words[0].start,
        end=words[-1].end,
        words=words,
        confidence=joint_confidence(words),
    )


def joint_confidence(words: Sequence[Word]) -> float:
    """The geometric mean of the words' confidences by length, close to that of their tokens."""
    total = sum(len(word.text) for word in words)
    if not total:
        return 0.0
    logs = (len(word.text) * math.log(max(word.confidence, 1e-30)) for word in words)
    return min(1.0, math.exp(sum(logs) / total))


def _stretches(words: list[Word], max_pause_s: float) -> Iterator[list[Word]]:
    """The words between pauses."""
    begin = 0
    for index, (word, following) in enumerate(pairwise(words), start=1):
        if following.start - word.end >= max_pause_s:
            yield words[begin:index]
            begin = index
    yield words[begin:]
