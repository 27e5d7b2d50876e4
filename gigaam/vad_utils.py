"""Long recordings cut at pauses, under the names of the published package.

``transcribe_longform`` does without these functions: it cuts while it decodes. Where a program has
put others in the place of `segment_audio_file` or ``_PIPELINE``, it uses those.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gigaam.audio import SAMPLE_RATE, AudioSource, read_audio
from gigaam.audio.tape import Tape
from gigaam.published.segmentation import own_detector
from gigaam.recognition.chunking import ChunkingOptions, plan_chunks
from gigaam.vad import Vad
from gigaam.vad.detectors import build_detector
from gigaam.vad.pyannote import PyannoteDetector

__all__ = ["audiosegment_to_tensor", "get_pipeline", "segment_audio", "segment_audio_file"]

Boundaries: TypeAlias = "list[tuple[float, float]]"

_PIPELINE: Any = None
"""The pipeline of `get_pipeline`, or of a program, which may assign its own: called with samples as
pyannote's pipelines are, it gives an annotation."""


class AudioSegment(Protocol):
    """One of pydub."""

    frame_rate: int
    channels: int
    sample_width: int

    def get_array_of_samples(self) -> Any:
        """Integers, channel by channel."""


def get_pipeline(
    device: str | torch.device | None = None, model_id: str = "pyannote/segmentation-3.0"
) -> Any:
    """A pipeline of pyannote.audio that finds speech, made once; it is then what "auto" means.

    Args:
        device: Where it runs; None: "cuda" if there is one, else "cpu".
        model_id: A Hugging Face repository, or a local ``pytorch_model.bin``.

    Raises:
        MissingDependencyError: The extra ``longform`` is not installed.
        DownloadError: The model cannot be fetched.
    """
    global _PIPELINE
    if _PIPELINE is None:
        _PIPELINE = PyannoteDetector.load(device=device, model=model_id).pipeline
    elif device is not None:
        _PIPELINE.to(torch.device(device))
    return _PIPELINE


def audiosegment_to_tensor(audiosegment: AudioSegment) -> Tensor:
    """Samples of a recording that pydub has read, mono, float32 [n] in [-1, 1], at its rate."""
    samples = np.asarray(audiosegment.get_array_of_samples())
    channels = samples.reshape(-1, audiosegment.channels).T
    scale = 1 << (8 * audiosegment.sample_width - 1)
    return torch.from_numpy(
        channels.mean(0, dtype=np.float64).astype(np.float32) / np.float32(scale)
    )


def segment_audio_file(
    wav_file: AudioSource,
    sr: int = SAMPLE_RATE,
    max_duration: float = 22.0,
    min_duration: float = 15.0,
    strict_limit_duration: float = 30.0,
    new_chunk_threshold: float = 0.2,
    device: str | torch.device | None = None,
    vad: Vad = "auto",
) -> tuple[list[Tensor], Boundaries]:
    """Segments of a recording's speech, float32 [n] each, and where each starts and ends, seconds.

    Args:
        wav_file: A path, the bytes of a file, or an open binary file.
        sr: Sample rate of the segments, Hz.
        max_duration: Speech is packed into segments up to this length, seconds.
        min_duration: From this length on, a segment ends at the next pause, seconds.
        strict_limit_duration: What is longer is cut within speech, seconds, at most 30.
        new_chunk_threshold: The shortest pause that ends a segment, seconds.
        device: Where a detector of pyannote runs; None: "cuda" if there is one, else "cpu".
        vad: What finds speech: "auto", "silero", "pyannote", "none" or a detector.

    Raises:
        AudioError: The recording cannot be decoded or used.
        ArgumentError: A limit makes no sense.
    """
    options = ChunkingOptions(
        max_duration, min_duration, strict_limit_duration, new_chunk_threshold
    )
    return _segments(read_audio(wav_file, sample_rate=sr), sr, options, device, vad)


def segment_audio(
    wav_tensor: Tensor | NDArray[np.generic],
    sample_rate: int,
    max_duration: float = 22.0,
    min_duration: float = 15.0,
    strict_limit_duration: float = 30.0,
    new_chunk_threshold: float = 0.2,
    device: str | torch.device | None = None,
    vad: Vad = "auto",
) -> tuple[list[Tensor], Boundaries]:
    """Segments of the speech in samples, as of `segment_audio_file`.

    Args:
        wav_tensor: Samples [n], [channels, n] or [n, channels], floats of full scale 1 or integers.
        sample_rate: Their rate, and that of the segments, Hz.
        max_duration: See `segment_audio_file`, as for the rest.
        min_duration: See there.
        strict_limit_duration: See there.
        new_chunk_threshold: See there.
        device: See there.
        vad: See there.
    """
    options = ChunkingOptions(
        max_duration, min_duration, strict_limit_duration, new_chunk_threshold
    )
    samples = read_audio(wav_tensor, sample_rate=sample_rate, input_rate=sample_rate)
    return _segments(samples, sample_rate, options, device, vad)


def _segments(
    samples: NDArray[np.float32],
    rate: int,
    options: ChunkingOptions,
    device: str | torch.device | None,
    vad: Vad,
) -> tuple[list[Tensor], Boundaries]:
    """The cores of the plan's chunks: each sample of speech is in exactly one of them."""
    heard = samples
    if rate != SAMPLE_RATE:
        heard = read_audio(samples, sample_rate=SAMPLE_RATE, input_rate=rate)
    tape = Tape()
    tape.append(heard)
    vad, options = own_detector(vad, None, options, chosen=False)
    stream = build_detector(vad, device=None if device is None else str(device)).stream()
    regions = stream.push(heard) + stream.finish()
    chunks = plan_chunks(regions, len(heard), options, tape.levels)
    boundaries = [(c.core_start / SAMPLE_RATE, c.core_end / SAMPLE_RATE) for c in chunks]
    wav = torch.from_numpy(samples)
    return [wav[round(start * rate) : round(end * rate)] for start, end in boundaries], boundaries


OWN_SEGMENTER = segment_audio_file
"""To tell by whether a program has put another in its place."""
