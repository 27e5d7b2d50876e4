"""Rows of results, one for each recording, and files of them: Parquet or JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Failure
from gigaam.errors import BulkError, MissingDependencyError
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FORMATS", "Row", "RowFormat", "check_format", "pack_rows", "unpack_rows"]

RowFormat = Literal["parquet", "jsonl"]
FORMATS: tuple[RowFormat, ...] = ("parquet", "jsonl")

_LEAST = 1e-10  # of which a logarithm is taken


@dataclass(frozen=True)
class Row:
    """What came of a recording.

    Attributes:
        id: Its name in the manifest.
        path: The recording as the manifest names it.
        offset: Where it begins in its file, in seconds.
        duration: What was heard of it, in seconds; 0 if that was not found out.
        text: All that was said.
        confidence: Geometric mean over its words, in [0, 1]; None without any.
        segments: With their words.
        warnings: What was said about the recording, such as that it is cut short.
        error: Why there is no text; None if there is.
    """

    id: str
    path: str
    offset: float
    duration: float
    text: str = ""
    confidence: float | None = None
    segments: tuple[Segment, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Failure | None = None

    @classmethod
    def of(
        cls,
        entry: Entry,
        result: TranscriptionResult | LongformTranscriptionResult | Exception,
        duration_s: float,
        warnings: Sequence[str] = (),
        *,
        is_passing: bool = False,
    ) -> Row:
        """The row of an entry.

        Args:
            entry: Which it is.
            result: What was recognised, with words, or why nothing was.
            duration_s: What was heard of it.
            warnings: About the recording.
            is_passing: Whether the error may not come again.
        """
        about = (entry.id, entry.path, entry.offset_s, duration_s)
        if isinstance(result, Exception):
            failure = Failure(entry.id, type(result).__name__, _said(result), is_passing)
            return cls(*about, warnings=tuple(warnings), error=failure)
        segments = _segments(result)
        return cls(*about, result.text, _confidence(segments), segments, tuple(warnings))

    @property
    def words(self) -> list[Word]:
        """Those of all segments."""
        return [word for segment in self.segments for word in segment.words or ()]

    @property
    def speakers(self) -> list[str]:
        """Who speaks, in the order in which they begin."""
        return list(dict.fromkeys(word.speaker for word in self.words if word.speaker is not None))

    @property
    def result(self) -> LongformTranscriptionResult:
        """What was recognised, as the library gives it.

        Raises:
            BulkError: Nothing was.
        """
        if self.error is not None:
            raise BulkError(f"{self.id} failed: {self.error.message}")
        return LongformTranscriptionResult(
            self.segments, duration=self.duration, has_word_timestamps=True
        )

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data; every row has the same keys."""
        error = self.error
        return {
            "id": self.id,
            "path": self.path,
            "offset": self.offset,
            "duration": self.duration,
            "text": self.text,
            "confidence": self.confidence,
            "segments": [_plain_segment(segment) for segment in self.segments],
            "speakers": self.speakers,
            "warnings": list(self.warnings),
            "error": None if error is None else {"kind": error.kind, "message": error.message},
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Row:
        """The row of which `to_dict` gave this."""
        error = plain["error"]
        failure = error and Failure(plain["id"], error["kind"], error["message"])
        segments = tuple(map(_segment_from, plain["segments"]))
        told = {key: plain[key] for key in ("id", "path", "offset", "duration", "text")}
        warnings = tuple(plain["warnings"])
        return cls(
            **told,
            confidence=plain["confidence"],
            segments=segments,
            warnings=warnings,
            error=failure,
        )


def pack_rows(rows: Sequence[Row], made_by: Mapping[str, str], format: RowFormat) -> bytes:
    """The file of some rows.

    Args:
        rows: In their order.
        made_by: Model and options, which every row repeats.
        format: Of the file.
    """
    plain = [{**row.to_dict(), **made_by} for row in rows]
    if format == "parquet":
        return _parquet(plain)
    lines = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in plain)
    return lines.encode("utf-8", "backslashreplace")


def unpack_rows(content: bytes, format: RowFormat) -> list[Row]:
    """The rows of a file.

    Raises:
        BulkError: It is none.
    """
    try:
        plain = (
            _from_parquet(content) if format == "parquet" else map(json.loads, content.splitlines())
        )
        return [Row.from_dict(each) for each in plain]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BulkError(f"a file of rows is damaged: {error}") from error


def check_format(format: str) -> None:
    """See whether files of a format can be written here.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    if format == "parquet":
        _pyarrow()


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _segments(result: TranscriptionResult | LongformTranscriptionResult) -> tuple[Segment, ...]:
    """Those of a long recording; a short one is one, unless nothing was said."""
    if isinstance(result, LongformTranscriptionResult):
        return tuple(result)
    words = result.words
    if not words:
        return ()
    return (Segment(result.text, words[0].start, words[-1].end, words, result.confidence),)


def _confidence(segments: Sequence[Segment]) -> float | None:
    """The geometric mean of the segments', by the number of their words."""
    told = [
        (len(each.words), each.confidence)
        for each in segments
        if each.words and each.confidence is not None
    ]
    n_words = sum(n for n, _ in told)
    if not n_words:
        return None
    return math.exp(sum(n * math.log(max(value, _LEAST)) for n, value in told) / n_words)


def _plain_segment(segment: Segment) -> dict[str, Any]:
    """A segment with all keys, so that every row has the same."""
    words = [
        {"speaker": None, "overlapped": False, **each.to_dict()} for each in segment.words or ()
    ]
    return {"speaker": None, **segment.to_dict(), "words": words}


def _segment_from(plain: Mapping[str, Any]) -> Segment:
    return Segment(**{**plain, "words": [Word(**word) for word in plain["words"]]})


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        told = "Parquet needs pyarrow: pip install 'gigaam[bulk]', or take the format jsonl"
        raise MissingDependencyError(told) from error
    return pyarrow


@cache
def _schema() -> pyarrow.Schema:
    arrow = _pyarrow()
    text, number = arrow.string(), arrow.float64()
    spoken = [("text", text), ("start", number), ("end", number), ("confidence", number)]
    word = arrow.struct([*spoken, ("speaker", text), ("overlapped", arrow.bool_())])
    segment = [*spoken, ("channel", arrow.int32()), ("speaker", text), ("words", arrow.list_(word))]
    return arrow.schema(
        [
            ("id", text),
            ("path", text),
            ("offset", number),
            ("duration", number),
            ("text", text),
            ("confidence", number),
            ("segments", arrow.list_(arrow.struct(segment))),
            ("speakers", arrow.list_(text)),
            ("warnings", arrow.list_(text)),
            ("error", arrow.struct([("kind", text), ("message", text)])),
            ("model", text),
            ("options", text),
        ]
    )


def _parquet(plain: list[dict[str, Any]]) -> bytes:
    arrow = _pyarrow()
    table = arrow.Table.from_pylist([_writable(each) for each in plain], schema=_schema())
    file = BytesIO()
    arrow.parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _writable(plain: dict[str, Any]) -> dict[str, Any]:
    """A row whose names are valid UTF-8 even where those of files are not."""
    escaped = {
        name: plain[name].encode("utf-8", "backslashreplace").decode() for name in ("id", "path")
    }
    return {**plain, **escaped}


def _from_parquet(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _pyarrow().parquet.read_table(BytesIO(content)).to_pylist()
    return rows
