"""Rows of results, one for each recording, and files of them: Parquet or JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from gigaam.bulk.entries import Entry
from gigaam.bulk.ledger import Failure
from gigaam.bulk.records import RowFormat
from gigaam.errors import BulkError, MissingDependencyError
from gigaam.quoting import brief, cut, said
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Row", "check_format", "pack_rows", "unpack_rows"]

_LEAST = 1e-10  # of which a logarithm is taken

_NOT_UTF8 = b"gigaam.not_utf8"
"""In the metadata of a Parquet file: by rows' numbers, the columns that it holds escaped."""

_OF_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, NotImplementedError)
"""What readers make of bytes that are not what they should be."""


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
            kind = type(result).__name__
            failure = Failure(entry.id, kind, said(result) or kind, is_passing)
            return cls(*about, warnings=tuple(warnings), error=failure)
        segments = _segments(result, duration_s)
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
        """The row of which `to_dict` gave this; whether an error may pass is not told in it.

        Raises:
            KeyError, TypeError: It is of none.
        """
        for name in ("id", "path", "text"):
            if not isinstance(plain[name], str):
                raise TypeError(f"{name} is {brief(plain[name])}, not a text")
        error = plain["error"]
        failure = error and Failure(plain["id"], error["kind"], error["message"])
        segments = tuple(map(_segment_from, plain["segments"]))
        return cls(
            id=plain["id"],
            path=plain["path"],
            offset=_number(plain["offset"]),
            duration=_number(plain["duration"]),
            text=plain["text"],
            confidence=plain["confidence"],
            segments=segments,
            warnings=tuple(plain["warnings"]),
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
    lines = "".join(f"{_json(each)}\n" for each in plain)
    # In JSON a lone surrogate escaped so is what it was.
    return lines.encode("utf-8", "backslashreplace")


def unpack_rows(content: bytes, format: RowFormat) -> list[Row]:
    """The rows of a file.

    Raises:
        BulkError: It is none.
    """
    check_format(format)
    try:
        if format == "parquet":
            return [Row.from_dict(each) for each in _from_parquet(content)]
        # Not splitlines(): only this byte ends a line of JSON.
        return [Row.from_dict(json.loads(line)) for line in content.split(b"\n") if line.strip()]
    except (*_OF_DAMAGE, OSError) as error:
        raise BulkError(f"a file of rows is damaged: {cut(error)}") from error


def check_format(format: RowFormat) -> None:
    """See whether files of a format can be written here.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    if format == "parquet":
        _pyarrow()


def _segments(
    result: TranscriptionResult | LongformTranscriptionResult, duration_s: float
) -> tuple[Segment, ...]:
    """Those of a long recording; a short one is one, unless nothing was said."""
    if isinstance(result, LongformTranscriptionResult):
        return tuple(result)
    words = result.words
    if not words:  # a text without words is not lost: it is that of the whole recording
        whole = Segment(result.text, 0.0, duration_s, [], result.confidence)
        return (whole,) if result.text.strip() else ()
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
    told = {"start": _number(plain["start"]), "end": _number(plain["end"])}
    return Segment(**{**plain, **told, "words": list(map(_word_from, plain["words"]))})


def _word_from(plain: Mapping[str, Any]) -> Word:
    if None in (plain["start"], plain["end"], plain["confidence"]):
        numbers = {name: _number(plain[name]) for name in ("start", "end", "confidence")}
        plain = {**plain, **numbers}
    return Word(**plain)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _json(plain: dict[str, Any]) -> str:
    """A line of JSON, which has no word for what is not a number: that is null."""
    try:
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(plain), ensure_ascii=False, allow_nan=False)


def _finite(plain: Any) -> Any:
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, dict):
        return {name: _finite(value) for name, value in plain.items()}
    return list(map(_finite, plain)) if isinstance(plain, list) else plain


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
    try:
        table = arrow.Table.from_pylist(plain, schema=_schema())
    except UnicodeEncodeError:  # names of files need not be UTF-8, and errors quote them
        table = _escaped_table(plain)
    file = BytesIO()
    arrow.parquet.write_table(table, file, compression="zstd", write_page_checksum=True)
    return file.getvalue()


def _escaped_table(plain: list[dict[str, Any]]) -> pyarrow.Table:
    """A table whose texts are UTF-8, and in its metadata what they were."""
    escaped = list(map(_escaped, plain))
    were = {
        number: {name: value for name, value in before.items() if value != after[name]}
        for number, (before, after) in enumerate(zip(plain, escaped, strict=True))
        if before != after
    }
    table = _pyarrow().Table.from_pylist(escaped, schema=_schema())
    return table.replace_schema_metadata({_NOT_UTF8: json.dumps(were).encode()})


def _escaped(plain: Any) -> Any:
    if isinstance(plain, str):
        return plain.encode("utf-8", "backslashreplace").decode()
    if isinstance(plain, dict):
        return {name: _escaped(value) for name, value in plain.items()}
    return list(map(_escaped, plain)) if isinstance(plain, list) else plain


def _from_parquet(content: bytes) -> list[dict[str, Any]]:
    table = _pyarrow().parquet.read_table(
        BytesIO(content), use_threads=False, page_checksum_verification=True
    )
    rows: list[dict[str, Any]] = table.to_pylist()
    for number, were in json.loads((table.schema.metadata or {}).get(_NOT_UTF8, b"{}")).items():
        rows[int(number)].update(were)
    return rows
