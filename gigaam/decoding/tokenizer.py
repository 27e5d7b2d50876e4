"""Tokens to text and back: characters of a vocabulary, or pieces of a SentencePiece model.

Both number their tokens from 0; the blank of CTC and RNN-T is the one id after the last token.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from gigaam.errors import (
    CheckpointError,
    MissingDependencyError,
    ModelError,
    TokenizerNotFoundError,
)
from gigaam.published.objects import TokenizerNames
from gigaam.regular_files import read_regular

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # ▁, SentencePiece's mark for the space before a word

_MAX_MODEL_BYTES = 64 << 20


@runtime_checkable
class Tokenizer(Protocol):
    """The mapping between token ids and text that a model was trained with."""

    @property
    def pieces(self) -> list[str]:
        """Every token as it is written in the vocabulary, by id."""

    @property
    def serialized(self) -> bytes | None:
        """The SentencePiece model to store beside a checkpoint, if there is one."""

    def __len__(self) -> int:
        """The number of tokens, blank not counted: the id of the blank."""

    def encode(self, text: str) -> list[int]:
        """The ids that spell a text."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids, taken together."""

    def is_space(self, token: int) -> bool:
        """Whether the token only separates words and belongs to none."""

    def starts_word(self, token: int) -> bool:
        """Whether a new word begins with this token."""

    def stands_alone(self, token: int) -> bool:
        """Whether the token is a word of its own: nothing before or after it joins it."""


class CharTokenizer(TokenizerNames):
    """Tokens that are characters; words are separated by the token ``" "``."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """A tokenizer over these characters.

        Args:
            vocabulary: The characters in the order of the model's classes, without the blank.
        """
        self._pieces = [str(piece) for piece in vocabulary]
        self._ids = {piece: index for index, piece in enumerate(self._pieces)}
        if not self._pieces or "" in self._ids or len(self._ids) < len(self._pieces):
            raise CheckpointError(
                "a vocabulary must list distinct characters, one per class of the model; "
                f"this one is {self._pieces}"
            )

    @property
    def pieces(self) -> list[str]:
        """The characters, by id."""
        return list(self._pieces)

    @property
    def serialized(self) -> None:
        """None: the model's config holds the vocabulary."""
        return None

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's characters; one outside the vocabulary is a ``ModelError``."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ModelError(
                f"the vocabulary has no {error.args[0]!r}; it has {''.join(self._pieces)!r}"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The characters in a row."""
        return "".join([self._pieces[token] for token in ids])

    def is_space(self, token: int) -> bool:
        """Whether the token is ``" "``."""
        return self._pieces[token] == " "

    def starts_word(self, token: int) -> bool:
        """False: only a space tells where a word begins."""
        return False

    def stands_alone(self, token: int) -> bool:
        """False: characters join their neighbours."""
        return False


class SentencePieceTokenizer(TokenizerNames):
    """Tokens that are pieces of a SentencePiece model; ``▁`` before a piece begins a word."""

    def __init__(self, model: str | os.PathLike[str] | bytes) -> None:
        """A tokenizer over that model.

        Args:
            model: The ``.model`` file, or its content.
        """
        self._processor = _load_processor(model)
        self._pieces = [self._processor.id_to_piece(i) for i in range(len(self._processor))]
        unknown = self._processor.unk_id()
        # The usual surface of <unk> is " ⁇ ", with its own spaces; a model may define one without.
        surface = self._processor.decode([unknown])
        self._lone = unknown if surface.startswith(" ") and surface.endswith(" ") else None

    @property
    def model(self) -> SentencePieceProcessor:
        """What splits and joins."""
        return self._processor

    @property
    def pieces(self) -> list[str]:
        """The pieces, by id, spaces written ``▁``."""
        return list(self._pieces)

    @property
    def serialized(self) -> bytes:
        """The content of the ``.model`` file."""
        return self._processor.serialized_model_proto()

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, as the model splits it."""
        return cast("list[int]", self._processor.encode(text))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; ``▁`` at its very start is no space."""
        return cast(str, self._processor.decode([int(token) for token in ids]))

    def is_space(self, token: int) -> bool:
        """False: spaces are part of the piece that begins a word."""
        return False

    def starts_word(self, token: int) -> bool:
        """Whether the piece starts with ``▁`` (a bare ``▁`` belongs to the word it begins)."""
        return self._pieces[token].startswith(WORD_START)

    def stands_alone(self, token: int) -> bool:
        """Whether the token is ``<unk>`` and is written with spaces around it."""
        return token == self._lone


def is_mark(piece: str) -> bool:
    """Whether a piece is ``<unk>`` or its like: no spelling of anything."""
    return len(piece) > 2 and (piece[0], piece[-1]) == ("<", ">")


def _load_processor(model: str | os.PathLike[str] | bytes) -> SentencePieceProcessor:
    """The SentencePiece processor of a ``.model`` file or its content."""
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise MissingDependencyError(
            "this model spells its text with SentencePiece: pip install sentencepiece"
        ) from error
    name = "the SentencePiece model" if isinstance(model, bytes) else f"{os.fspath(model)!r}"
    try:
        proto = model if isinstance(model, bytes) else read_regular(model, _MAX_MODEL_BYTES)
    except FileNotFoundError as error:
        raise TokenizerNotFoundError(
            f"no SentencePiece model at {name}: put the model's tokenizer file there"
        ) from error
    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(proto)
    except RuntimeError as error:
        raise CheckpointError(
            f"{name} is not a SentencePiece model ({len(proto)} bytes): {error}"
        ) from error
    return processor


def build_tokenizer(
    vocabulary: Sequence[str] | None = None,
    model_path: str | os.PathLike[str] | bytes | None = None,
) -> Tokenizer:
    """The tokenizer that a model's config describes.

    Args:
        vocabulary: Characters of a model that spells by characters; goes first if both are given.
        model_path: SentencePiece model: its file or its content.
    """
    if vocabulary is not None:
        return CharTokenizer(vocabulary)
    if model_path is not None:
        return SentencePieceTokenizer(model_path)
    raise CheckpointError(
        "the config's decoding has neither a `vocabulary` of characters nor a `model_path` "
        "of a SentencePiece model: one of them must say what the model's classes mean"
    )
