"""What published functions take for many recordings: paths, samples at 16 kHz, or a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource, duration_s, read_audio
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.recognition.recognizer import is_one_recording

__all__ = ["Entry", "Recordings", "entries"]

Recordings: TypeAlias = "AudioSource | Iterable[AudioSource]"


@dataclass(frozen=True, eq=False)
class Entry:
    """One of many recordings.

    Attributes:
        source: What was given, or the path that a manifest has.
        text: Its transcription, where a manifest has one.
        stretch: Where in its file it lies, where a manifest has offsets; else it is the whole.
        stated_s: Its duration in seconds, where a manifest has it.
    """

    source: Any
    text: str = ""
    stretch: Utterance | None = None
    stated_s: float | None = None

    def recording(self) -> Any:
        """What may be read for it: what was given, or the samples of its stretch."""
        if self.stretch is None:
            return self.source
        ((_, found),) = iter_excerpts([self.stretch])
        if isinstance(found, Exception):
            raise found
        return found

    def read(self) -> NDArray[np.float32]:
        """Its samples, float32 [n], at 16 kHz."""
        return read_audio(self.recording(), input_rate=SAMPLE_RATE)

    def duration_s(self) -> float | None:
        """Seconds as a manifest or a header states them, None if neither does."""
        if self.stated_s is not None:
            return self.stated_s
        return duration_s(self.source, input_rate=SAMPLE_RATE)


def entries(data: Recordings) -> list[Entry]:
    """The recordings one by one.

    Args:
        data: A recording or several, or a manifest, ``.tsv`` or ``.jsonl``; see
            `gigaam.dataset.manifests`. Of one without offsets the recordings are whole files.
    """
    if isinstance(data, str | os.PathLike) and Path(data).suffix.lower() in (".tsv", ".jsonl"):
        utterances = read_manifest(Path(data), required=())
        whole = not _has_offsets(Path(data))
        return [
            Entry(each.path, each.text, None if whole else each, each.duration_s or None)
            for each in utterances
        ]
    many: Iterable[Any] = [data] if is_one_recording(data) else data  # type: ignore[assignment]
    return [Entry(source) for source in many]


def _has_offsets(manifest: Path) -> bool:
    """Whether a manifest says where in their files utterances begin, be it at 0."""
    lines = manifest.read_text(encoding="utf-8-sig").splitlines()
    if manifest.suffix.lower() == ".tsv":
        return "offset" in lines[0].split("\t")
    return any("offset" in json.loads(line) for line in lines if line.strip())
