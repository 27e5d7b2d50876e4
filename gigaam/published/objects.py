"""Published names of models, searches, tokenizers and results.

Shapes: B batch, D encoder width, T frames, P predictor width, n samples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import Field, fields, make_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from typing_extensions import Self

    from gigaam.decoder import CTCHead, RNNTHead, State
    from gigaam.types import Word

__all__ = [
    "ModelNames",
    "RecogniserNames",
    "SearchNames",
    "TokenizerNames",
    "TransducerSearchNames",
    "dataclass_fields",
]


def dataclass_fields(*names: str) -> dict[str, Field[Any]]:
    """What makes ``dataclasses.asdict`` and ``fields`` take a class for a dataclass of these.

    Args:
        names: Attributes, which are also keyword arguments of the class.
    """
    return {each.name: each for each in fields(make_dataclass("Fields", names))}


class TokenizerNames:
    """Of `gigaam.decoding.tokenizer.Tokenizer`."""

    pieces: Any
    serialized: Any

    @property
    def charwise(self) -> bool:
        """Whether tokens are characters."""
        return self.serialized is None

    @property
    def vocab(self) -> list[str]:
        """``pieces``."""
        pieces: list[str] = self.pieces
        return pieces

    def id_to_str(self, the_id: int) -> str:
        """A token as it is written in the vocabulary."""
        return self.vocab[the_id]


class SearchNames:
    """Of `gigaam.decoding.CTCGreedyDecoding` and `gigaam.decoding.RNNTGreedyDecoding`."""

    def decode(
        self, head: CTCHead | RNNTHead, encoded: Tensor, lengths: Tensor
    ) -> list[tuple[str, list[int], list[int]]]:
        """Text, tokens and their frames of each recording of a batch.

        Args:
            head: What gives the probabilities.
            encoded: [B, D, T].
            lengths: int [B], frames of each recording.
        """
        from gigaam.decoder import Encodings

        decoding: Any = self
        return [
            (decoding.tokenizer.decode(ids), ids, found.frames.tolist())
            for found in decoding.find(head, Encodings(encoded, lengths.cpu().numpy()))
            for ids in [found.ids.tolist()]
        ]


class TransducerSearchNames(SearchNames):
    """Of `gigaam.decoding.RNNTGreedyDecoding` alone."""

    max_symbols_per_step: int

    @property
    def max_symbols(self) -> int:
        """``max_symbols_per_step``."""
        return self.max_symbols_per_step

    @staticmethod
    def _cat_states(states: Sequence[State]) -> State:
        """LSTM states of several batches as one: h and c [layers, B, P]."""
        import torch

        hidden, cells = zip(*states, strict=True)
        return torch.cat(hidden, dim=1), torch.cat(cells, dim=1)

    @staticmethod
    def _split_state(state: State) -> list[State]:
        """The LSTM states of each recording of a batch: h and c [layers, 1, P]."""
        h, c = state
        return [(h[:, row : row + 1], c[:, row : row + 1]) for row in range(h.size(1))]


class ModelNames:
    """Of `gigaam.GigaAM`."""

    @property
    def model(self) -> Self:
        """The model itself: that of Hugging Face's hub holds it within another."""
        return self

    @property
    def _device(self) -> torch.device:
        """Where the first parameter is."""
        device: torch.device = _first_parameter(self).device
        return device

    @property
    def _dtype(self) -> torch.dtype:
        """Precision of the first parameter, which is the encoder's."""
        dtype: torch.dtype = _first_parameter(self).dtype
        return dtype

    def _to_onnx(self, dir_path: str | os.PathLike[str] = ".", dtype: Any = "float32") -> None:
        """``to_onnx``."""
        model: Any = self
        model.to_onnx(dir_path, dtype)


def _first_parameter(model: Any) -> Any:
    return next(model.parameters())


class RecogniserNames:
    """Of `gigaam.GigaAMASR`."""

    def _decode(
        self, encoded: Tensor, encoded_len: Tensor, wav_lens: Tensor, word_timestamps: bool = False
    ) -> list[tuple[str, list[Word] | None]]:
        """The texts of a batch, with words if asked for.

        Args:
            encoded: [B, D, T].
            encoded_len: int [B], frames of each recording.
            wav_lens: int [B], samples of each recording, at 16 kHz.
            word_timestamps: Whether words are asked for.
        """
        from gigaam.decoder import Encodings
        from gigaam.decoding.timestamps import words_from_hypothesis
        from gigaam.timestamps_utils import compute_frame_shift

        model: Any = self
        tokenizer = model.decoding.tokenizer
        frames = encoded_len.tolist()
        encodings = Encodings(encoded, encoded_len.cpu().numpy())
        found = model.decoding.find(model.head, encodings)
        return [
            (
                tokenizer.decode(each.ids.tolist()),
                words_from_hypothesis(each, tokenizer, compute_frame_shift(*sizes))
                if word_timestamps
                else None,
            )
            for each, sizes in zip(found, zip(wav_lens.tolist(), frames, strict=True), strict=True)
        ]
