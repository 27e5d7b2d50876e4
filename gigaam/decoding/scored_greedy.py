"""Greedy RNN-T search under what scorers add: one sequence a recording.

Like `gigaam.decoding.greedy` it goes from token to token (arXiv 2406.06220), all recordings of a
batch at once; only where a frame leaves a choice is the scorer asked.

Shapes: B recordings, A those still unfinished, W frames of a block, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf, log, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.log_probs import LogProbs, check_classes
from gigaam.decoding.nets import BLOCK_FRAMES, EncodedT, StatesT, Transducer, Transducing
from gigaam.decoding.pruning import NOT_NUMBERS, Pruning
from gigaam.decoding.scoring import RememberingScorer
from gigaam.errors import ModelError

__all__ = ["ScoredRNNTGreedyDecoding"]


@dataclass(frozen=True)
class ScoredRNNTGreedyDecoding:
    """At each frame blank or the token that is best with what a scorer adds.

    What was lent for a word that turns out otherwise is taken back from all tokens alike, so that
    it says which token comes, but not whether one is due: else blanks would swallow letters.

    Attributes:
        blank_id: The class that is no token.
        scorer: What is added to the nets' scores.
        max_symbols_per_step: Most tokens emitted at one frame before the next frame's turn.
        pruning: What is not tried.
    """

    blank_id: int
    scorer: RememberingScorer
    max_symbols_per_step: int
    pruning: Pruning

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
        ends = np.asarray(lengths, np.int64).reshape(-1).tolist()
        start = tuple(self.scorer.start().tolist())
        paths = [_Path(self, end, start) for end in ends]
        rows = [row for row, end in enumerate(ends) if end > 0]
        states = transducer.start() if rows else None
        if states is not None and len(rows) < len(ends):
            states = states.select(np.array(rows, np.int64))
        while rows:
            assert states is not None
            frames = np.array([paths[row].at for row in rows], np.int64)
            block = transducer.join(states, np.array(rows, np.int64), frames, BLOCK_FRAMES)
            labels = self._next_tokens(block, [paths[row] for row in rows])
            unfinished = [i for i, row in enumerate(rows) if paths[row].at < ends[row]]
            if len(unfinished) < len(rows):
                states = states.select(np.array(unfinished, np.int64))
                rows, labels = [rows[i] for i in unfinished], [labels[i] for i in unfinished]
            found = [i for i, label in enumerate(labels) if label >= 0]
            if len(found) == len(rows) > 0:
                states = transducer.advance(states, np.array(labels, np.int64))
            elif found:
                tokens = np.array([labels[i] for i in found], np.int64)
                states = transducer.advance(states, tokens, np.array(found, np.int64))
        return [path.hypothesis() for path in paths]

    def _next_tokens(self, block: LogProbs, paths: Sequence[_Path]) -> list[int]:
        """Takes each path to its next token, which it gives, or past its block, -1: [A]."""
        check_classes(block.classes, self.blank_id)
        blank = block.of(self.blank_id).tolist()
        labels, log_probs = block.top(min(self.pruning.tokens, self.blank_id) + 1)
        return [
            path.to_next_token(*each)
            for path, *each in zip(paths, blank, labels.tolist(), log_probs.tolist(), strict=True)
        ]


@dataclass
class _Path:
    """One recording's sequence as far as it is found."""

    search: ScoredRNNTGreedyDecoding
    end: int
    state: tuple[int, ...]
    at: int = 0
    score: float = 0.0
    symbols: int = 0
    limit: float = -inf
    steps: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        scorer = self.search.scorer
        self._expect(bool(scorer.expects(np.array([self.state], np.int64))[0]))

    def _expect(self, expects: bool) -> None:
        """Sets from which log-probability on blank is certain."""
        pruning = self.search.pruning
        self.limit = log(pruning.blank_expecting if expects else pruning.blank)

    def to_next_token(
        self, blank: list[float], labels: list[list[int]], log_probs: list[list[float]]
    ) -> int:
        """Goes on through a block; the next token in it, or -1.

        Args:
            blank: Log-probabilities of blank, [W].
            labels: Classes, the most probable first, [W][M].
            log_probs: Theirs.
        """
        weight, most = 1 + self.search.scorer.lm_weight, self.search.max_symbols_per_step
        for of_blank, ids, values in zip(blank, labels, log_probs, strict=True):
            if of_blank != of_blank:
                raise ModelError(NOT_NUMBERS)
            if of_blank < self.limit:
                token = self._token(of_blank, ids, values)
                if token >= 0:
                    self.symbols += 1
                    if self.symbols >= most:
                        self._go_on()
                    return token
            self.score += weight * of_blank
            self._go_on()
            if self.at == self.end:
                break
        return -1

    def _go_on(self) -> None:
        self.at += 1
        self.symbols = 0

    def _token(self, of_blank: float, labels: list[int], log_probs: list[float]) -> int:
        """The best token of a frame, if it is due, else -1; the path goes on with it."""
        search = self.search
        step, blank_id = search.scorer.step, search.blank_id
        least = log_probs[0] - search.pruning.token_threshold
        best, due = -inf, -inf
        for label, log_prob in zip(labels, log_probs, strict=True):
            if log_prob <= least:
                break
            if label == blank_id:
                continue
            state, gain, expects = step(self.state, label)
            due = max(due, log_prob + max(gain, 0.0))
            if log_prob + gain > best:
                best, chosen = log_prob + gain, (label, log_prob, state, expects)
        if due <= of_blank or best == -inf:
            return -1
        label, log_prob, self.state, expects = chosen
        lm_weight = search.scorer.lm_weight
        self.score += best
        if lm_weight and of_blank < 0:
            self.score += lm_weight * log1p(-exp(of_blank))
        self._expect(expects)
        self.steps.append((label, self.at, log_prob))
        return label

    def hypothesis(self) -> Hypothesis:
        """The sequence as it is told to callers."""
        ends = self.search.scorer.finish(np.array([self.state], np.int64))
        ids, frames, log_probs = zip(*self.steps, strict=True) if self.steps else ((), (), ())
        return Hypothesis(
            np.array(ids, np.int64),
            np.array(frames, np.int64),
            np.array(log_probs, np.float32),
            self.score + float(ends[0]),
        )
