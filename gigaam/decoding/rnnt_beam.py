"""RNN-T beam search over batches: frame by frame, with few expansions at each (arXiv 2104.02219).

Hypotheses that spell the same are one, so a score sums up alignments. Frames of nothing but blank
are passed over in blocks; a language model does not judge where a token is due, only which (the
fusion "full" of arXiv 2406.07161, section 3).

Shapes: B recordings, H hypotheses of all of them, C continuations, W frames of a block, M tokens
tried at a frame, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hypotheses import Hypothesis, best_with_alternatives
from gigaam.decoding.nets import EncodedT, StatesT, Transducer, Transducing
from gigaam.decoding.prefixes import History, extended_keys, first_keys
from gigaam.decoding.pruning import NOT_NUMBERS, Pruning
from gigaam.decoding.ranking import best_of_each, highest_of_each
from gigaam.decoding.scoring import Scorer
from gigaam.errors import ModelError

__all__ = ["RNNTBeamDecoding"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_BLOCK_FRAMES = 4


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
        ends = np.asarray(lengths, np.int64).reshape(-1)
        beam = _Beam(self, transducer, ends)
        while beam.step():
            pass
        return beam.hypotheses()


@dataclass
class _Hypotheses(Generic[StatesT]):
    """Sequences of all recordings, one after the other."""

    recording: Int
    """[H]."""
    score: Float
    """[H], with what language models and hotwords add."""
    node: Int
    """In the history, [H]."""
    key: NDArray[np.uint64]
    """[H]; equal for equal sequences of a recording alone."""
    scored: Int
    """The scorer's states, [H, S]."""
    first: Int
    """The first frame of each one's block, [H]."""
    blank: Float
    """Log-probability of blank in the block, [H, W]."""
    tokens: Int
    """The tokens tried in the block, the most probable first, [H, W, M]."""
    log_probs: Float
    """Theirs, [H, W, M]."""
    nets: StatesT

    def select(self, index: Int) -> _Hypotheses[StatesT]:
        """Those of these places [H'], which may repeat."""
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        return _Hypotheses(**arrays, nets=self.nets.select(index))

    def joined(self, others: _Hypotheses[StatesT]) -> _Hypotheses[StatesT]:
        """These and then others."""
        arrays = {
            name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in _ARRAYS
        }
        return _Hypotheses(**arrays, nets=self.nets.joined(others.nets))


_ARRAYS = [each.name for each in fields(_Hypotheses) if each.name != "nets"]


