"""Results in the forms that OpenAI's interface has for them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from gigaam.output.formats import render
from gigaam.server.speakers import letter_of
from gigaam.server.wishes import Wishes
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word

__all__ = [
    "Transcript",
    "answer",
    "delta",
    "diarized_segment",
    "done_event",
    "logprobs",
    "notes",
    "segment_event",
]

_LANGUAGES = {
    "ru": "russian",
    "en": "english",
    "kk": "kazakh",
    "ky": "kyrgyz",
    "uz": "uzbek",
}
_MEDIA_TYPES = {
    "text": "text/plain",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
}
_LEAST_PROBABILITY = 1e-10  # whose logarithm is told


@dataclass(frozen=True)
class Transcript:
    """What was recognised in a recording.

    Attributes:
        text: All of it.
        segments: In order; a short recording is one.
        duration_s: The recording's length.
        model: What recognised it, by the name that clients know.
        language: What is spoken, as an ISO 639-1 code; None if that is not known.
        warnings: What is to be known of the recording: that it is cut short, for instance.
    """

    text: str
    segments: Sequence[Segment]
    duration_s: float
    model: str
    language: str | None = None
    warnings: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        result: TranscriptionResult | LongformTranscriptionResult,
        duration_s: float,
        model: str,
        language: str | None,
        warnings: Sequence[str],
    ) -> Transcript:
        """What a result says, which must have its words."""
        segments: Sequence[Segment]
        if isinstance(result, LongformTranscriptionResult):
            segments, duration_s = result.segments, result.duration
        else:
            segments = _as_segments(result)
        return cls(result.text, segments, duration_s, model, language, warnings)

    @property
    def words(self) -> list[Word]:
        """Those of all segments."""
        return [word for segment in self.segments for word in segment.words or ()]

    @property
    def has_speakers(self) -> bool:
        """Whether it is known who said what."""
        return any(segment.speaker is not None for segment in self.segments)

    @property
    def usage(self) -> dict[str, Any]:
        """What it cost, by OpenAI's names."""
        return {"type": "duration", "seconds": round(self.duration_s, 3)}

    def render(self, format: str) -> str:
        """The text of a file of a format of `gigaam.output.formats`."""
        return render(LongformTranscriptionResult(self.segments, duration=self.duration_s), format)


def answer(transcript: Transcript, wishes: Wishes) -> Response:
    """The answer in the form that was asked for."""
    warnings = _header("x-gigaam-warning", "; ".join(transcript.warnings))
    headers = {**notes(transcript.model, wishes), **warnings}
    wanted = wishes.response_format
    if wanted in _BODIES:
        return JSONResponse(_BODIES[wanted](transcript, wishes), headers=headers)
    if wanted != "text":
        body = transcript.render(wanted)
    else:
        body = transcript.render("txt") if transcript.has_speakers else f"{transcript.text}\n"
    return PlainTextResponse(body, headers=headers, media_type=_MEDIA_TYPES[wanted])


def notes(model: str, wishes: Wishes) -> dict[str, str]:
    """Headers that tell what recognises, and which fields have no effect."""
    ignored = ", ".join(wishes.ignored)
    return {**_header("x-gigaam-model", model), **_header("x-gigaam-ignored", ignored)}


def delta(text: str, is_first: bool, segment: int | None = None) -> dict[str, Any]:
    """The event of further text; all of them together are the text.

    Args:
        text: What is further said.
        is_first: Whether nothing was before.
        segment: The number of the segment that it is of, where segments are told, too.
    """
    told = {"type": "transcript.text.delta", "delta": text if is_first else f" {text}"}
    return told if segment is None else {**told, "segment_id": str(segment)}


def segment_event(segment: Segment, number: int) -> dict[str, Any]:
    """The event of a segment with its words, for streams of verbose_json."""
    return {
        "type": "transcript.text.segment",
        "id": str(number),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        **_confidence(segment.confidence),
        **_who(segment),
        "words": [_word(word) for word in segment.words or ()],
    }


def diarized_segment(segment: Segment, number: int) -> dict[str, Any]:
    """What a speaker says, by OpenAI's names; also the event of it."""
    return {
        "type": "transcript.text.segment",
        "id": str(number),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speaker": letter_of(segment.speaker),
        "text": segment.text,
        **({} if segment.channel is None else {"channel": segment.channel}),
    }


