"""Binary files of KenLM, asked through its own library."""

from __future__ import annotations

import math
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import CheckpointError, MissingDependencyError
from gigaam.ngrams.model import LN_10, NEVER, SPECIAL, START, UNKNOWN, NGramModel, State
from gigaam.quoting import cut
from gigaam.regular_files import open_regular

__all__ = ["KENLM_MAGIC", "KenLMModel"]

KENLM_MAGIC = b"mmap lm http://kheafield.com/code"
_NOBODY = -1  # no word here in a state: the context is shorter


class KenLMModel(NGramModel):
    """A model in KenLM's binary format.

    A state is the ids of the last words, as many as the longest context has.

    Args:
        path: The file. It must hold its words, as build_binary writes them by default. KenLM
            trusts its files: take them from where you would take a program.

    Raises:
        CheckpointError: KenLM refuses it, or it has no words.
        MissingDependencyError: kenlm is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._kenlm = _library()
        try:
            self._model = self._kenlm.Model(os.fspath(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be opened by KenLM: {cut(error)}") from error
        super().__init__(_words(path))
        self.order, self.unit, self.card = self._model.order, "word", {}
        self.empty = (_NOBODY,) * (self.order - 1)
        self.start = self._after(self.empty, self._ids[START])
        self._lift = 0.0
        self._lift = self._missing_unknown()

    def _missing_unknown(self) -> float:
        """What is added to the unknown word's log-probability where the file gives it none."""
        unigrams = self.unigrams()
        if unigrams[self.unknown] > NEVER * LN_10:
            return 0.0
        plain = [index for index, word in enumerate(self.words) if word not in SPECIAL]
        least = float(unigrams[plain].min()) - math.log(len(plain)) if plain else 0.0
        return least - float(unigrams[self.unknown])

    def unigrams(self) -> NDArray[np.float64]:
        """Natural log-probabilities of all words without a context, by id."""
        state, after = self._kenlm.State(), self._kenlm.State()
        self._model.NullContextWrite(state)
        found = [self._model.BaseScore(state, word, after) for word in self.words]
        values = np.array(found) * LN_10
        values[self.unknown] += self._lift
        return values

    def _found(self, state: State, word: int) -> tuple[float, State]:
        value = self._model.BaseScore(self._state(state), self.words[word], self._kenlm.State())
        lift = self._lift if word == self.unknown else 0.0
        return value * LN_10 + lift, self._after(state, word)

    def _after(self, state: State, word: int) -> State:
        return (*state, word)[1:] if state else ()

    def _state(self, state: State) -> Any:
        """KenLM's state after these words."""
        here, after = self._kenlm.State(), self._kenlm.State()
        self._model.NullContextWrite(here)
        for word in state:
            if word == _NOBODY:
                continue
            if self.words[word] == START:
                self._model.BeginSentenceWrite(here)
                continue
            self._model.BaseScore(here, self.words[word], after)
            here, after = after, here
        return here


def _library() -> Any:
    try:
        import kenlm
    except ImportError as error:
        raise MissingDependencyError(
            "binary files of KenLM need the package kenlm: pip install ufal-kenlm"
        ) from error
    return kenlm


def _words(path: Path) -> list[str]:
    """The words at the end of the file, which KenLM's library does not tell."""
    with open_regular(path) as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with content:
        first = content.rfind(UNKNOWN.encode() + b"\0")
        block = content[first:] if first >= 0 else b""
    try:
        words = block.rstrip(b"\0").decode().split("\0")
    except UnicodeDecodeError:
        words = []
    if len(set(words)) != len(words) or not {*SPECIAL} <= {*words}:
        raise CheckpointError(f"{path} does not hold its words: build it with them (build_binary)")
    return words
