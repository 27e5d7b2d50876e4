"""Transcripts as files: txt, srt, vtt, json and tsv.

    render(result, "srt")                 the text of such a file
    save(result, "lecture.srt")           the file; result.save("lecture.srt") is the same
    FORMATS["srt"].summary                the table behind both

A result is what recognition returns: the segments of a long recording (also a plain list of them,
or the iterator of ``iter_longform``), or the text of a short one, which srt, vtt and tsv take only
with its words, because times come from them. Files are UTF-8 with Unix line ends. Segments without
text are left out everywhere but in json; segments in no order of time are put in order.
"""

from __future__ import annotations

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from gigaam.errors import ArgumentError
from gigaam.output.subtitles import Cue, Speech, SubtitleOptions, lay_out, milliseconds
from gigaam.output.whole_file import write_whole
from gigaam.time_formats import format_clock
from gigaam.types import (
    LongformTranscriptionResult,
    Segment,
    TranscriptionResult,
    Word,
    speaker_turns,
)

Transcript: TypeAlias = "TranscriptionResult | LongformTranscriptionResult | Iterable[Segment]"
"""What can be written."""


@dataclass(frozen=True)
class TextOptions:
    """How txt files are written.

    Attributes:
        timestamps: Begin each line with the segment's start and end, ``[M:SS.d - M:SS.d] ``.
        speakers: Names of the channels, from channel 0, for what has no speaker of its own. Others
            are "channel 0", "channel 1" …
    """

    timestamps: bool = False
    speakers: tuple[str, ...] = ()


FormatOptions: TypeAlias = "TextOptions | SubtitleOptions"


class Writer(ABC):
    """Makes the text of a file of one format out of results.

    Attributes:
        name: What the format is called, which is also the extension of its files.
        summary: The format in a few words.
        options_type: The options it takes; None if it has none.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[TextOptions] | type[SubtitleOptions] | None] = None

    def __init__(self, options: FormatOptions | None = None) -> None:
        """A writer with these options, by default the format's own."""
        accepted = self.options_type
        if options is not None and (accepted is None or not isinstance(options, accepted)):
            takes = f"takes {accepted.__name__}" if accepted else "has no options"
            raise ArgumentError(f"{self.name} {takes}, not {type(options).__name__}")

    @abstractmethod
    def render(self, result: Transcript) -> str:
        """The text of the file."""


class TextWriter(Writer):
    """One segment per line, ``[speaker] `` before it; channels transcribed apart are speakers."""

    name = "txt"
    summary = "plain text, one segment per line"
    options_type = TextOptions

    def __init__(self, options: FormatOptions | None = None) -> None:
        super().__init__(options)
        self._options = options if isinstance(options, TextOptions) else TextOptions()

    def render(self, result: Transcript) -> str:
        """The lines; a short recording is one, or one for each turn of a speaker."""
        if (
            isinstance(result, TranscriptionResult)
            and not self._options.timestamps
            and not any(word.speaker for word in result.words or ())
        ):
            text = _one_line(result.text)
            return f"{text}\n" if text else ""
        return "".join(map(self._line, _spoken_segments(result)))

    def _line(self, segment: Segment) -> str:
        line = _bracketed_speaker(segment, self._options.speakers) + _one_line(segment.text)
        if self._options.timestamps:
            line = f"[{format_clock(segment.start)} - {format_clock(segment.end)}] {line}"
        return f"{line}\n"


class SrtWriter(Writer):
    """SubRip subtitles; ``[speaker] ``, or ``[channel 0] ``, before what one speaker says.

    SubRip has no escapes: only what would break the file itself is replaced (``-->`` by an arrow).
    """

    name = "srt"
    summary = "SubRip subtitles"
    options_type = SubtitleOptions

    def __init__(self, options: FormatOptions | None = None) -> None:
        super().__init__(options)
        self._options = options if isinstance(options, SubtitleOptions) else SubtitleOptions()

    def render(self, result: Transcript) -> str:
        """The numbered cues, a blank line between them."""

        def prefix_length(segment: Segment) -> int:
            return len(_bracketed_speaker(segment, self._options.speakers))

        cues = lay_out(_segments(result), self._options, prefix_length=prefix_length)
        return "\n".join(self._block(number, cue) for number, cue in enumerate(cues, start=1))

    def _block(self, number: int, cue: Cue) -> str:
        text = "\n".join(
            _bracketed_speaker(speech, self._options.speakers) + "\n".join(speech.lines)
            for speech in cue.speeches
        ).replace("-->", "→")
        return f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n"


class VttWriter(Writer):
    """WebVTT subtitles; speakers are voices: ``<v speaker>``, or ``<v channel 0>``."""

    name = "vtt"
    summary = "WebVTT subtitles, for web players"
    options_type = SubtitleOptions

    def __init__(self, options: FormatOptions | None = None) -> None:
        super().__init__(options)
        self._options = options if isinstance(options, SubtitleOptions) else SubtitleOptions()

    def render(self, result: Transcript) -> str:
        """The header and the cues, a blank line between them."""
        cues = lay_out(_segments(result), self._options)
        return "\n".join(["WEBVTT\n", *map(self._block, cues)])

    def _block(self, cue: Cue) -> str:
        text = "\n".join(map(self._voice, cue.speeches))
        return f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n"

    def _voice(self, speech: Speech) -> str:
        text = _escaped("\n".join(speech.lines))
        speaker = _speaker(speech, self._options.speakers)
        return f"<v {_escaped(speaker)}>{text}</v>" if speaker else text


