"""RNN-T beam search: frame by frame, with few expansions at each (arXiv 2104.02219).

Hypotheses that spell the same are one, so a score sums up alignments. Frames of nothing but blank
are passed over in blocks; a language model does not judge where a token is due, only which (the
fusion "full" of arXiv 2406.07161, section 3).

Each recording has a beam of its own, in plain Python; only the nets' calls are made for all of them
together. What the nets said of a sequence is kept while it may be asked for again.

Shapes: B recordings, H sequences, W frames of a block, M tokens tried at a frame, V classes (the
last is blank).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis, with_alternatives
from gigaam.decoding.nets import EncodedT, StatesT, Transducer, Transducing
from gigaam.decoding.prefixes import Prefixes
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.recombination import Path, Recombination
from gigaam.decoding.scoring import Scorer
from gigaam.decoding.shared_nets import Asking, SharedNets

__all__ = ["RNNTBeamDecoding"]

_MOST_PLACES = 64  # sequences whose states are kept, if there is a choice


@dataclass(frozen=True)
class RNNTBeamDecoding:
    """The most probable token sequences of each recording.

    Attributes:
        blank_id: The class that is no token.
        scorer: What is added to the nets' scores.
        beam_size: Sequences kept after each frame.
        n_best: Sequences returned.
        max_symbols_per_step: Most tokens emitted at one frame before the next frame's turn.
        pruning: What is not tried.
    """

    blank_id: int
    scorer: Scorer
    beam_size: int
    n_best: int
    max_symbols_per_step: int
    pruning: Pruning

    def find(self, nets: Transducing[EncodedT], encoded: EncodedT) -> list[Hypothesis]:
        """The tokens of each recording of a batch that the nets encoded."""
        return self.search(nets.transducer(encoded), encoded.lengths)

    def search(
        self, transducer: Transducer[StatesT], lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording, with its other sequences as `Hypothesis.alternatives`.

        Args:
            transducer: The encoded recordings.
            lengths: Frames of each recording, int [B].
        """
        ends = np.asarray(lengths, np.int64).reshape(-1).tolist()
        beams: list[_Beam[StatesT]] = [_Beam(self, *each) for each in enumerate(ends)]
        asking = [(beam, beam.run()) for beam, end in zip(beams, ends, strict=True) if end > 0]
        if asking:
            nets = SharedNets(transducer, self.blank_id, self.pruning.tokens)
            nets.start([beam for beam, _ in asking], len(ends))
        while asking:
            asked = [(beam, wanted, next(wanted, None)) for beam, wanted in asking]
            asking = [(beam, wanted) for beam, wanted, sequences in asked if sequences]
            if asking:
                nets.hear([(beam, each) for beam, _, found in asked if found for each in found])
        return [beam.hypothesis() for beam in beams]


_Hypothesis = tuple[float, int, Path]
"""A score, with what language models and hotwords add; the sequence; how it came about."""

_Tried = tuple[float, int, int, float, Path]
"""A score without the scorer's opinion; a sequence, the next token and its log-probability; how the
sequence came about."""


