"""What an exported graph says about its model, so that it can be run without anything else.

The values are strings, as ONNX has it: plain ones, JSON, or base64 of little-endian float32.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer
from gigaam.errors import CheckpointError
from gigaam.quoting import brief, cut
from gigaam.store.registry import Task
from gigaam.store.rules import Choice, FileName, Limits, Maybe, Rule, Texts
from gigaam.store.schema import (
    HOP,
    KINDS,
    LSTM_LAYERS,
    MOST_EMOTIONS,
    MOST_TOKENS,
    N_FFT,
    RATE,
    SIDE,
    SYMBOLS,
)

DType = Literal["float32", "float16", "int8"]
"""Of an export. The inputs and outputs of its graphs are float32 in all of them."""

ENCODER_INPUTS = ("audio_signal", "length")
"""Log-mel features float32 [B, F, T] and the frames of each, int64 [B]; also of ssl."""
ENCODER_OUTPUTS = ("encoded", "encoded_len")
"""Encodings float32 [B, D, T'] and their number, int32 [B]."""
HEADED_INPUTS = ("features", "feature_lengths")
"""The same inputs, as graphs with a head call them."""
CTC_OUTPUTS = ("log_probs", "encoded_lengths")
"""Log-probabilities float32 [B, T', V] and their number, int32 [B]."""
EMO_OUTPUTS = ("probs",)
"""Probabilities float32 [B, emotions]."""
DECODER_INPUTS = ("x", "hi", "ci")
"""Last labels int64 [B, 1]; blank is a zero vector. LSTM states float32 [layers, B, P]."""
DECODER_OUTPUTS = ("dec", "ho", "co")
"""Predictions float32 [B, 1, P] and new states."""
JOINT_INPUTS = ("enc", "dec")
"""Encodings float32 [B, D, T] and predictions [B, P, U]."""
JOINT_OUTPUTS = ("joint",)
"""Log-probabilities float32 [B, T, U, V]."""

_PREFIX = "gigaam."
_NUMBERS = ("sample_rate", "hop_length", "n_fft", "max_symbols", "layers", "width")
_RULES: Mapping[str, Rule] = {
    "kind": Choice(KINDS),
    "name": FileName(),
    "sample_rate": RATE,
    "hop_length": HOP,
    "n_fft": N_FFT,
    "center": Choice((True, False)),
    "dtype": Choice(("", *get_args(DType))),
    "vocabulary": Maybe(Texts(MOST_TOKENS)),
    "emotions": Texts(MOST_EMOTIONS),
}
_TRANSDUCER_RULES = {"max_symbols": SYMBOLS, "layers": LSTM_LAYERS, "width": SIDE}
_NO_TRANSDUCER_RULES = {name: replace(rule, low=0) for name, rule in _TRANSDUCER_RULES.items()}


@dataclass(frozen=True)
class FrontEnd:
    """The numbers of the log-mel front-end.

    Attributes:
        sample_rate: Hz.
        hop_length: Samples between frames.
        n_fft: Points of the transform.
        center: Whether frames are centred on multiples of the hop.
        window: float32 [window].
        mel_matrix: float32 [n_fft / 2 + 1, F].
    """

    sample_rate: int
    hop_length: int
    n_fft: int
    center: bool
    window: NDArray[np.float32]
    mel_matrix: NDArray[np.float32]


@dataclass(frozen=True)
class GraphMetadata:
    """What is needed to run an exported model.

    Attributes:
        kind: What it does.
        name: What the model is called.
        front_end: How features are computed.
        vocabulary: Characters, of models of characters.
        tokenizer: A serialized SentencePiece model, of models of subwords.
        max_symbols: Tokens per frame at most, of transducers.
        layers: LSTM layers of the predictor, of transducers.
        width: Its width.
        emotions: Names of the classes, of emotion models.
        dtype: Precision of the layers; empty in exports of before it was told.
    """

    kind: Task
    name: str
    front_end: FrontEnd
    vocabulary: Sequence[str] | None = None
    tokenizer: bytes | None = None
    max_symbols: int = 0
    layers: int = 0
    width: int = 0
    emotions: Sequence[str] = ()
    dtype: DType | Literal[""] = ""

    def build_tokenizer(self) -> CharTokenizer | SentencePieceTokenizer:
        """What spells the tokens."""
        if self.tokenizer is not None:
            return SentencePieceTokenizer(self.tokenizer)
        if self.vocabulary is None:
            raise CheckpointError(f"the graph of {self.name} has neither vocabulary nor tokenizer")
        return CharTokenizer(self.vocabulary)

    def to_strings(self) -> dict[str, str]:
        """The properties of an ONNX file."""
        front_end = self.front_end
        fields: dict[str, str] = {
            "kind": self.kind,
            "name": self.name,
            "sample_rate": str(front_end.sample_rate),
            "hop_length": str(front_end.hop_length),
            "n_fft": str(front_end.n_fft),
            "center": json.dumps(front_end.center),
            "window": _from_array(front_end.window),
            "mel_matrix": _from_array(front_end.mel_matrix),
            "max_symbols": str(self.max_symbols),
            "layers": str(self.layers),
            "width": str(self.width),
            "emotions": json.dumps(list(self.emotions), ensure_ascii=False),
            "dtype": self.dtype,
        }
        if self.vocabulary is not None:
            fields["vocabulary"] = json.dumps(list(self.vocabulary), ensure_ascii=False)
        if self.tokenizer is not None:
            fields["tokenizer"] = base64.b64encode(self.tokenizer).decode()
        return {_PREFIX + name: value for name, value in fields.items()}

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> GraphMetadata:
        """The metadata in the properties of an ONNX file.

        Raises:
            CheckpointError: They are missing or not ours.
        """
        try:
            fields = _Fields(strings)
            numbers = {name: int(fields[name]) for name in _NUMBERS}
            mel_matrix = _to_array(fields["mel_matrix"])
            metadata = cls(
                kind=fields["kind"],
                name=fields["name"],
                front_end=FrontEnd(
                    sample_rate=numbers["sample_rate"],
                    hop_length=numbers["hop_length"],
                    n_fft=numbers["n_fft"],
                    center=json.loads(fields["center"]),
                    window=_to_array(fields["window"]),
                    mel_matrix=mel_matrix.reshape(numbers["n_fft"] // 2 + 1, -1),
                ),
                vocabulary=json.loads(fields.get("vocabulary", "null")),
                tokenizer=base64.b64decode(fields.get("tokenizer", ""), validate=True) or None,
                max_symbols=numbers["max_symbols"],
                layers=numbers["layers"],
                width=numbers["width"],
                emotions=json.loads(fields["emotions"]),
                dtype=fields.get("dtype", ""),
            )
        except (KeyError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"the ONNX file has no metadata of this library ({cut(error)}): export it again"
            ) from error
        metadata._check()
        return replace(metadata, emotions=tuple(metadata.emotions))

    def _check(self) -> None:
        """Refuses what no model can have."""
        front_end = self.front_end
        values = {**vars(front_end), **vars(self)}
        more = _TRANSDUCER_RULES if self.kind == "rnnt" else _NO_TRANSDUCER_RULES
        rules: Mapping[str, Rule] = {**_RULES, **more}
        for name, rule in rules.items():
            if fault := rule.fault(values[name], Limits()):
                raise CheckpointError(
                    f"the ONNX file's {name} is {brief(values[name])}, but it {fault}"
                )
        window, mel_matrix = front_end.window, front_end.mel_matrix
        if not 1 <= window.size <= front_end.n_fft or not 1 <= mel_matrix.shape[1] <= 1_024:
            raise CheckpointError("the ONNX file's window or mel_matrix has an impossible size")
        if not (np.isfinite(window).all() and np.isfinite(mel_matrix).all()):
            raise CheckpointError("the ONNX file's window or mel_matrix holds no numbers")
        if front_end.hop_length * 1_000 < front_end.sample_rate:
            raise CheckpointError(
                f"the ONNX file's hop_length is {front_end.hop_length}: over a thousand frames a "
                "second"
            )


class _Fields:
    def __init__(self, strings: Mapping[str, str]) -> None:
        self._strings = strings

    def __getitem__(self, name: str) -> Any:
        return self._strings[_PREFIX + name]

    def get(self, name: str, default: str) -> Any:
        return self._strings.get(_PREFIX + name, default)


def _from_array(array: NDArray[np.float32]) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def _to_array(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
