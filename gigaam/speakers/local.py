"""The diarizer that needs neither an account nor a download: two nets of a wheel, clustered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import AudioSource
from gigaam.speakers.clustering import speakers_of, voices_by_speaker
from gigaam.speakers.enrolment import KnownVoices, enrolled, recognised
from gigaam.speakers.segmentation import sample_of
from gigaam.speakers.speech import SpeakerNets, SpeechStream
from gigaam.speakers.turns import DiarizationStream, SpeakerCount, Turn, label, numbered
from gigaam.speakers.voices import Piece

__all__ = ["LocalDiarizer"]

_LONGEST_GAP_S = 0.5  # within a turn
_SHORTEST_S = 0.1
_SAMPLE_RATE = 16_000


class LocalDiarizer:
    """Tells speakers apart by pyannote's segmentation-3.0 and CAM++. Threads may share it."""

    def __init__(self, nets: SpeakerNets, known: KnownVoices | None = None) -> None:
        """A diarizer over opened nets.

        Args:
            nets: Both of them.
            known: Voices that go by name; see `knowing`.
        """
        self.nets = nets
        self._known = dict(known or {})

    def knowing(self, known: Mapping[str, AudioSource]) -> LocalDiarizer:
        """A diarizer that calls people whose voices are known by their names.

        It can be used for any number of recordings, and knows only these people. A voice from a
        telephone is not known by a recording from a microphone, nor the other way round: take
        recordings of the same kind.

        Args:
            known: Name → a recording in which that person speaks for some seconds, better ten,
                and nobody else.

        Raises:
            ArgumentError: A name cannot be one, a recording cannot be used, or two are of one
                person.
        """
        voices = enrolled(self.nets, known)
        return LocalDiarizer(self.nets, voices)

    def stream(self, count: SpeakerCount) -> DiarizationStream:
        """Hear a recording from its start on; some kilobytes are kept of a minute."""
        return _LocalStream(self.nets, count, self._known)


class _LocalStream:
    def __init__(self, nets: SpeakerNets, count: SpeakerCount, known: KnownVoices) -> None:
        self._known = known
        self._speech = SpeechStream(nets)
        self._count = count
        self._n_samples = 0

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples, float32 [n], mono, 16 kHz."""
        self._n_samples += len(samples)
        self._speech.feed(samples)

    def finish(self) -> list[Turn]:
        """All turns in order of their starts; the recording has ended."""
        pieces = self._speech.finish()
        if not pieces:
            return []
        voices = np.stack(list(self._known.values())) if self._known else None
        speakers = speakers_of(pieces, self._count, voices)
        active = _active(np.concatenate(self._speech.n_speakers), pieces, speakers)
        names = recognised(voices_by_speaker(pieces, speakers), self._known)
        turns = [
            turn
            for speaker, name in enumerate(names)
            for turn in _turns(active[:, speaker], name or label(speaker), self._n_samples)
        ]
        return numbered(sorted(turns), lambda turn: turn.speaker)


def _active(
    speaking: NDArray[np.int8], pieces: Sequence[Piece], speakers: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Who speaks, bool [T, people]; where two do, they are the ones before and after."""
    who = np.full(len(speaking), -1)
    for piece, speaker in zip(pieces, speakers, strict=True):
        who[piece.first : piece.end] = speaker
    active = np.zeros((len(who), speakers.max() + 1), bool)
    alone = np.flatnonzero(who >= 0)
    active[alone, who[alone]] = True
    overlaps = np.flatnonzero(speaking > 1)
    at = np.searchsorted(alone, overlaps)
    for beside in (alone[np.maximum(at - 1, 0)], alone[np.minimum(at, len(alone) - 1)]):
        active[overlaps, who[beside]] = True
    return active


def _turns(active: NDArray[np.bool_], speaker: str, n_samples: int) -> list[Turn]:
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    found: list[tuple[float, float]] = []
    for first, end in edges.reshape(-1, 2).tolist():
        start_s = sample_of(first) / _SAMPLE_RATE
        end_s = min(sample_of(end), n_samples) / _SAMPLE_RATE
        if found and start_s - found[-1][1] < _LONGEST_GAP_S:
            found[-1] = found[-1][0], end_s
        elif end_s > start_s:
            found.append((start_s, end_s))
    return [
        Turn(round(start, 3), round(end, 3), speaker)
        for start, end in found
        if end - start >= _SHORTEST_S
    ]
