"""Greedy search: CTC and RNN-T over ragged batches, in numpy.

Shapes: B recordings, A those still unfinished, T frames, W frames of a block, U tokens, V classes
(the last is blank).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs, check_classes
from gigaam.decoding.nets import BLOCK_FRAMES, Emitting, EncodedT, StatesT, Transducer, Transducing
from gigaam.decoding.tokenizer import Tokenizer, build_tokenizer
from gigaam.errors import ArgumentError
from gigaam.published.objects import SearchNames, TransducerSearchNames


class _GreedyDecoding:
    """What both searches share: the tokenizer that the published configs describe."""

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        model_path: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        self.tokenizer: Tokenizer = build_tokenizer(vocabulary, model_path)
        self.blank_id = len(self.tokenizer)


class CTCGreedyDecoding(_GreedyDecoding, SearchNames):
    """Greedy CTC search: the best class of each frame, repeats collapsed, blanks dropped."""

    head: ClassVar[Literal["ctc"]] = "ctc"

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

    def find(self, nets: Emitting[EncodedT], encoded: EncodedT) -> list[Hypothesis]:
        """The tokens of each recording of a batch that the nets encoded."""
        return self.search(nets.emissions(encoded), encoded.lengths)

    def search(
        self, log_probs: NDArray[np.float32] | LogProbs, lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording.

        Args:
            log_probs: Log-probabilities, float32 [B, T, V].
            lengths: Frames of each recording, int [B]; what lies past them is ignored.
        """
        if isinstance(log_probs, np.ndarray):
            log_probs = ArrayLogProbs(log_probs)
        check_classes(log_probs.classes, self.blank_id)
        best, best_log_probs = log_probs.best()
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

    head: ClassVar[Literal["rnnt"]] = "rnnt"

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        model_path: str | os.PathLike[str] | bytes | None = None,
        max_symbols_per_step: int = 10,
        block_frames: int = BLOCK_FRAMES,
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

    def find(self, nets: Transducing[EncodedT], encoded: EncodedT) -> list[Hypothesis]:
        """The tokens of each recording of a batch that the nets encoded."""
        return self.search(nets.transducer(encoded), encoded.lengths)

    def search(
        self, transducer: Transducer[StatesT], lengths: Sequence[int] | NDArray[Any]
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
        states = transducer.start().select(rows) if len(rows) else None
        while len(rows):
            assert states is not None
            block = transducer.join(states, rows, frames, self.block_frames)
            labels, log_probs, skipped = self._first_tokens(block)
            frames = frames + skipped
            found = (labels != self.blank_id) & (frames < ends)
            emitted.add(found, rows, labels, frames, log_probs)

            symbols = symbols * (skipped == 0) + found
            capped = symbols >= self.max_symbols_per_step
            if np.count_nonzero(capped):  # a tenth of what any() takes of so few
                frames = frames + capped
                symbols[capped] = 0
            unfinished = frames < ends
            if np.count_nonzero(unfinished) < len(rows):
                states = states.select(np.flatnonzero(unfinished))
                cursors = rows, ends, frames, symbols, found, labels
                rows, ends, frames, symbols, found, labels = (each[unfinished] for each in cursors)
            tokens = np.count_nonzero(found)
            if tokens == len(found) > 0:
                states = transducer.advance(states, labels)
            elif tokens:
                index = np.flatnonzero(found)
                states = transducer.advance(states, labels[index], index)
        return emitted.hypotheses(len(n_frames))

    def _first_tokens(
        self, block: LogProbs
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """The first non-blank of each row of a block of log-probabilities [A, W, V].

        Returns:
            Its label, its log-probability and the frames before it; of a row without any: blank,
            that of the first blank, and the whole block. All [A].
        """
        check_classes(block.classes, self.blank_id)
        best, log_probs = block.best()
        first = (best != self.blank_id).argmax(axis=1)
        place = np.arange(0, best.size, best.shape[1]) + first
        labels = best.take(place)
        skipped = np.where(labels != self.blank_id, first, best.shape[1])
        return labels, log_probs.take(place), skipped


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
