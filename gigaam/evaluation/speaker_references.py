"""What a manifest says of the speakers of its recordings: files with turns, files with words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.conversations import Said, read_seglst, read_stm
from gigaam.dataset.manifests import Utterance
from gigaam.dataset.text_lines import line_error
from gigaam.errors import DatasetError
from gigaam.evaluation.speaker_errors import Spoken
from gigaam.speakers.rttm import read_rttm
from gigaam.speakers.turns import Turn

__all__ = ["REFERENCE_COLUMNS", "SpeakerReference", "read_references"]

_Reader = Callable[[Path], Mapping[str, Sequence[Any]]]

_WITH_TURNS: Mapping[str, _Reader] = {"rttm": read_rttm}
_WITH_WORDS: Mapping[str, _Reader] = {"stm": read_stm, "seglst": read_seglst}

REFERENCE_COLUMNS = (*_WITH_TURNS, *_WITH_WORDS)
"""Columns that name files; each may also end in ``_filepath``, as in NeMo's manifests."""

_SESSION = "session_id"
_AMID_S = 0.5
"""How much of a text may lie on the other side of an utterance's edge: people round."""


@dataclass(frozen=True)
class SpeakerReference:
    """What is true of the speakers of an utterance; times are from its start.

    Attributes:
        turns: Who speaks when, turns of RTTM or whatever has words.
        words: Who says what; None if that is not known.
    """

    turns: Sequence[Spoken]
    words: Sequence[Said] | None

    @property
    def n_speakers(self) -> int:
        """How many people speak."""
        return len({turn.speaker for turn in self.turns})


def read_references(utterances: Sequence[Utterance]) -> dict[int, SpeakerReference]:
    """Line of the manifest → what is true of the speakers of that utterance.

    A file may hold several recordings; the one that the column ``session_id`` names is taken, else
    the one called as the recording's file without its extension, else the only one.

    Args:
        utterances: All of a manifest.

    Raises:
        DatasetError: An utterance has no such file, or a file is not what it should be.
    """
    cached = {name: lru_cache(read) for name, read in {**_WITH_TURNS, **_WITH_WORDS}.items()}
    return {utterance.line: _reference(utterance, cached) for utterance in utterances}


def _reference(utterance: Utterance, readers: Mapping[str, _Reader]) -> SpeakerReference:
    turns = _found(utterance, {name: readers[name] for name in _WITH_TURNS})
    words = _found(utterance, {name: readers[name] for name in _WITH_WORDS})
    if turns is None and words is None:
        raise _error(
            utterance,
            "who speaks is not known: error rates of speakers need a column "
            f"{', '.join(REFERENCE_COLUMNS[:-1])} or {REFERENCE_COLUMNS[-1]} with the path of "
            "such a file",
        )
    own_words = None if words is None else _spoken_in(utterance, words)
    if turns is not None:
        return SpeakerReference(_heard_in(utterance, turns), own_words)
    return SpeakerReference(_heard_in(utterance, words or []), own_words)


def _found(utterance: Utterance, readers: Mapping[str, _Reader]) -> Sequence[Any] | None:
    """What the file of one of these kinds says of the utterance's recording; None without one."""
    named = {
        column: (readers[kind], utterance.columns[column].strip())
        for kind in readers
        for column in (kind, f"{kind}_filepath")
        if utterance.columns.get(column, "").strip()
    }
    if len(named) > 1:
        raise _error(utterance, f"{' and '.join(named)} are for the same: name one file")
    for read, name in named.values():
        path = (utterance.manifest or utterance.path).parent / name
        return _of_recording(utterance, path, read(path))
    return None


def _of_recording(
    utterance: Utterance, path: Path, found: Mapping[str, Sequence[Any]]
) -> Sequence[Any]:
    session = utterance.columns.get(_SESSION, "")
    name = session or utterance.path.stem
    if name in found:
        return found[name]
    if len(found) <= 1 and not session:
        return next(iter(found.values()), [])
    there = ", ".join(list(found)[:5]) + (", …" if len(found) > 5 else "")
    raise _error(
        utterance,
        f"{path} says nothing of {name!r} but of {there or 'nobody'}; a column {_SESSION} may "
        "tell which of them it is",
    )


def _error(utterance: Utterance, complaint: str) -> DatasetError:
    return line_error(utterance.manifest or utterance.path, utterance.line, complaint)


def _bounds(utterance: Utterance) -> tuple[float, float]:
    """Where an utterance begins and ends in its recording, in seconds."""
    if utterance.to_end:
        return utterance.offset_s, math.inf
    return utterance.offset_s, (utterance.first_sample + utterance.n_samples) / SAMPLE_RATE


def _heard_in(utterance: Utterance, spoken: Sequence[Any]) -> list[Turn]:
    """The parts of turns that lie in an utterance."""
    first, last = _bounds(utterance)
    cut = [(max(each.start, first), min(each.end, last), each.speaker) for each in spoken]
    return [Turn(start - first, end - first, who) for start, end, who in cut if start < end]


def _spoken_in(utterance: Utterance, words: Sequence[Said]) -> list[Said]:
    """The texts whose middle lies in an utterance; nobody knows where one could be cut."""
    first, last = _bounds(utterance)
    for each in words:
        if any(min(edge - each.start, each.end - edge) > _AMID_S for edge in (first, last)):
            raise _error(
                utterance,
                f"it begins or ends amid what {each.speaker} says from {each.start} to "
                f"{each.end} s: choose its offset and duration between texts, or leave them out",
            )
    return [
        replace(each, start=each.start - first, end=each.end - first)
        for each in words
        if first <= (each.start + each.end) / 2 <= last
    ]
