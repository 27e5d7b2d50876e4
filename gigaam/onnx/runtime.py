"""Exported models, run by ONNX Runtime: recognition, embeddings and emotions without torch.

Shapes: B batch, n samples, F mel bands, T frames, D model width, P predictor width, V classes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import AudioSource, read_audio
from gigaam.decoding import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.decoding.nets import Transducer
from gigaam.errors import ArgumentError, CheckpointError
from gigaam.onnx.engine import onnxruntime
from gigaam.onnx.features import log_mel
from gigaam.onnx.metadata import GraphMetadata
from gigaam.onnx.nets import Net
from gigaam.onnx.sessions import Provider, open_sessions, providers_of
from gigaam.onnx.transducer import OnnxTransducer
from gigaam.quoting import brief, cut
from gigaam.recognition import SpeechRecognition
from gigaam.store.exports import only_name
from gigaam.store.registry import EmotionName, EncoderName, RecogniserName

__all__ = ["OnnxASR", "OnnxEmo", "OnnxEncoder", "from_sessions", "load"]

Waveform = NDArray[np.float32]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class GraphEncodings:
    """The encoder's results for one batch.

    Attributes:
        arrays: Of each recording, encodings [D, T], or log-probabilities [T, V] of a CTC graph.
        lengths: int64 [B], frames of each.
    """

    arrays: Sequence[Float]
    lengths: NDArray[np.int64]


class OnnxModel:
    """What all exported models share: the front-end and the session of the first graph.

    Args:
        metadata: The graph's metadata.
        session: Computes from features.
        features: Gives the features [F, T] of samples [n] in place of our front-end.
        batches: Whether recordings go through the first graph together; by default on a GPU. Those
            of int8 never do: their 8-bit products share one range over a call's inputs, and texts
            must not depend on the batch.
    """

    def __init__(
        self,
        metadata: GraphMetadata,
        session: onnxruntime.InferenceSession,
        features: Callable[[Waveform], Float] | None = None,
        batches: bool | None = None,
    ) -> None:
        self.metadata = metadata
        if batches and metadata.dtype == "int8":
            raise ArgumentError("an int8 export takes one recording at a time, never batches")
        self._net = Net(session, "encoder", 2, (2,) if metadata.kind == "emo" else (3, 1))
        self._features = features or partial(log_mel, front_end=metadata.front_end)
        if batches is None:  # what does not tell its precision may be int8
            batches = self.device == "cuda" and metadata.dtype in ("float32", "float16")
        self._batches = batches

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self.metadata.name} ({self.metadata.kind}) on {self.device}>"

    @property
    def device(self) -> str:
        """Where the nets run."""
        providers = self._net.session.get_providers()
        return "cuda" if "CUDAExecutionProvider" in providers else "cpu"

    def _run(self, *waveforms: Waveform) -> list[Any]:
        """The outputs of the first graph for recordings, padded to the longest of them."""
        features = [self._features(samples) for samples in waveforms]
        frames = np.array([each.shape[1] for each in features], np.int64)
        batch = features[0][None]
        if len(features) > 1:
            batch = np.zeros((len(features), len(features[0]), frames.max()), np.float32)
            for row, own in zip(batch, features, strict=True):
                row[:, : own.shape[1]] = own
        outputs = self._net(batch, frames)
        time_axis = 1 if self.metadata.kind == "ctc" else 2
        if len(outputs) == 2:
            encoded, lengths = outputs
            possible = (lengths >= 0) & (lengths <= encoded.shape[time_axis])
            if not len(encoded) == len(lengths) == len(batch) or not possible.all():
                self._net.refuse(f"{lengths} frames in an array of shape {encoded.shape}")
        return outputs

    def _read(self, wav_file: AudioSource, input_rate: int | None, track: int | None) -> Waveform:
        rate = self.metadata.front_end.sample_rate
        return read_audio(wav_file, sample_rate=rate, input_rate=input_rate, track=track)


class OnnxEncoder(OnnxModel):
    """A pre-trained encoder."""

    def embed_audio(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> tuple[Float, NDArray[np.int32]]:
        """Encodings of a recording, float32 [1, D, T], and their number, int32 [1].

        Args:
            wav_file: A path, the bytes of a file, an open binary file, or an array.
            input_rate: Rate of an array's samples, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        encoded, lengths = self._run(self._read(wav_file, input_rate, track))
        return encoded, lengths


