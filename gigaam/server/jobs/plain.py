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
        "words": [_span(word) for word in segment.words or ()],
    }


def _span(spoken: Segment | Word) -> dict[str, Any]:
    confidence = spoken.confidence
    return {
        "text": spoken.text,
        "start": round(spoken.start, 3),
        "end": round(spoken.end, 3),
        "confidence": None if confidence is None else round(confidence, 4),
    }


def _words(words: Sequence[Word] | None) -> list[list[Any]] | None:
    if words is None:
        return None
    return [[each.text, *map(float, (each.start, each.end, each.confidence))] for each in words]


def _json(plain: object) -> str:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
