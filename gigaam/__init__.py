"""GigaAM: speech recognition, emotion recognition and embeddings for Russian speech.

Importing this package is cheap: torch and the models load on first use.
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam import bulk as bulk
    from gigaam import decoder as decoder
    from gigaam import decoding as decoding
    from gigaam import encoder as encoder
    from gigaam import live as live
    from gigaam import model as model
    from gigaam import ngrams as ngrams
    from gigaam import onnx as onnx
    from gigaam import onnx_utils as onnx_utils
    from gigaam import preprocess as preprocess
    from gigaam import timestamps_utils as timestamps_utils
    from gigaam import types as types
    from gigaam import utils as utils
    from gigaam import vad_utils as vad_utils
    from gigaam.decoding import DecodingOptions
    from gigaam.errors import (
        ArgumentError,
        AudioDecodingError,
        AudioError,
        AudioFileNotFoundError,
        AudioTooLongError,
        AudioWarning,
        BulkError,
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
        UnreachableError,
        UnsafeCheckpointError,
        WrongTaskError,
    )
    from gigaam.loading import load_model
    from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
    from gigaam.output.formats import TextOptions
    from gigaam.output.subtitles import SubtitleOptions
    from gigaam.preprocess import load_audio
    from gigaam.published.files import _download_model as _download_model
    from gigaam.published.files import _download_tokenizer as _download_tokenizer
    from gigaam.published.files import hash_path as hash_path
    from gigaam.recognition.chunking import ChunkingOptions
    from gigaam.store.registry import ModelInfo, available_models
    from gigaam.types import (
        LongformTranscriptionResult,
        Segment,
        TranscriptionResult,
        Word,
        format_clock,
        format_time,
    )
    from gigaam.vad import VadOptions

    _CACHE_DIR: str
    _MODEL_HASHES: dict[str, str]
    _URL_DIR: str

__version__ = "0.4.0"

_HOMES = {
    "gigaam.recognition.chunking": ("ChunkingOptions",),
    "gigaam.decoding": ("DecodingOptions",),
    "gigaam.errors": (
        "ArgumentError",
        "AudioDecodingError",
        "AudioError",
        "AudioFileNotFoundError",
        "AudioTooLongError",
        "AudioWarning",
        "BulkError",
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
        "UnreachableError",
        "UnsafeCheckpointError",
        "WrongTaskError",
    ),
    "gigaam.output.formats": ("TextOptions",),
    "gigaam.loading": ("load_model",),
    "gigaam.model": ("GigaAM", "GigaAMASR", "GigaAMEmo"),
    "gigaam.preprocess": ("load_audio",),
    "gigaam.published.files": (  # for existing programs alone
        "_CACHE_DIR",
        "_MODEL_HASHES",
        "_URL_DIR",
        "_download_model",
        "_download_tokenizer",
        "hash_path",
    ),
    "gigaam.store.registry": ("ModelInfo", "available_models"),
    "gigaam.output.subtitles": ("SubtitleOptions",),
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
    "BulkError",
    "CheckpointError",
    "ChecksumError",
    "ChunkingOptions",
    "DatasetError",
    "DecodingOptions",
    "DownloadError",
    "ExportError",
    "GigaAM",
    "GigaAMASR",
    "GigaAMEmo",
    "GigaAMError",
    "LongformTranscriptionResult",
    "MissingDependencyError",
    "ModelError",
    "ModelInfo",
    "OfflineError",
    "Segment",
    "SubtitleOptions",
    "TextOptions",
    "TokenizerNotFoundError",
    "TranscriptionResult",
    "UnknownModelError",
    "UnreachableError",
    "UnsafeCheckpointError",
    "VadOptions",
    "Word",
    "WrongTaskError",
    "__version__",
    "available_models",
    "format_clock",
    "format_time",
    "load_audio",
    "load_model",
]


_MODULES = (
    "bulk",
    "decoder",
    "decoding",
    "encoder",
    "live",
    "model",
    "ngrams",
    "onnx",
    "onnx_utils",
    "preprocess",
    "timestamps_utils",
    "types",
    "utils",
    "vad_utils",
)

__getattr__ = importer(__name__, _HOME_OF, _MODULES)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