class OnnxEmo(OnnxModel):
    """An emotion recogniser."""

    def get_probs(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> dict[str, float]:
        """Probability of each emotion of a recording; they sum to one.

        Args:
            wav_file: A path, the bytes of a file, an open binary file, or an array.
            input_rate: Rate of an array's samples, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        (probabilities,) = self._run(self._read(wav_file, input_rate, track))
        if probabilities.shape != (1, len(self.metadata.emotions)):
            names = brief(self.metadata.emotions)
            self._net.refuse(f"{probabilities.shape} probabilities of {names}")
        return dict(zip(self.metadata.emotions, probabilities[0].tolist(), strict=True))


class OnnxASR(OnnxModel, SpeechRecognition):
    """A speech recogniser with a CTC or an RNN-T head; threads may share it.

    Args:
        metadata: The first graph's metadata.
        session: Computes from features.
        transducer: Sessions of predictor and joint, of RNN-T models.
        features: Gives the features [F, T] of samples [n] in place of our front-end.
        batches: See `OnnxModel`.
    """

    def __init__(
        self,
        metadata: GraphMetadata,
        session: onnxruntime.InferenceSession,
        transducer: tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession] | None = None,
        features: Callable[[Waveform], Float] | None = None,
        batches: bool | None = None,
    ) -> None:
        super().__init__(metadata, session, features, batches)
        self._transducer: tuple[Net, Net] | None = None
        if transducer is not None:
            decoder, joint = transducer
            self._transducer = Net(decoder, "predictor", 3, (3, 3, 3)), Net(joint, "joint", 2, (4,))
        spelling: dict[str, Any] = {"vocabulary": metadata.vocabulary}
        if metadata.tokenizer is not None:
            spelling = {"model_path": metadata.tokenizer}
        if metadata.kind == "ctc":
            self.decoding = CTCGreedyDecoding(**spelling)
        else:
            self.decoding = RNNTGreedyDecoding(
                **spelling, max_symbols_per_step=metadata.max_symbols
            )

    def embed_audio(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> tuple[Float, NDArray[np.int32]]:
        """Encodings of a recording, float32 [1, D, T], and their number; of RNN-T models alone.

        Args:
            wav_file: A path, the bytes of a file, an open binary file, or an array.
            input_rate: Rate of an array's samples, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        if self._transducer is None:
            raise ArgumentError("a CTC graph gives no encodings: its head is part of it")
        encoded, lengths = self._run(self._read(wav_file, input_rate, track))
        return encoded, lengths

    def encode(self, waveforms: Sequence[Waveform]) -> GraphEncodings:
        """The results for a batch: on a GPU all at once, on a CPU one by one, which is faster."""
        if not self._batches or len(waveforms) < 2:
            runs = [self._run(samples) for samples in waveforms]
            arrays = [output[0] for output, _ in runs]
            frames = np.array([int(lengths[0]) for _, lengths in runs], np.int64)
            return GraphEncodings(arrays, frames)
        outputs, frames = self._run(*waveforms)
        headed = self.metadata.kind == "ctc"  # time comes first there
        arrays = [
            own[:length] if headed else own[:, :length]
            for own, length in zip(outputs, frames.tolist(), strict=True)
        ]
        return GraphEncodings(arrays, frames.astype(np.int64))

    def emissions(self, encodings: GraphEncodings) -> LogProbs:
        """Log-probabilities [B, T, V] of a batch."""
        if self._transducer is not None:
            return super().emissions(encodings)
        return ArrayLogProbs(_padded(encodings.arrays, 0))

    def transducer(self, encodings: GraphEncodings) -> Transducer[Any]:
        """A batch as an RNN-T search sees it."""
        if self._transducer is None:
            return super().transducer(encodings)
        blank, encoded = self.decoding.blank_id, _padded(encodings.arrays, 1)
        return OnnxTransducer(self.metadata, blank, *self._transducer, encoded)


def _padded(arrays: Sequence[Float], time_axis: int) -> Float:
    """Arrays of different lengths as one, the last frame of each repeated."""
    longest = max(array.shape[time_axis] for array in arrays)
    rows = []
    for array in arrays:
        width = [(0, 0), (0, 0)]
        width[time_axis] = (0, longest - array.shape[time_axis])
        rows.append(np.pad(array, width, mode="edge"))
    return np.stack(rows)


def from_sessions(
    sessions: Sequence[onnxruntime.InferenceSession],
    features: Callable[[Waveform], Float] | None = None,
    batches: bool | None = None,
) -> OnnxASR | OnnxEmo | OnnxEncoder:
    """The model of some sessions: the encoder's, and those of predictor and joint if it has them.

    Args:
        sessions: Of graphs that this library wrote.
        features: Gives the features [F, T] of samples [n] in place of our front-end.
        batches: See `OnnxModel`.
    """
    first, *rest = sessions
    try:
        properties = first.get_modelmeta().custom_metadata_map
    except ValueError as error:
        raise CheckpointError(f"the ONNX file's metadata is no text: {cut(error)}") from error
    metadata = GraphMetadata.from_strings(properties)
    if batches is not None and metadata.kind in ("emo", "ssl"):
        raise ArgumentError("batches= is for speech recognisers; others take one recording")
    if metadata.kind == "emo":
        return OnnxEmo(metadata, first, features)
    if metadata.kind == "ssl":
        return OnnxEncoder(metadata, first, features)
    if metadata.kind == "ctc":
        return OnnxASR(metadata, first, features=features, batches=batches)
    if len(rest) != 2:
        raise ArgumentError("an RNN-T model has three sessions: encoder, decoder, joint")
    return OnnxASR(metadata, first, (rest[0], rest[1]), features, batches)


@overload
def load(  # type: ignore[overload-overlap]  # a name is itself a str
    directory: str | os.PathLike[str],
    *,
    name: EncoderName,
    device: str | None = ...,
    providers: Sequence[Provider] | None = ...,
    without: Mapping[str, Collection[str]] | None = ...,
    threads: int | None = ...,
    session_options: onnxruntime.SessionOptions | None = ...,
) -> OnnxEncoder: ...
@overload
def load(  # type: ignore[overload-overlap]  # a name is itself a str
    directory: str | os.PathLike[str],
    *,
    name: EmotionName,
    device: str | None = ...,
    providers: Sequence[Provider] | None = ...,
    without: Mapping[str, Collection[str]] | None = ...,
    threads: int | None = ...,
    session_options: onnxruntime.SessionOptions | None = ...,
) -> OnnxEmo: ...
@overload
def load(
    directory: str | os.PathLike[str],
    *,
    name: RecogniserName | str | None = ...,
    device: str | None = ...,
    providers: Sequence[Provider] | None = ...,
    without: Mapping[str, Collection[str]] | None = ...,
    threads: int | None = ...,
    session_options: onnxruntime.SessionOptions | None = ...,
) -> OnnxASR: ...
def load(
    directory: str | os.PathLike[str],
    *,
    name: str | None = None,
    device: str | None = None,
    providers: Sequence[Provider] | None = None,
    without: Mapping[str, Collection[str]] | None = None,
    threads: int | None = None,
    session_options: onnxruntime.SessionOptions | None = None,
) -> OnnxASR | OnnxEmo | OnnxEncoder:
    """The model in a directory that ``to_onnx`` wrote.

    Args:
        directory: Holds the graphs.
        name: Which model, if it holds several.
        device: "cpu" (the default), "cuda" or "cuda:1", in place of ``providers``.
        providers: ONNX Runtime's, in order of preference, by name or as ``(name, options)``; by
            default the CPU's.
        without: Of parts ("encoder", "decoder", "joint"), the providers that they do not use:
            ``{"decoder": ["CUDAExecutionProvider"]}`` leaves it to the CPU.
        threads: CPU threads; by default one per core.
        session_options: All else that sessions can be told, in place of ``threads``.

    Returns:
        `OnnxASR`, `OnnxEmo` or `OnnxEncoder`. To type checkers it is an `OnnxASR`, as most models
        are, unless the name is one they know for another.

    Raises:
        CheckpointError: There is no model, or not one alone.
        ArgumentError: The device or a provider cannot be had, there is no such part, or two
            arguments say the same.
    """
    if device is not None:
        if providers is not None:
            raise ArgumentError("device= and providers= both say where to compute: give one")
        providers = providers_of(device)
    name = name or only_name(directory)
    how = {"providers": providers, "threads": threads, "options": session_options}
    return from_sessions(open_sessions(directory, name, without=without, **how))