class _Beam(Asking[StatesT]):
    """The best sequences of a recording, frame by frame."""

    def __init__(self, search: RNNTBeamDecoding, recording: int, end: int) -> None:
        super().__init__(recording, Prefixes(search.scorer, search.blank_id + 1))
        self._search, self._end = search, end
        self._threshold = search.pruning.beam_threshold
        self._recombination = Recombination(
            self.prefixes, search.pruning.recombine, is_noted=search.n_best > 1
        )
        self._lm_weight = search.scorer.lm_weight
        self._limits = [
            log(limit) for limit in (search.pruning.blank, search.pruning.blank_expecting)
        ]
        self._alive: list[_Hypothesis] = [(0.0, 0, None)] if end > 0 else []

    def run(self) -> Iterator[list[int]]:
        """Searches; gives the sequences that are to be heard from frame ``at`` on, each time."""
        while self._alive and self.at < self._end:
            yield from self._pass_over()
            if self.at < self._end:
                yield from self._expand()
                self.at += 1
                if len(self.places) > _MOST_PLACES:
                    self.forget({each for _, each, _ in self._alive})

    def hypothesis(self) -> Hypothesis:
        """The best sequence, with the next best ones."""
        if not self._alive:
            nothing = np.zeros(0, np.int64)
            score = -inf if self._end else 0.0
            return Hypothesis(nothing, nothing, nothing.astype(np.float32), score)
        prefixes = self.prefixes
        ends = prefixes.scorer.finish(prefixes.states([each for _, each, _ in self._alive]))
        scored = [
            (score + end, sequence, path)
            for (score, sequence, path), end in zip(self._alive, ends.tolist(), strict=True)
        ]
        scored.sort(key=itemgetter(0), reverse=True)
        best = self._recombination.best(scored, self._search.n_best)
        found = [_traced(score, path, after) for score, _, path, after in best]
        return with_alternatives(found)

    def _pass_over(self) -> Iterator[list[int]]:
        """Goes on to the next frame where a token may be due."""
        weight = 1 + self._lm_weight
        while True:
            if asked := self.unheard([each for _, each, _ in self._alive]):
                yield asked
            if self._is_due():
                return
            blanks = [self.blanks(each) for _, each, _ in self._alive]
            run = min(min(map(len, blanks)), self._run(blanks), self._end - self.at)
            if run:
                self._alive = [
                    (score + weight * sum(blank[:run]), sequence, path)
                    for (score, sequence, path), blank in zip(self._alive, blanks, strict=True)
                ]
                self.at += run
            if self.at == self._end or run < min(map(len, blanks)):
                return

    def _is_due(self) -> bool:
        """Whether a token may be due at this frame, whatever the scorer expects."""
        if self._search.pruning.blank >= 1:
            return True
        limit = self._limits[0]
        return any(self.blank(each) < limit for _, each, _ in self._alive)

    def _run(self, blanks: list[list[float]]) -> int:
        """How many frames no sequence has a token at."""
        plain, expecting = (
            min(_leading(blank, limit) for blank in blanks) for limit in self._limits
        )
        prefixes = self.prefixes
        if plain == expecting or not prefixes.is_scored:
            return plain
        expected = prefixes.scorer.expects(prefixes.states([each for _, each, _ in self._alive]))
        return min(
            _leading(blank, self._limits[each])
            for blank, each in zip(blanks, expected.tolist(), strict=True)
        )

    def _expand(self) -> Iterator[list[int]]:
        """One frame: the sequences as they are, and with some more tokens."""
        weight, most = 1 + self._lm_weight, self._search.max_symbols_per_step
        opened = self._alive
        closed = [(score + weight * self.blank(each), each, path) for score, each, path in opened]
        for symbols in range(1, most + 1):
            opened = self._continued(opened, closed)
            if not opened:
                break
            if asked := self.unheard([each for _, each, _ in opened]):
                yield asked
            closed += [
                (score + weight * self.blank(each) if symbols < most else score, each, path)
                for score, each, path in opened
            ]
        merged = _merged(closed)
        merged.sort(key=itemgetter(0), reverse=True)
        limit = max(merged[0][0] - self._threshold, -sys.float_info.max)
        self._alive = []
        self._recombination.begin(self.at)
        for score, sequence, path in merged:
            if score < limit or len(self._alive) == self._search.beam_size:
                break
            if self._recombination.goes_on(sequence, score, path):
                self._alive.append((score, sequence, path))

    def _continued(self, opened: list[_Hypothesis], closed: list[_Hypothesis]) -> list[_Hypothesis]:
        """Sequences with one more token each, as far as they are among the best.

        Args:
            opened: Those that may go on.
            closed: Those that have gone on to the next frame.
        """
        blank_id, pruning = self._search.blank_id, self._search.pruning
        best = max(closed, key=itemgetter(0))[0]
        tried: list[_Tried] = []
        for score, sequence, path in opened:
            labels, log_probs = self.top(sequence)
            if self._lm_weight:
                score += self._lm_weight * _log_rest(self.blank(sequence))
            least = log_probs[0] - pruning.token_threshold
            for label, log_prob in zip(labels, log_probs, strict=True):
                reached = score + log_prob
                if log_prob <= least or reached <= best - self._threshold:
                    break
                if label != blank_id:
                    best = max(best, reached)
                    tried.append((reached, sequence, label, log_prob, path))
        limit = best - self._threshold
        return self._chosen([each for each in tried if each[0] > limit], closed)

    def _chosen(self, tried: list[_Tried], closed: list[_Hypothesis]) -> list[_Hypothesis]:
        """Those longer sequences that are among the best."""
        if not tried:
            return []
        prefixes = self.prefixes
        if prefixes.is_scored:
            _, parents, tokens, _, _ = zip(*tried, strict=True)
            children = prefixes.children(parents, tokens)
            added = prefixes.added
            scores = [
                each[0] + added[child] - added[each[1]]
                for each, child in zip(tried, children, strict=True)
            ]
        else:
            scores = [each[0] for each in tried]
        rivals = sorted((each[0] for each in closed), reverse=True)
        kept = _best_beside(rivals, scores, self._search.beam_size)
        found: list[_Hypothesis] = []
        for i in kept:
            _, parent, token, log_prob, path = tried[i]
            sequence = prefixes.child(parent, token)
            found.append((scores[i], sequence, (path, token, self.at, log_prob)))
        return found


def _leading(blank: list[float], limit: float) -> int:
    """How many of these log-probabilities, from the first on, are not below the limit."""
    for count, each in enumerate(blank):
        if each < limit:
            return count
    return len(blank)


def _best_beside(rivals: list[float], scores: list[float], count: int) -> list[int]:
    """Places of those scores that are among the ``count`` best of them and these rivals.

    Args:
        rivals: In order, the best first; of equals they are the better ones.
        scores: In any order.
        count: Of scores and rivals.
    """
    kept = []
    for rank, i in enumerate(sorted(range(len(scores)), key=scores.__getitem__, reverse=True)):
        left = count - rank
        if left <= 0 or scores[i] == -inf:
            break
        if len(rivals) >= left and rivals[left - 1] >= scores[i]:
            break
        kept.append(i)
    return sorted(kept)


def _log_rest(log_prob: float) -> float:
    """Log-probability of all but this."""
    return log1p(-exp(log_prob)) if log_prob < 0 else -inf


def _merged(hypotheses: list[_Hypothesis]) -> list[_Hypothesis]:
    """The same with the scores of equal sequences summed up, each as its best one came about."""
    found: dict[int, _Hypothesis] = {}
    for each in hypotheses:
        score, sequence, path = each
        other = found.get(sequence)
        if other is not None:
            if score <= other[0]:
                score, path, each = other[0], other[2], (score, sequence, path)
            else:
                each = other
            if each[0] > -inf:
                score += log1p(exp(each[0] - score))
        found[sequence] = score, sequence, path
    return list(found.values())


def _traced(score: float, path: Path, after: list[tuple[int, Any]]) -> Hypothesis:
    """A path, and what comes after it, as it is told to callers."""
    steps = [each[1:] for _, each in after[::-1]]
    while path is not None:
        path, *step = path
        steps.append(step)
    ids, frames, log_probs = zip(*steps[::-1], strict=True) if steps else ((), (), ())
    return Hypothesis(
        np.array(ids, np.int64),
        np.array(frames, np.int64),
        np.array(log_probs, np.float32),
        score,
    )
