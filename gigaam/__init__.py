"""GigaAM: speech recognition, emotion recognition and embeddings for Russian speech.

Importing this package is cheap: torch and the models load on first use.
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.chunking import ChunkingOptions
    from gigaam.errors import (
        ArgumentError,
        AudioDecodingError,
        AudioError,
        AudioFileNotFoundError,
        AudioTooLongError,
        AudioWarning,
        CheckpointError,
        ChecksumError,
        DatasetError,
        DownloadError,
        ExportError,
        GigaAMError,
        MissingDependencyError,
        ModelError,
        OfflineError,
        TokenizerNotFoundError,
        UnknownModelError,
        UnsafeCheckpointError,
        WrongTaskError,
    )
    from gigaam.formats import TextOptions
    from gigaam.loading import load_model
    from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
    from gigaam.preprocess import load_audio
    from gigaam.subtitles import SubtitleOptions
    from gigaam.types import (
        LongformTranscriptionResult,
        Segment,
        TranscriptionResult,
        Word,
        format_clock,
        format_time,
    )
    from gigaam.vad import VadOptions

__version__ = "0.3.0"

_HOMES = {
    "gigaam.chunking": ("ChunkingOptions",),
    "gigaam.errors": (
        "ArgumentError",
        "AudioDecodingError",
        "AudioError",
        "AudioFileNotFoundError",
        "AudioTooLongError",
        "AudioWarning",
        "CheckpointError",
        "ChecksumError",
        "DatasetError",
        "DownloadError",
        "ExportError",
        "GigaAMError",
        "MissingDependencyError",
        "ModelError",
        "OfflineError",
        "TokenizerNotFoundError",
        "UnknownModelError",
        "UnsafeCheckpointError",
        "WrongTaskError",
    ),
    "gigaam.formats": ("TextOptions",),
    "gigaam.loading": ("load_model",),
    "gigaam.model": ("GigaAM", "GigaAMASR", "GigaAMEmo"),
    "gigaam.preprocess": ("load_audio",),
    "gigaam.subtitles": ("SubtitleOptions",),
    "gigaam.types": (
        "LongformTranscriptionResult",
        "Segment",
        "TranscriptionResult",
        "Word",
        "format_clock",
        "format_time",
    ),
    "gigaam.vad": ("VadOptions",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ArgumentError",
    "AudioDecodingError",
    "AudioError",
    "AudioFileNotFoundError",
    "AudioTooLongError",
    "AudioWarning",
    "CheckpointError",
    "ChecksumError",
    "ChunkingOptions",
    "DatasetError",
    "DownloadError",
    "ExportError",
    "GigaAM",
    "GigaAMASR",
    "GigaAMEmo",
    "GigaAMError",
    "LongformTranscriptionResult",
    "MissingDependencyError",
    "ModelError",
    "OfflineError",
    "Segment",
    "SubtitleOptions",
    "TextOptions",
    "TokenizerNotFoundError",
    "TranscriptionResult",
    "UnknownModelError",
    "UnsafeCheckpointError",
    "VadOptions",
    "Word",
    "WrongTaskError",
    "__version__",
    "format_clock",
    "format_time",
    "load_audio",
    "load_model",
]


__getattr__ = importer(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