def done_event(transcript: Transcript, wishes: Wishes) -> dict[str, Any]:
    """The last event of a stream."""
    has_told_segments = wishes.response_format in ("verbose_json", "diarized_json")
    tell = _plain_json if has_told_segments else _json
    return {"type": "transcript.text.done", **tell(transcript, wishes)}


def _as_segments(result: TranscriptionResult) -> list[Segment]:
    """A short recording as one segment; none where nothing was said."""
    words = result.words or []
    if not words:
        return []
    return [Segment(result.text, words[0].start, words[-1].end, words, result.confidence)]


def _header(name: str, note: str) -> dict[str, str]:
    """A header of what may be sent in one."""
    plain = " ".join(note[:1000].split()).encode("ascii", "backslashreplace").decode()
    sendable = "".join(filter(str.isprintable, plain))
    return {name: sendable} if sendable else {}


def _json(transcript: Transcript, wishes: Wishes) -> dict[str, Any]:
    told = _plain_json(transcript, wishes)
    if transcript.has_speakers:  # which were asked for
        told["segments"] = _diarized(transcript)
    return told


def _plain_json(transcript: Transcript, wishes: Wishes) -> dict[str, Any]:
    told: dict[str, Any] = {"text": transcript.text, "usage": transcript.usage}
    if transcript.language is not None:
        told["languages"] = [{"code": transcript.language}]
    if wishes.logprobs:
        told["logprobs"] = logprobs(transcript.words)
    if transcript.warnings:
        told["warnings"] = list(transcript.warnings)
    return told


def _diarized(transcript: Transcript) -> list[dict[str, Any]]:
    return [diarized_segment(each, n) for n, each in enumerate(transcript.segments)]


def _diarized_json(transcript: Transcript, wishes: Wishes) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "duration": round(transcript.duration_s, 3),
        **_plain_json(transcript, wishes),
        "segments": _diarized(transcript),
    }


def _verbose_json(transcript: Transcript, wishes: Wishes) -> dict[str, Any]:
    language = transcript.language or "unknown"
    told: dict[str, Any] = {
        "task": "transcribe",
        "language": _LANGUAGES.get(language, language),
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
    }
    if "segment" in wishes.granularities:
        told["segments"] = [_segment(each, n) for n, each in enumerate(transcript.segments)]
    if "word" in wishes.granularities:
        told["words"] = [_word(word) for word in transcript.words]
    told["usage"] = transcript.usage
    if transcript.warnings:
        told["warnings"] = list(transcript.warnings)
    return told


def _segment(segment: Segment, number: int) -> dict[str, Any]:
    """A segment with all the keys that OpenAI's client needs."""
    text = segment.text.encode()
    return {
        "id": number,
        "seek": round(segment.start * 100),  # Whisper's frames of 10 ms
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": _logarithm(segment.confidence),
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 3),
        "no_speech_prob": 0.0,
        **_confidence(segment.confidence),
        **_who(segment),
    }


def _who(segment: Segment) -> dict[str, Any]:
    told = {"channel": segment.channel, "speaker": segment.speaker}
    return {name: value for name, value in told.items() if value is not None}


def _word(word: Word) -> dict[str, Any]:
    told = {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    return {**told, **_confidence(word.confidence), **_speaker(word)}


def _speaker(word: Word) -> dict[str, Any]:
    told = {} if word.speaker is None else {"speaker": word.speaker}
    return {**told, **({"overlapped": True} if word.overlapped else {})}


def _confidence(value: float | None) -> dict[str, float]:
    return {} if value is None else {"confidence": round(value, 4)}


def logprobs(words: Sequence[Word]) -> list[dict[str, Any]]:
    """Words as tokens; a token's probability is its confidence."""
    tokens = [word.text if n == 0 else f" {word.text}" for n, word in enumerate(words)]
    return [
        {"token": token, "bytes": list(token.encode()), "logprob": _logarithm(word.confidence)}
        for token, word in zip(tokens, words, strict=True)
    ]


def _logarithm(probability: float | None) -> float:
    return 0.0 if probability is None else round(math.log(max(probability, _LEAST_PROBABILITY)), 4)


_BODIES = {"json": _json, "verbose_json": _verbose_json, "diarized_json": _diarized_json}
