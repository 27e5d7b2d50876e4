"""Speakers of a long recording: heard while it is recognised, and given to its words at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource, Recording
from gigaam.errors import ArgumentError
from gigaam.quoting import brief
from gigaam.recognition.longform import Channels, Progress
from gigaam.recognition.phrases import in_turns
from gigaam.recognition.progress_bar import as_callback
from gigaam.speakers.attribution import attributed
from gigaam.speakers.turns import (
    DiarizationStream,
    SpeakerCount,
    SpeakerDiarizer,
    Turn,
    numbered,
    speaker_count,
)
from gigaam.types import Segment

__all__ = ["SpeakerListener", "Speakers", "diarize", "diarizer_of"]

_Number: TypeAlias = str | int | tuple[int, int] | SpeakerCount

Speakers: TypeAlias = _Number | SpeakerDiarizer | tuple[SpeakerDiarizer, _Number]
"""Whether, and into how many, speakers are told apart: "auto", a number, the least and the most;
or what does it, alone or with one of these."""


def diarize(
    source: AudioSource,
    speakers: Speakers = "auto",
    *,
    channels: Channels = "mix",
    input_rate: int | None = None,
    track: int | None = None,
    known_speakers: Mapping[str, AudioSource] | None = None,
    progress: Progress | bool | None = None,
) -> list[Turn]:
    """The turns of a recording of any length, in order of their starts.

    Args:
        source: A path, the bytes of a file, an open binary file, an array or a tensor.
        speakers: As in `SpeechRecognition.transcribe_longform`; in each channel if those are split.
        channels: "mix" hears all channels as one; "split" each by itself, and people differ
            between them, but for those who are known.
        input_rate: Rate of arrays and tensors, Hz.
        track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        known_speakers: Name → a recording of that person alone, for turns that bear names.
        progress: As in `SpeechRecognition.transcribe_longform`.

    Raises:
        AudioError: The recording cannot be decoded or used.
        ArgumentError: ``speakers`` says nothing that can be, or a known speaker cannot be known.
        MissingDependencyError: What tells speakers apart is not installed.
    """
    if channels not in ("mix", "split"):
        raise ArgumentError(f'channels must be "mix" or "split", not {channels!r}')
    listener = SpeakerListener(*diarizer_of(speakers, known_speakers))
    recording = Recording(source, input_rate=input_rate, track=track)
    heard: Iterable[Sequence[NDArray[np.float32]]] = (
        recording.blocks_apart()
        if channels == "split"
        else ((block,) for block in recording.blocks())
    )
    told = as_callback(progress, "seconds of sound") or (lambda done_s, total_s: None)
    n_heard = 0
    with closing(recording):
        for block in listener.hearing(heard):
            n_heard += len(block[0])
            told(n_heard / SAMPLE_RATE, recording.duration_s)
    return listener.turns()


def diarizer_of(
    speakers: Speakers | None, known_speakers: Mapping[str, AudioSource] | None = None
) -> tuple[SpeakerDiarizer, SpeakerCount]:
    """What tells speakers apart, and how many there are.

    Args:
        speakers: As in `SpeechRecognition.transcribe_longform`; None for "auto".
        known_speakers: Name → a recording of that person alone; all of them are heard here.

    Raises:
        ArgumentError: ``speakers`` says nothing that can be, or a known speaker cannot be known.
        MissingDependencyError: What tells speakers apart is not installed.
    """
    diarizer, count = _named("auto" if speakers is None else speakers)
    if not known_speakers:
        return diarizer, count
    if not isinstance(known_speakers, Mapping):
        raise ArgumentError(
            'known_speakers must be names and recordings, as {"Анна": "anna.wav"}, not '
            f"{brief(known_speakers)}"
        )
    knowing = getattr(diarizer, "knowing", None)
    if knowing is None:
        raise ArgumentError(
            f"{type(diarizer).__name__} knows nobody by voice: known_speakers go with the local "
            'diarizer, as with speakers="auto"'
        )
    return knowing(known_speakers), count


def _named(speakers: Speakers) -> tuple[SpeakerDiarizer, SpeakerCount]:
    if _tells_apart(speakers):
        return speakers, SpeakerCount()
    if isinstance(speakers, tuple) and len(speakers) == 2:
        diarizer, number = speakers
        if _tells_apart(diarizer):
            return diarizer, speaker_count(number)
    count = speaker_count(speakers)
    from gigaam.speakers.graphs import load

    return load(), count


def _tells_apart(given: object) -> TypeGuard[SpeakerDiarizer]:
    return not isinstance(given, type) and callable(getattr(given, "stream", None))


class SpeakerListener:
    """Hears one recording: all channels as one, or each by itself."""

    def __init__(self, diarizer: SpeakerDiarizer, count: SpeakerCount) -> None:
        self._diarizer = diarizer
        self._count = count
        self._streams: list[DiarizationStream] = []

    def hearing(
        self, blocks: Iterable[Sequence[NDArray[np.float32]]]
    ) -> Iterator[Sequence[NDArray[np.float32]]]:
        """The blocks of all channels, heard as they go by."""
        for block in blocks:
            if not self._streams:
                self._streams = [self._diarizer.stream(self._count) for _ in block]
            for stream, samples in zip(self._streams, block, strict=True):
                stream.feed(samples)
            yield block

    def turns(self) -> list[Turn]:
        """The turns of all channels, by their starts; the recording has ended.

        People differ between channels, but for those who go by name.
        """
        turns = [_checked(stream.finish(), self._diarizer) for stream in self._streams]
        if len(turns) == 1:
            return [replace(turn, channel=None) for turn in turns[0]]
        each = [replace(turn, channel=n) for n, own in enumerate(turns) for turn in own]
        return numbered(sorted(each), lambda turn: (turn.channel, turn.speaker))

    def told_apart(self, with_words: bool, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments by speaker, in order of their starts; each is of one.

        An error in the middle comes after what was recognised before it.

        Args:
            with_words: Whether the words stay in them.
            segments: All of the recording, with their words.
        """
        recognised: list[Segment] = []
        failure: Exception | None = None
        try:
            recognised += segments  # by their end the recording was heard to its own
        except Exception as error:
            failure = error
        found = _by_speaker(recognised, self.turns())
        yield from found if with_words else (replace(segment, words=None) for segment in found)
        if failure is not None:
            raise failure


def _checked(turns: object, diarizer: SpeakerDiarizer) -> list[Turn]:
    if not isinstance(turns, Sequence) or not all(isinstance(turn, Turn) for turn in turns):
        raise ArgumentError(
            f"{type(diarizer).__name__} must give a list of gigaam.speakers.Turn at the end of a "
            f"recording, not {brief(turns)}"
        )
    return list(turns)


def _by_speaker(segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
    """The segments of all channels, cut where another one speaks."""
    found: list[Segment] = []
    for channel in dict.fromkeys(segment.channel for segment in segments):
        own = [segment for segment in segments if segment.channel == channel]
        here = [turn for turn in turns if turn.channel in (None, channel)]
        words = iter(attributed([word for each in own for word in each.words or ()], here))
        for segment in own:
            said = list(islice(words, len(segment.words or ())))
            found += in_turns(replace(segment, words=said))
    return sorted(found, key=lambda segment: segment.start)
