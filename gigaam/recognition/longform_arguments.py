"""The keyword arguments of the long form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from gigaam.audio import AudioSource
from gigaam.decoding import DecodingOptions
from gigaam.decoding.hotwords import HotwordSource
from gigaam.decoding.options import LanguageModelSource
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.longform import Channels, Progress
from gigaam.recognition.phrases import Segments

if TYPE_CHECKING:
    from gigaam.speakers import Speakers
    from gigaam.vad import Vad, VadOptions

__all__ = ["LongformArguments"]


class LongformArguments(TypedDict, total=False):
    """Keyword arguments of `SpeechRecognition.transcribe_longform`, where they are explained.

    For programs that pass them on: ``def listen(path, **options: Unpack[LongformArguments])``.
    """

    channels: Channels
    segments: Segments | None
    max_pause: float | None
    vad: Vad
    vad_options: VadOptions | None
    pyannote_model: str | os.PathLike[str] | None
    chunking: ChunkingOptions | None
    max_duration: float | None
    min_duration: float | None
    strict_limit_duration: float | None
    new_chunk_threshold: float | None
    fr_batch_size: int | None
    fr_num_workers: int
    input_rate: int | None
    track: int | None
    progress: Progress | bool | None
    decoding: DecodingOptions | None
    hotwords: HotwordSource | None
    lm: LanguageModelSource | None
    speakers: Speakers | None
    known_speakers: Mapping[str, AudioSource] | None
