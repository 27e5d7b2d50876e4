"""What recognition returns: words, texts, segments of a long recording."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, KeysView, Sequence
from dataclasses import Field, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from gigaam.errors import ArgumentError
from gigaam.published.objects import dataclass_fields
from gigaam.time_formats import format_clock, format_time

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas

    from gigaam.decoding import Hypothesis
    from gigaam.output.formats import FormatOptions

__all__ = [
    "LongformTranscriptionResult",
    "Segment",
    "TranscriptionResult",
    "Word",
    "format_clock",
    "format_time",
]

_SHOWN_CHARACTERS = 60  # of a long text in a repr


@dataclass(frozen=True)
class Word:
    """One recognised word.

    Attributes:
        text: The word, without spaces around it.
        start: Where its first token's frame begins, in seconds.
        end: Where its last token's frame ends, in seconds.
        confidence: Geometric mean of its tokens' probabilities, in [0, 1]; 1 where a word was made
            without saying.
        speaker: Who said it; None where speakers were not told apart.
        overlapped: Whether somebody else spoke at the same time, as far as that was noticed.
    """

    text: str
    start: float
    end: float
    confidence: float = 1.0
    speaker: str | None = None
    overlapped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data, ready for ``json.dumps``; the speaker if there is one."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
            **_speaker_of(self),
            **({"overlapped": True} if self.overlapped else {}),
        }


def speaker_turns(words: Iterable[Word]) -> list[tuple[str | None, list[Word]]]:
    """Runs of words by one speaker, each with who it is."""
    return [(who, list(said)) for who, said in groupby(words, lambda word: word.speaker)]


def _speaker_of(spoken: Word | Segment) -> dict[str, Any]:
    return {} if spoken.speaker is None else {"speaker": spoken.speaker}


def _plain_words(words: Sequence[Word] | None) -> list[dict[str, Any]] | None:
    return None if words is None else [word.to_dict() for word in words]


def _given_words(words: list[Word] | None) -> list[Word]:
    if words is None:
        raise ArgumentError("the result has no words: transcribe with word_timestamps=True")
    return words


class TranscriptionResult(str):
    """The recognised text: a ``str`` that also knows its words and how sure the model was.

    Attributes:
        words: The words in order, or None when timestamps were not asked for.
        confidence: Geometric mean of the tokens' probabilities, in [0, 1]; 0 when there is no
            token.
        hypothesis: The tokens behind the text (ids, frames, log-probabilities), or None if there
            were none to keep.
        alternatives: The other texts among the ``n_best`` sequences of a beam search, best first;
            empty if no more than one was asked for.
    """

    words: list[Word] | None
    confidence: float
    hypothesis: Hypothesis | None
    alternatives: tuple[TranscriptionResult, ...]

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]] = dataclass_fields(
        "text", "words", "confidence"
    )

    def __new__(
        cls,
        text: str = "",
        *,
        words: list[Word] | None = None,
        confidence: float = 0.0,
        hypothesis: Hypothesis | None = None,
    ) -> TranscriptionResult:
        """A result; pickle and copy call this with the text alone, then restore the rest."""
        result = super().__new__(cls, text)
        result.words = words
        result.confidence = confidence
        result.hypothesis = hypothesis
        result.alternatives = ()
        return result

    @property
    def text(self) -> str:
        """The text as a plain ``str``."""
        return str.__str__(self)

    @property
    def score(self) -> float | None:
        """What the search ranked it by, in natural logarithms; None if that is not known."""
        return None if self.hypothesis is None else self.hypothesis.score

    def to_dict(self) -> dict[str, Any]:
        """Text, confidence, words and any alternatives as plain data, ready for ``json.dumps``."""
        plain = {
            "text": self.text,
            "confidence": self.confidence,
            "words": _plain_words(self.words),
        }
        if self.alternatives:
            plain["alternatives"] = [
                {**each.to_dict(), "score": each.score} for each in self.alternatives
            ]
        return plain

    def to_dataframe(self) -> pandas.DataFrame:
        """The words as a pandas DataFrame: text, start, end, confidence and any speaker.

        Raises:
            ArgumentError: Timestamps were not asked for.
            MissingDependencyError: pandas is not installed.
        """
        from gigaam.output.tables import frame_of_words

        return frame_of_words(_given_words(self.words))

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        options: FormatOptions | None = None,
    ) -> Path:
        """Write the result to a file and return its path; see `gigaam.output.formats.save`.

        Args:
            path: Where to; an older file is replaced as a whole.
            format: txt, srt, vtt, json or tsv; by default the extension of the path. Where a
                format has times they are the words': ask for ``word_timestamps=True``.
            options: ``SubtitleOptions`` for srt and vtt, ``TextOptions`` for txt.
        """
        from gigaam.output.formats import save  # which imports this module

        return save(self, path, format, options)


@dataclass(frozen=True)
class Segment:
    """One stretch of a long recording with its text.

    Also answers the two keys of the first release: ``segment["transcription"]``,
    ``segment["boundaries"]``, ``dict(segment)``.

    Attributes:
        text: The recognised text.
        start: Where the stretch begins in the recording, in seconds.
        end: Where it ends, in seconds.
        words: Its words, timed from the start of the recording; None when timestamps were not asked
            for.
        confidence: Geometric mean of the tokens' probabilities, in [0, 1]; None if unknown.
        channel: The channel it was spoken on, from 0, where channels were transcribed apart.
        speaker: Who said all of it; None where speakers were not told apart.
    """

    text: str
    start: float
    end: float
    words: list[Word] | None = field(default=None, hash=False)
    confidence: float | None = None
    channel: int | None = None
    speaker: str | None = None

    @property
    def transcription(self) -> str:
        """The text, under the first release's name."""
        return self.text

    @property
    def boundaries(self) -> tuple[float, float]:
        """Start and end in seconds, under the first release's name."""
        return self.start, self.end

    # Not iterable: pandas takes an iterable dataclass for a row of its items, not of its fields.
    __iter__: ClassVar[None] = None

    def _first_form(self) -> dict[str, Any]:
        """The whole of what the first release gave."""
        return {"transcription": self.transcription, "boundaries": self.boundaries}

    @overload
    def __getitem__(self, key: Literal["transcription"], /) -> str: ...
    @overload
    def __getitem__(self, key: Literal["boundaries"], /) -> tuple[float, float]: ...
    @overload
    def __getitem__(self, key: str, /) -> Any: ...
    def __getitem__(self, key: str, /) -> Any:
        """The value of one of the first release's keys."""
        return self._first_form()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._first_form()

    def keys(self) -> KeysView[str]:
        """The first release's keys; with them ``dict(segment)`` works."""
        return self._first_form().keys()

    def items(self) -> ItemsView[str, Any]:
        """The first release's keys and their values."""
        return self._first_form().items()

    def get(self, key: str, default: Any = None) -> Any:
        """The value of one of the first release's keys, or the default for another key."""
        return self._first_form().get(key, default)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain data, ready for ``json.dumps``; the speaker if there is one."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
            "channel": self.channel,
            **_speaker_of(self),
            "words": _plain_words(self.words),
        }


