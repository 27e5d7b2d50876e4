"""Results as JSON and back, exactly: Python writes each float so that it is read as the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gigaam.types import Segment, TranscriptionResult, Word

__all__ = ["chunk_from", "chunk_json", "segment_event", "segment_from", "segment_json"]


def chunk_json(result: TranscriptionResult) -> str:
    """The text of a chunk, with its words."""
    return _json(
        {"text": result.text, "confidence": float(result.confidence), "words": _words(result.words)}
    )


def chunk_from(body: str) -> TranscriptionResult:
    """A chunk again, without the tokens behind it."""
    plain = json.loads(body)
    words = None if plain["words"] is None else [Word(*values) for values in plain["words"]]
    return TranscriptionResult(plain["text"], words=words, confidence=plain["confidence"])


def segment_json(segment: Segment) -> str:
    """A segment, with its words."""
    return _json(
        {
            "text": segment.text,
            "start": float(segment.start),
            "end": float(segment.end),
            "words": _words(segment.words),
            "confidence": None if segment.confidence is None else float(segment.confidence),
            "channel": segment.channel,
            "speaker": segment.speaker,
        }
    )


def segment_from(body: str) -> Segment:
    """A segment again."""
    plain = json.loads(body)
    words = None if plain["words"] is None else [Word(*values) for values in plain["words"]]
    return Segment(**{**plain, "words": words})


def segment_event(segment: Segment) -> dict[str, Any]:
    """A segment as events tell it."""
    return {
        **_span(segment),
        "channel": segment.channel,
        "speaker": segment.speaker,
        "words": [_told_word(word) for word in segment.words or ()],
    }


def _span(spoken: Segment | Word) -> dict[str, Any]:
    confidence = spoken.confidence
    return {
        "text": spoken.text,
        "start": round(spoken.start, 3),
        "end": round(spoken.end, 3),
        "confidence": None if confidence is None else round(confidence, 4),
    }


def _told_word(word: Word) -> dict[str, Any]:
    return {**_span(word), **({"overlapped": True} if word.overlapped else {})}


def _words(words: Sequence[Word] | None) -> list[list[Any]] | None:
    return None if words is None else list(map(_values, words))


def _values(word: Word) -> list[Any]:
    """A word's values in their order, up to the last that says anything."""
    values = [word.text, *map(float, (word.start, word.end, word.confidence))]
    if word.speaker is None and not word.overlapped:
        return values
    return [*values, word.speaker, word.overlapped]


def _json(plain: object) -> str:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
