"""From log-probabilities to tokens: greedy CTC and RNN-T search over ragged batches, in numpy.

Shapes: B recordings, A those still unfinished, T frames, W frames of a block, U tokens, V classes
(the last is blank). Each backend hands over whole rows of log-probabilities and keeps its own
arrays to itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.tokenizer import Tokenizer, build_tokenizer
from gigaam.errors import ArgumentError, ModelError
from gigaam.published.objects import SearchNames, TransducerSearchNames

StateT = TypeVar("StateT")

# Measured with a 320-wide predictor and 34 or 1025 classes on batches of 1, 8 and 32: wide enough
# that most calls find a token (one per 2 frames for characters, per 7 for pieces), narrow enough
# that few joined frames are thrown away. 4 to 12 are within 20 % of each other.
_BLOCK_FRAMES = 6


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """The tokens found in one recording.

    Attributes:
        ids: Token ids, int64 [U].
        frames: The encoder frame each token belongs to, int64 [U], never decreasing. For CTC the
            first frame of the token's run; for RNN-T the frame it was emitted at.
        log_probs: Natural logarithm of each token's probability, float32 [U]. For CTC the highest
            in its run: a run ramps up and down, and how long it lingers says nothing about which
            token it is. For RNN-T the one it was emitted with.
    """

    ids: NDArray[np.int64]
    frames: NDArray[np.int64]
    log_probs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def confidence(self) -> float:
        """Geometric mean of the tokens' probabilities, in [0, 1]; 0 when there is no token."""
        return mean_probability(self.log_probs)


def mean_probability(log_probs: NDArray[np.float32]) -> float:
    """Geometric mean of probabilities, in [0, 1]: the confidence of words and of whole results.

    Unlike a product it does not fall with length. No tokens give 0: nothing was recognised, and
    code that keeps what is above a threshold drops it.

    Args:
        log_probs: Their natural logarithms, float32 [U].
    """
    if not len(log_probs):
        return 0.0
    return min(1.0, float(np.exp(np.mean(log_probs, dtype=np.float64))))