class LongformTranscriptionResult(Sequence[Segment]):
    """The segments of a long recording in order of time: a sequence equal to a list of them."""

    __hash__ = None  # type: ignore[assignment]  # equal to a list, which has no hash
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]] = dataclass_fields("segments", "duration")

    def __init__(
        self,
        segments: Sequence[Segment] = (),
        *,
        duration: float | None = None,
        has_word_timestamps: bool | None = None,
    ) -> None:
        """A result over these segments.

        Args:
            segments: In order of time.
            duration: The recording's length in seconds; by default where the last segment ends.
            has_word_timestamps: Whether they were asked for; by default whether every segment has
                words (none do in a silent recording).
        """
        self._segments = tuple(segments)
        self._duration = duration
        self._has_word_timestamps = has_word_timestamps

    @property
    def segments(self) -> list[Segment]:
        """The segments, as a list of the caller's own."""
        return list(self._segments)

    @property
    def text(self) -> str:
        """The texts of all segments, joined by spaces."""
        return " ".join(text for segment in self._segments if (text := segment.text.strip()))

    @property
    def has_word_timestamps(self) -> bool:
        """Whether `words` are there."""
        if self._has_word_timestamps is not None:
            return self._has_word_timestamps
        return bool(self._segments) and all(s.words is not None for s in self._segments)

    @property
    def words(self) -> list[Word] | None:
        """The words of all segments, or None when timestamps were not asked for."""
        if not self.has_word_timestamps:
            return None
        return [word for segment in self._segments for word in segment.words or ()]

    @property
    def duration(self) -> float:
        """The recording's length in seconds."""
        if self._duration is not None:
            return self._duration
        return max((segment.end for segment in self._segments), default=0.0)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> list[Segment]: ...
    def __getitem__(self, index: int | slice) -> Segment | list[Segment]:
        """One segment, or a list of them for a slice."""
        if isinstance(index, slice):
            return list(self._segments[index])
        return self._segments[index]

    def __len__(self) -> int:
        return len(self._segments)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LongformTranscriptionResult):
            return self._segments == other._segments and self.duration == other.duration
        if isinstance(other, list):
            return list(self._segments) == other
        return NotImplemented

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        """How much there is and how it begins: an hour has thousands of words."""
        text = self.text
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[:_SHOWN_CHARACTERS]}…"
        count, duration = len(self._segments), format_clock(self.duration)
        segments = "1 segment" if count == 1 else f"{count} segments"
        return f"<{type(self).__name__}: {segments}, {duration}, {text!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from gigaam.output.tables import segments_html

        return segments_html(self._segments)

    def to_dataframe(self, rows: Literal["segments", "words"] = "segments") -> pandas.DataFrame:
        """The result as a pandas DataFrame: text, start, end, confidence, channel, any speaker.

        Args:
            rows: "segments" for a row per segment, "words" for a row per word, with the index of
                its segment in the column ``segment``.

        Raises:
            ArgumentError: Timestamps of words were not asked for.
            MissingDependencyError: pandas is not installed.
        """
        from gigaam.output.tables import frame_of_segments, frame_of_their_words

        if rows not in ("segments", "words"):
            raise ArgumentError(f'rows must be "segments" or "words", not {rows!r}')
        if rows == "segments":
            return frame_of_segments(self._segments)
        return frame_of_their_words(self._segments, _given_words(self.words))

    def to_dict(self) -> dict[str, Any]:
        """Text, duration and segments as plain data, ready for ``json.dumps``."""
        return {
            "text": self.text,
            "duration": self.duration,
            "segments": [segment.to_dict() for segment in self._segments],
        }

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        options: FormatOptions | None = None,
    ) -> Path:
        """Write the result to a file and return its path; see `gigaam.output.formats.save`.

        Args:
            path: Where to; an older file is replaced as a whole.
            format: txt, srt, vtt, json or tsv; by default the extension of the path.
            options: ``SubtitleOptions`` for srt and vtt, ``TextOptions`` for txt.
        """
        from gigaam.output.formats import save  # which imports this module

        return save(self, path, format, options)
