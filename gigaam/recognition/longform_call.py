"""What the arguments of a call of the long form describe."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gigaam.audio import AudioSource
from gigaam.decoding import DecodingOptions
from gigaam.errors import ArgumentError
from gigaam.published.segmentation import OwnSegmentation, own_detector, own_segmenter
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.longform import (
    CallArguments,
    Listener,
    LongformTranscriber,
    with_limits,
)
from gigaam.vad.detectors import build_detector

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.recognition.speech_recognition import SpeechRecognition
    from gigaam.speakers import Speakers
    from gigaam.vad import Vad, VadOptions

__all__ = ["transcriber_of"]


def transcriber_of(
    model: SpeechRecognition,
    batch_size: int,
    *,
    decoding: DecodingOptions | None,
    vad: Vad,
    vad_options: VadOptions | None,
    pyannote_model: str | os.PathLike[str] | None,
    chunking: ChunkingOptions | None,
    max_duration: float | None,
    min_duration: float | None,
    strict_limit_duration: float | None,
    new_chunk_threshold: float | None,
    fr_batch_size: int | None,
    fr_num_workers: int,
    speakers: Speakers | None,
    known_speakers: Mapping[str, AudioSource] | None,
    **call: Unpack[CallArguments],
) -> tuple[LongformTranscriber | OwnSegmentation, Any]:
    """The transcriber that the arguments describe, and those that are for its call."""
    limits = (max_duration, min_duration, strict_limit_duration, new_chunk_threshold)
    options = with_limits(chunking, *limits)
    batch_size = batch_size if fr_batch_size is None else fr_batch_size
    if decoding is not None and decoding.n_best > 1:
        raise ArgumentError("n_best is for recordings recognised in one pass: `transcribe`")
    recognizer = model.recognizer(decoding)
    segmenter = own_segmenter() if vad == "auto" else None
    if segmenter is not None:
        own = OwnSegmentation(segmenter, recognizer, options, batch_size, model.device)
        others = {"vad_options": vad_options, "pyannote_model": pyannote_model}
        told = {"speakers": speakers, "known_speakers": known_speakers or None}
        return own, {**call, **others, **told}
    if pyannote_model is None:
        vad, options = own_detector(vad, vad_options, options, chunking is not None)
    detector = build_detector(
        vad, options=vad_options, device=str(model.device), pyannote_model=pyannote_model
    )
    listener = _listener(speakers, known_speakers)
    transcriber = LongformTranscriber(recognizer, detector, options, batch_size, listener=listener)
    return transcriber, call


def _listener(
    speakers: Speakers | None, known_speakers: Mapping[str, AudioSource] | None
) -> Callable[[], Listener] | None:
    if speakers is None and not known_speakers:
        return None
    from gigaam.speakers import SpeakerListener, diarizer_of

    diarizer, count = diarizer_of(speakers, known_speakers)
    return lambda: SpeakerListener(diarizer, count)