class Transducer(Protocol[StateT]):
    """One batch of encoded recordings, as the RNN-T search sees it.

    A state holds the prediction network's memory of all B rows; methods return a new one or change
    it in place, and the search only ever uses the latest.
    """

    def start(self) -> StateT:
        """The state before the first token: zero memory, a zero vector in place of an embedding."""

    def advance(self, state: StateT, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> StateT:
        """The state after ``labels`` [A] were fed to ``rows`` [A]; other rows stay as they are."""

    def join(
        self,
        state: StateT,
        rows: NDArray[np.int64],
        first_frames: NDArray[np.int64],
        width: int,
    ) -> NDArray[np.float32]:
        """Log-probabilities [A, width, V] of ``width`` frames of each row from its first frame on.

        Frames past a recording's end repeat its last one; the search ignores them.
        """


class _GreedyDecoding:
    """What both searches share: the tokenizer that the published configs describe."""

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        model_path: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        self.tokenizer: Tokenizer = build_tokenizer(vocabulary, model_path)
        self.blank_id = len(self.tokenizer)

    def _check_classes(self, classes: int) -> None:
        if classes != self.blank_id + 1:
            raise ModelError(
                f"the head has {classes} classes, but {self.blank_id} tokens and a blank need "
                f"{self.blank_id + 1}: this tokenizer belongs to another model"
            )


class CTCGreedyDecoding(_GreedyDecoding, SearchNames):
    """Greedy CTC search: the best class of each frame, repeats collapsed, blanks dropped."""

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        model_path: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        """A search over these tokens.

        Args:
            vocabulary: Characters, in the order of the classes; goes first if both are given.
            model_path: SentencePiece model: its file or its content.
        """
        super().__init__(vocabulary, model_path)

    def search(
        self, log_probs: NDArray[np.float32], lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording.

        Args:
            log_probs: Log-probabilities, float32 [B, T, V].
            lengths: Frames of each recording, int [B]; what lies past them is ignored.
        """
        self._check_classes(log_probs.shape[-1])
        best = log_probs.argmax(axis=-1)
        best_log_probs = np.take_along_axis(log_probs, best[..., None], axis=-1)[..., 0]
        return [
            self._collapse(row[: int(length)], row_log_probs[: int(length)])
            for row, row_log_probs, length in zip(best, best_log_probs, lengths, strict=True)
        ]

    def _collapse(self, path: NDArray[np.int64], log_probs: NDArray[np.float32]) -> Hypothesis:
        """The tokens of one recording's best path [T] with its log-probabilities [T]."""
        begins = np.flatnonzero(np.diff(path, prepend=-1))
        ids = path[begins]
        peaks = np.maximum.reduceat(log_probs, begins) if len(begins) else log_probs[:0]
        kept = ids != self.blank_id
        return Hypothesis(
            ids=ids[kept].astype(np.int64),
            frames=begins[kept].astype(np.int64),
            log_probs=peaks[kept].astype(np.float32),
        )


class RNNTGreedyDecoding(_GreedyDecoding, TransducerSearchNames):
    """Greedy RNN-T search over a ragged batch by label looping (arXiv 2406.06220).

    The loop runs over tokens, not frames: each step takes every unfinished recording to its next
    token, however many frames away. What a recording gets is what a loop of its own would give it.
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        model_path: str | os.PathLike[str] | bytes | None = None,
        max_symbols_per_step: int = 10,
        block_frames: int = _BLOCK_FRAMES,
    ) -> None:
        """A search over these tokens.

        Args:
            vocabulary: Characters, in the order of the classes; goes first if both are given.
            model_path: SentencePiece model: its file or its content.
            max_symbols_per_step: Most tokens emitted at one frame before the next frame's turn.
            block_frames: Frames joined in one call; changes the speed, not the result.
        """
        super().__init__(vocabulary, model_path)
        for name, value in (
            ("max_symbols_per_step", max_symbols_per_step),
            ("block_frames", block_frames),
        ):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, not {value}")
        self.max_symbols_per_step = max_symbols_per_step
        self.block_frames = block_frames

    def search(
        self, transducer: Transducer[StateT], lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording.

        Args:
            transducer: The encoded recordings.
            lengths: Frames of each recording, int [B].
        """
        emitted = _Emissions()
        n_frames = np.asarray(lengths, dtype=np.int64).reshape(-1)
        # Cursors of the unfinished recordings, compacted as recordings finish: all [A].
        rows = np.flatnonzero(n_frames > 0)
        ends = n_frames[rows]
        frames = np.zeros(len(rows), dtype=np.int64)
        symbols = np.zeros(len(rows), dtype=np.int64)
        state = transducer.start() if len(rows) else None
        while len(rows):
            assert state is not None
            block = transducer.join(state, rows, frames, self.block_frames)
            labels, log_probs, skipped = self._first_tokens(block)
            frames = frames + skipped
            found = (labels != self.blank_id) & (frames < ends)
            emitted.add(found, rows, labels, frames, log_probs)

            symbols = symbols * (skipped == 0) + found
            capped = symbols >= self.max_symbols_per_step
            frames = frames + capped
            symbols[capped] = 0
            unfinished = frames < ends
            found = found & unfinished  # a finished recording needs no next state
            if found.any():
                state = transducer.advance(state, rows[found], labels[found])
            if not unfinished.all():
                cursors = rows, ends, frames, symbols
                rows, ends, frames, symbols = (each[unfinished] for each in cursors)
        return emitted.hypotheses(len(n_frames))

    def _first_tokens(
        self, block: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """The first non-blank of each row of a block of log-probabilities [A, W, V].

        Returns:
            Its label, its log-probability and the frames before it; of a row without any: blank,
            that of the first blank, and the whole block. All [A].
        """
        self._check_classes(block.shape[-1])
        best = block.argmax(axis=-1)
        first = (best != self.blank_id).argmax(axis=1)
        row = np.arange(len(block))
        labels = best[row, first]
        skipped = np.where(labels != self.blank_id, first, block.shape[1])
        return labels, block[row, first, labels], skipped


class _Emissions:
    """Tokens as the search emits them, step by step; sorted by row in the end."""

    def __init__(self) -> None:
        empty = np.zeros(0, dtype=np.int64)
        self._steps = [(empty.astype(bool), empty, empty, empty, empty.astype(np.float32))]

    def add(
        self,
        found: NDArray[np.bool_],
        rows: NDArray[np.int64],
        ids: NDArray[np.int64],
        frames: NDArray[np.int64],
        log_probs: NDArray[np.float32],
    ) -> None:
        """A token for each of these rows where one was found: all [A]."""
        self._steps.append((found, rows, ids, frames, log_probs))

    def hypotheses(self, batch: int) -> list[Hypothesis]:
        """The tokens of rows 0 … batch - 1, each row's in the order they came."""
        found, *columns = (np.concatenate(each) for each in zip(*self._steps, strict=True))
        rows, ids, frames, log_probs = (column[found] for column in columns)
        order = np.argsort(rows, kind="stable")
        bounds = np.searchsorted(rows[order], np.arange(1, batch))
        parts = (np.split(column[order], bounds) for column in (ids, frames, log_probs))
        return [
            Hypothesis(i.astype(np.int64), f.astype(np.int64), p.astype(np.float32))
            for i, f, p in zip(*parts, strict=True)
        ][:batch]
