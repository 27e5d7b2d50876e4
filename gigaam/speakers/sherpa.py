"""Speakers by sherpa-onnx, which runs segmentation and embedding nets of several makers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import ArgumentError, CheckpointError, MissingDependencyError
from gigaam.onnx.sessions import open_session
from gigaam.speakers.turns import DiarizationStream, SpeakerCount, Turn, label, within
from gigaam.speakers.whole import WholeRecording

__all__ = ["SherpaDiarizer"]

_SAMPLE_RATE = 16_000

# What sherpa-onnx looks up in the files; without it, it ends the whole process.
_SEGMENTATION_KEYS = (
    "num_speakers",
    "powerset_max_classes",
    "num_classes",
    "sample_rate",
    "window_size",
    "receptive_field_size",
    "receptive_field_shift",
)
_EMBEDDING_KEYS = ("output_dim", "sample_rate", "language", "normalize_samples")
_NEMO_KEYS = (
    "output_dim",
    "sample_rate",
    "language",
    "feat_dim",
    "window_size_ms",
    "window_stride_ms",
    "window_type",
    "feature_normalize_type",
)


class SherpaDiarizer:
    """Tells speakers apart with sherpa-onnx. Threads may share it; they take turns.

    A recording is kept in memory until its end, 230 MB of an hour. Of how many people speak
    sherpa-onnx takes an exact number, but no range. It knows nobody by voice.
    """

    def __init__(
        self,
        segmentation_model: str | os.PathLike[str],
        embedding_model: str | os.PathLike[str],
        *,
        threshold: float = 0.5,
        threads: int = 1,
    ) -> None:
        """A diarizer with its nets opened.

        Args:
            segmentation_model: A file of pyannote's segmentation as sherpa-onnx publishes it.
            embedding_model: A file of an embedding of speakers as sherpa-onnx publishes it.
            threshold: The cosine distance, over 0, from which on clusters of voices are different
                people, where their number is not said. The right one depends on the embedding.
            threads: Threads of each net.

        Raises:
            MissingDependencyError: sherpa-onnx is not installed.
            ArgumentError: ``threshold`` or ``threads`` is not above 0.
            CheckpointError: A file is not what sherpa-onnx can open.
        """
        if not (isinstance(threshold, (int, float)) and threshold > 0):
            raise ArgumentError(f"threshold must be above 0, not {threshold!r}")
        if not (isinstance(threads, int) and threads >= 1):
            raise ArgumentError(f"threads must be a number from 1 on, not {threads!r}")
        self._sherpa = _imported()
        self._files = (
            _checked(segmentation_model, "segmentation"),
            _checked(embedding_model, "embedding"),
        )
        self._threshold, self._threads = threshold, threads
        self._running = threading.Lock()
        self._diarization = self._sherpa.OfflineSpeakerDiarization(self._config(SpeakerCount()))

    def stream(self, count: SpeakerCount) -> DiarizationStream:
        """Hear a recording from its start on; all of it is kept in memory.

        Args:
            count: How many people speak in it.

        Raises:
            ArgumentError: It is a range.
        """
        if count.least != count.most and count != SpeakerCount():
            raise ArgumentError(
                f"sherpa-onnx takes no range of speakers such as {count.least} to {count.most}: "
                "give their exact number, or none"
            )
        return WholeRecording(lambda samples: self._turns(samples, count))

    def _turns(self, samples: NDArray[np.float32], count: SpeakerCount) -> list[Turn]:
        with self._running:
            self._diarization.set_config(self._config(count))
            found = self._diarization.process(samples).sort_by_start_time()
        turns = (Turn(each.start, each.end, label(each.speaker)) for each in found)
        return within(turns, len(samples) / _SAMPLE_RATE)

    def _config(self, count: SpeakerCount) -> Any:
        sherpa, (segmentation, embedding) = self._sherpa, self._files
        pyannote = sherpa.OfflineSpeakerSegmentationPyannoteModelConfig(model=segmentation)
        return sherpa.OfflineSpeakerDiarizationConfig(
            segmentation=sherpa.OfflineSpeakerSegmentationModelConfig(
                pyannote=pyannote, num_threads=self._threads
            ),
            embedding=sherpa.SpeakerEmbeddingExtractorConfig(
                model=embedding, num_threads=self._threads
            ),
            clustering=sherpa.FastClusteringConfig(
                num_clusters=count.most if count.least == count.most else -1,
                threshold=self._threshold,
            ),
        )


def _imported() -> Any:
    try:
        import sherpa_onnx
    except ImportError as error:  # also where the package sherpa-onnx-core is missing
        raise MissingDependencyError(
            f"sherpa-onnx cannot be imported ({error}): pip install sherpa-onnx"
        ) from error
    return sherpa_onnx


def _checked(path: str | os.PathLike[str], kind: str) -> str:
    """The path, if the file says of itself what sherpa-onnx wants to know."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise CheckpointError(f"{file} is no file: the {kind} model of sherpa-onnx is needed")
    told = open_session(file).get_modelmeta().custom_metadata_map
    keys: tuple[str, ...]
    if kind == "segmentation":
        keys = _SEGMENTATION_KEYS
    else:
        keys = _NEMO_KEYS if told.get("framework") == "nemo" else _EMBEDDING_KEYS
    missing = [key for key in keys if key not in told]
    if missing:
        raise CheckpointError(
            f"{file} lacks the metadata of a {kind} model of sherpa-onnx ({', '.join(missing)}): "
            "take the files that sherpa-onnx publishes"
        )
    if told["sample_rate"] != str(_SAMPLE_RATE):
        raise CheckpointError(f"{file} is for {told['sample_rate']} Hz, not {_SAMPLE_RATE}")
    return str(file)