class JsonWriter(Writer):
    """All that is known, as the result's ``to_dict()`` has it; times in seconds."""

    name = "json"
    summary = "everything: text, times, words, confidences"

    def render(self, result: Transcript) -> str:
        """One object, indented; letters are written as they are."""
        if not isinstance(result, (TranscriptionResult, LongformTranscriptionResult)):
            result = LongformTranscriptionResult(_segments(result))
        try:
            content = json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        except ValueError as error:
            raise ArgumentError(f"JSON cannot hold the result: {error}") from error
        return f"{content}\n"


class TsvWriter(Writer):
    """A table with the columns start, end and text, times in whole milliseconds.

    The columns that openai-whisper writes, and two more where any segment has one: channel (from
    0) and speaker. A text with a quotation mark is quoted as in CSV, so that spreadsheets and
    pandas read it back; tabs and line ends become spaces.
    """

    name = "tsv"
    summary = "a table: start and end in milliseconds, text"

    def render(self, result: Transcript) -> str:
        """The header and a row per segment."""
        segments = _spoken_segments(result)
        labels = [
            name
            for name in ("channel", "speaker")
            if any(getattr(segment, name) is not None for segment in segments)
        ]
        table = io.StringIO()
        rows = csv.writer(table, dialect="excel-tab", lineterminator="\n")
        rows.writerow(["start", "end", "text", *labels])
        for segment in segments:
            start, end = milliseconds(segment.start), milliseconds(segment.end)
            label = {"channel": segment.channel, "speaker": _one_line(segment.speaker or "")}
            rows.writerow([start, end, _one_line(segment.text), *(label[name] for name in labels)])
        return table.getvalue()


FORMATS: Mapping[str, type[Writer]] = MappingProxyType(
    {writer.name: writer for writer in (TextWriter, SrtWriter, VttWriter, JsonWriter, TsvWriter)}
)
"""The writer of each format, by name."""


def render(result: Transcript, format: str, options: FormatOptions | None = None) -> str:
    """The text of a file of this format.

    Args:
        result: What recognition returned; an iterator of segments is used up.
        format: A name of :data:`FORMATS`.
        options: :class:`SubtitleOptions` for srt and vtt, :class:`TextOptions` for txt.
    """
    writer = FORMATS.get(format.lower())
    if writer is None:
        raise ArgumentError(f"'{format}' is not a format; there are {', '.join(FORMATS)}")
    return writer(options).render(result)


def save(
    result: Transcript,
    path: str | os.PathLike[str],
    format: str | None = None,
    options: FormatOptions | None = None,
) -> Path:
    """Write the result to a file, whole or not at all, and return its path.

    At no moment, whatever happens, is there half a file under this name.

    Args:
        result: What recognition returned; an iterator of segments is used up.
        path: Where to; the directory must be there.
        format: A name of :data:`FORMATS`; by default the extension of the path.
        options: :class:`SubtitleOptions` for srt and vtt, :class:`TextOptions` for txt.
    """
    path = Path(path)
    if format is None:
        format = path.suffix[1:].lower()
        if format not in FORMATS:
            raise ArgumentError(
                f"the extension of '{path}' is not a format; name one of "
                f"{', '.join(FORMATS)} as format="
            )
    write_whole(path, render(result, format, options).encode("utf-8"))
    return path


def _segments(result: Transcript) -> list[Segment]:
    """The result as segments; a short recording is one, timed by its words."""
    if isinstance(result, TranscriptionResult):
        words = result.words or []
        if not words and _one_line(result.text):
            raise ArgumentError(
                "the result has no times; transcribe with word_timestamps=True to write them"
            )
        if not words:
            return []
        return _by_speaker(result, words)
    segments = [result] if isinstance(result, str) else list(result)
    for segment in segments:
        if not isinstance(segment, Segment):
            raise ArgumentError(f"a result consists of segments, not of {type(segment).__name__}")
    return segments


def _by_speaker(result: TranscriptionResult, words: Sequence[Word]) -> list[Segment]:
    """What each speaker says in turn; the whole of it where they were not told apart."""
    turns = speaker_turns(words)
    return [
        Segment(
            result.text if len(turns) == 1 else " ".join(word.text for word in said),
            said[0].start,
            said[-1].end,
            said,
            result.confidence,
            speaker=who,
        )
        for who, said in turns
    ]


def _spoken_segments(result: Transcript) -> list[Segment]:
    """The segments that have text, in order of time."""
    spoken = [segment for segment in _segments(result) if segment.text.strip()]
    return sorted(spoken, key=lambda segment: milliseconds(segment.start))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _speaker(spoken: Segment | Speech, channels: Sequence[str]) -> str:
    """Who speaks, or the name given to the channel, or its number in words; may be empty.

    The number is counted as data and options count it.
    """
    if name := _one_line(spoken.speaker or ""):
        return name
    channel = spoken.channel
    if channel is None:
        return ""
    name = _one_line(channels[channel]) if 0 <= channel < len(channels) else ""
    return name or f"channel {channel}"


def _bracketed_speaker(spoken: Segment | Speech, channels: Sequence[str]) -> str:
    speaker = _speaker(spoken, channels)
    return f"[{speaker}] " if speaker else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(moment_ms: int, decimal_mark: str) -> str:
    seconds, thousandths = divmod(moment_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal_mark}{thousandths:03d}"