class _Beam(Generic[StatesT]):
    """The best sequences of each recording, frame by frame."""

    def __init__(
        self, search: RNNTBeamDecoding, transducer: Transducer[StatesT], ends: Int
    ) -> None:
        self._search, self._transducer = search, transducer
        self._ends = ends
        self._at = np.zeros(len(ends), np.int64)
        self._history = History(np.int64, np.float32)
        recordings = np.flatnonzero(ends > 0)
        self._alive: _Hypotheses[StatesT] | None = None
        self._finished: dict[int, tuple[Int, Float]] = {}
        if len(recordings):
            self._alive = self._started(recordings)

    def _started(self, recordings: Int) -> _Hypotheses[StatesT]:
        """An empty sequence for each of these recordings."""
        count = len(recordings)
        nets = self._transducer.start().select(recordings)
        unheard = np.zeros((count, 0))
        return self._heard(
            _Hypotheses(
                recording=recordings,
                score=np.zeros(count),
                node=np.full(count, -1),
                key=first_keys(len(self._ends))[recordings],
                scored=np.tile(self._search.scorer.start(), (count, 1)),
                first=recordings,
                blank=unheard,
                tokens=recordings,
                log_probs=unheard,
                nets=nets,
            )
        )

    def _heard(self, hypotheses: _Hypotheses[StatesT]) -> _Hypotheses[StatesT]:
        """The same with blocks from their recordings' frames on."""
        first = self._at[hypotheses.recording]
        block = self._transducer.join(hypotheses.nets, hypotheses.recording, first, _BLOCK_FRAMES)
        blank = self._search.blank_id
        of_blank = block.of(blank).astype(np.float64)
        if np.isnan(of_blank).any():
            raise ModelError(NOT_NUMBERS)
        tokens, log_probs = block.top(min(self._search.pruning.tokens, blank) + 1)
        return replace(
            hypotheses,
            first=first,
            blank=of_blank,
            tokens=tokens,
            log_probs=np.where(tokens == blank, -np.inf, log_probs),
        )

    def step(self) -> bool:
        """Takes recordings on by a frame or more; False when all are at their ends."""
        if self._alive is None:
            return False
        self._pass_over()
        self._expand()
        return self._alive is not None

    def hypotheses(self) -> list[Hypothesis]:
        """The best of each recording, once all are at their ends."""
        count = len(self._ends)
        kept = [self._finished.get(recording, _NOTHING) for recording in range(count)]
        nodes = np.concatenate([np.zeros(0, np.int64), *(nodes for nodes, _ in kept)])
        scores = np.concatenate([np.zeros(0), *(scores for _, scores in kept)]).tolist()
        found = [
            Hypothesis(ids, frames, log_probs, score)
            for (ids, frames, log_probs), score in zip(
                self._history.trace(nodes), scores, strict=True
            )
        ]
        bounds = np.cumsum([0, *(len(nodes) for nodes, _ in kept)]).tolist()
        return best_with_alternatives(found, bounds)

    def _pass_over(self) -> None:
        """Goes on to the next frame of each recording where a token may be due."""
        pruning, weight = self._search.pruning, 1 + self._search.scorer.lm_weight
        while self._alive is not None:
            alive = self._alive
            offset = self._refreshed(alive)
            if pruning.blank >= 1:
                return
            certain = np.where(
                self._search.scorer.expects(alive.scored), pruning.blank_expecting, pruning.blank
            )
            behind = np.arange(_BLOCK_FRAMES) < offset[:, None]
            passed = behind | (alive.blank >= np.log(certain)[:, None])
            run = np.where(passed.all(1), _BLOCK_FRAMES, passed.argmin(1)) - offset
            starts = np.flatnonzero(np.diff(alive.recording, prepend=-1))
            recordings = alive.recording[starts]
            run = np.minimum.reduceat(run, starts)
            run = np.minimum(run, self._ends[recordings] - self._at[recordings])
            self._at[recordings] += run
            own = np.repeat(run, np.diff(starts, append=len(offset)))
            within = ~behind & (np.arange(_BLOCK_FRAMES) < (offset + own)[:, None])
            alive.score += weight * np.where(within, alive.blank, 0.0).sum(1)
            at_end = np.maximum.reduceat(offset, starts) + run >= _BLOCK_FRAMES
            self._finish()
            if not at_end.any():
                return

    def _refreshed(self, alive: _Hypotheses[StatesT]) -> Int:
        """Where each hypothesis's frame is in its block [H]; joins those past theirs."""
        offset = self._at[alive.recording] - alive.first
        stale = np.flatnonzero(offset >= _BLOCK_FRAMES)
        if len(stale):
            fresh = self._heard(alive.select(stale))
            for name in ("first", "blank", "tokens", "log_probs"):
                getattr(alive, name)[stale] = getattr(fresh, name)
            offset[stale] = 0
        return offset

    def _finish(self) -> None:
        """Puts the sequences of recordings aside that are at their ends."""
        alive = self._alive
        assert alive is not None
        done = self._at[alive.recording] >= self._ends[alive.recording]
        if not done.any():
            return
        ended = np.flatnonzero(done)
        scores = alive.score[ended] + self._search.scorer.finish(alive.scored[ended])
        best = best_of_each(alive.recording[ended], scores, self._search.n_best)
        for recording in np.unique(alive.recording[ended]).tolist():
            own = best[alive.recording[ended[best]] == recording]
            self._finished[recording] = (alive.node[ended[own]], scores[own])
        left = np.flatnonzero(~done)
        self._alive = alive.select(left) if len(left) else None

    def _expand(self) -> None:
        """One frame of each recording: the sequences as they are, and with some more tokens."""
        if self._alive is None:
            return
        pool, weight = self._alive, 1 + self._search.scorer.lm_weight
        opened = np.arange(len(pool.score))
        at = self._refreshed(pool)
        closed = opened
        scores = pool.score + weight * pool.blank[opened, at]
        for symbols in range(1, self._search.max_symbols_per_step + 1):
            new = self._continued(pool, opened, at, closed, scores)
            if new is None:
                break
            first = len(pool.score)
            pool = pool.joined(new)
            opened = np.arange(first, len(pool.score))
            at = np.zeros(len(opened), np.int64)
            ended = new.score
            if symbols < self._search.max_symbols_per_step:
                ended = ended + weight * new.blank[:, 0]
            closed = np.concatenate([closed, opened])
            scores = np.concatenate([scores, ended])
        closed, scores = _merged(pool.key, closed, scores)
        kept = best_of_each(pool.recording[closed], scores, self._search.beam_size)
        best = highest_of_each(pool.recording[closed], scores, len(self._ends))
        limits = best[pool.recording[closed[kept]]] - self._search.pruning.beam_threshold
        kept = kept[scores[kept] >= limits]
        self._alive = replace(pool.select(closed[kept]), score=scores[kept])
        self._at[np.unique(self._alive.recording)] += 1
        self._finish()

    def _continued(
        self, pool: _Hypotheses[StatesT], opened: Int, at: Int, closed: Int, scores: Float
    ) -> _Hypotheses[StatesT] | None:
        """The opened sequences with one more token each, as far as they are among the best.

        Args:
            pool: All sequences of this frame.
            opened: Those that may go on, [H'].
            at: Where in their blocks the frame is, [H'].
            closed: Those that have gone on to the next frame, [H''].
            scores: Of these, [H''].
        """
        pruning, scorer = self._search.pruning, self._search.scorer
        log_probs, blank = pool.log_probs[opened, at], pool.blank[opened, at]
        continued = pool.score[opened][:, None] + log_probs
        if scorer.lm_weight:
            with np.errstate(divide="ignore"):
                continued += scorer.lm_weight * np.log1p(-np.exp(np.minimum(blank, 0.0)))[:, None]
        recordings = pool.recording[opened]
        best = highest_of_each(
            np.concatenate([pool.recording[closed], recordings]),
            np.concatenate([scores, continued.max(1)]),
            len(self._ends),
        )
        tried = continued > (best[recordings] - pruning.beam_threshold)[:, None]
        tried &= log_probs > np.maximum(log_probs.max(1), blank)[:, None] - pruning.token_threshold
        places, column = np.nonzero(tried)
        if not len(places):
            return None
        parents = opened[places]
        tokens = pool.tokens[parents, at[places], column]
        scored, gains = scorer.advance(pool.scored[parents], tokens)
        reached = continued[places, column] + gains
        both = best_of_each(
            np.concatenate([pool.recording[closed], pool.recording[parents]]),
            np.concatenate([scores, reached]),
            self._search.beam_size,
        )
        kept = np.sort(both[both >= len(closed)] - len(closed))
        if not len(kept):
            return None
        parents, tokens = parents[kept], tokens[kept]
        frames = self._at[pool.recording[parents]]
        heard = log_probs[places[kept], column[kept]].astype(np.float32)
        grown = replace(
            pool.select(parents),
            score=reached[kept],
            node=self._history.add(pool.node[parents], tokens, frames, heard),
            key=extended_keys(pool.key[parents], tokens),
            scored=scored[kept],
        )
        return self._heard(replace(grown, nets=self._transducer.advance(grown.nets, tokens)))


_NOTHING = (np.full(1, -1), np.zeros(1))


def _merged(keys: NDArray[np.uint64], places: Int, scores: Float) -> tuple[Int, Float]:
    """Places and scores with those of equal sequences summed up."""
    order = np.lexsort((-scores, keys[places]))
    own = keys[places][order]
    first = np.ones(len(own), bool)
    first[1:] = own[1:] != own[:-1]
    if first.all():
        return places, scores
    starts = np.flatnonzero(first)
    return places[order[starts]], np.logaddexp.reduceat(scores[order], starts)
