"""Conversations that somebody wrote down: who says what from when to when, as STM or SegLST.

One file may hold many recordings. Times are seconds from the start of a recording.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gigaam.dataset.text_lines import as_seconds, line_error, read_bytes, read_lines
from gigaam.errors import DatasetError

__all__ = ["Said", "read_seglst", "read_stm"]

_LABEL = re.compile(r"^<[^<>\s]*>(\s+|$)")
_UNSCORED = "ignore_time_segment_in_scoring"


@dataclass(frozen=True)
class Said:
    """What somebody says without a break: a word, a sentence, a turn.

    Attributes:
        start: Where it begins in the recording, in seconds.
        end: Where it ends, in seconds.
        speaker: Who says it.
        text: The words, as they are written; may be empty.
    """

    start: float
    end: float
    speaker: str
    text: str


def read_stm(path: Path) -> dict[str, list[Said]]:
    """What is said in each recording that an STM file names, in the file's order.

    Its lines are ``recording channel speaker start end [<label>] words``; those that begin with
    ``;;`` are comments. Channels are one.

    Args:
        path: The file, UTF-8.

    Raises:
        DatasetError: It cannot be read, or a line is invalid; the message says which and why.
    """
    found: dict[str, list[Said]] = {}
    for number, line in read_lines(path, "STM file"):
        if line.lstrip().startswith(";;"):
            continue
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            told = f"{len(fields)} fields, not recording, channel, speaker, start, end and words"
            raise line_error(path, number, told)
        name, _, speaker, start, end = fields[:5]
        text = _LABEL.sub("", "".join(fields[5:]), count=1).strip()
        if _UNSCORED in text.lower() or "{" in text:
            told = f"{text[:40]!r}: stretches that are not scored ({_UNSCORED.upper()}) and "
            told += "alternatives in braces are not understood: write what is said, or remove it"
            raise line_error(path, number, told)
        times = _times(start, end, f"{path}, line {number}")
        found.setdefault(name, []).append(Said(*times, speaker, text))
    return found


def read_seglst(path: Path) -> dict[str, list[Said]]:
    """What is said in each recording that a SegLST file names, in the file's order.

    It is a JSON list of objects with ``session_id``, ``speaker``, ``start_time``, ``end_time`` (in
    seconds, as numbers or as text) and ``words``; others of their keys are not read. Without a
    ``session_id`` the name of the recording is empty.

    Args:
        path: The file, UTF-8.

    Raises:
        DatasetError: It cannot be read, or an entry is invalid; the message says which and why.
    """
    try:
        entries = json.loads(read_bytes(path, "SegLST file").decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise line_error(path, error.lineno, f"not JSON: {error.msg}") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON in UTF-8: {error}") from error
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: not a list of objects, as SegLST is")
    found: dict[str, list[Said]] = {}
    for number, entry in enumerate(entries, start=1):
        session, said = _entry(entry, f"{path}, entry {number}")
        found.setdefault(session, []).append(said)
    return found


def _entry(entry: Any, place: str) -> tuple[str, Said]:
    """The recording's name, and what is said, of an entry of SegLST."""
    if not isinstance(entry, dict):
        raise DatasetError(f"{place}: not an object but {json.dumps(entry)[:40]}")
    texts = {"session_id": "", **entry}
    for name in ("session_id", "speaker", "words"):
        if not isinstance(texts.get(name), str):
            raise DatasetError(f"{place}: {name} is {_shown(entry, name)}, not a text")
    times = _times(entry.get("start_time"), entry.get("end_time"), place)
    return texts["session_id"], Said(*times, texts["speaker"], texts["words"])


def _shown(entry: dict[str, Any], name: str) -> str:
    return json.dumps(entry[name], ensure_ascii=False)[:40] if name in entry else "missing"


def _times(start: object, end: object, place: str) -> tuple[float, float]:
    """Two times as numbers, the smaller first."""
    first, last = as_seconds(start), as_seconds(end)
    if first is None or last is None:
        name, given = ("start", start) if first is None else ("end", end)
        raise DatasetError(f"{place}: the {name} is {given!r:.40}, not a number of seconds")
    if last < first:
        raise DatasetError(f"{place}: it ends at {end} s, before it starts at {start} s")
    return first, last
