"""CTC prefix beam search (arXiv 1408.2873) over batches, under what scorers add.

Shapes: B recordings, K beam, M tokens tried at a frame, T frames, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.alignment import align
from gigaam.decoding.hypotheses import Hypothesis
from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.decoding.nets import Emitting, EncodedT
from gigaam.decoding.prefixes import History, extended_keys, first_keys
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.scoring import Scorer

__all__ = ["CTCBeamDecoding"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class CTCBeamDecoding:
    """The most probable token sequences, each summed over its alignments.

    Args:
        scorer: What is added to the nets' scores.
        beam_size: Sequences kept after each frame.
        n_best: Sequences returned.
        pruning: What is not tried.
    """

    def __init__(self, scorer: Scorer, beam_size: int, n_best: int, pruning: Pruning) -> None:
        self._scorer = scorer
        self._beam_size = beam_size
        self._n_best = n_best
        self._pruning = pruning

    def find(self, nets: Emitting[EncodedT], encoded: EncodedT) -> list[Hypothesis]:
        """The tokens of each recording of a batch that the nets encoded."""
        return self.search(nets.emissions(encoded), encoded.lengths)

    def search(
        self, log_probs: NDArray[np.float32] | LogProbs, lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording, with its other sequences as `Hypothesis.alternatives`.

        Args:
            log_probs: Log-probabilities, float32 [B, T, V].
            lengths: Frames of each recording, int [B]; what lies past them is ignored.
        """
        if isinstance(log_probs, np.ndarray):
            log_probs = ArrayLogProbs(log_probs)
        values = log_probs.numpy()
        ends = np.asarray(lengths, np.int64).reshape(-1)
        beam = _Beam(values, ends, self._scorer, self._beam_size, self._pruning)
        while beam.step():
            pass
        nodes, scores = beam.best(self._n_best)
        recordings, ranks = np.nonzero(np.isfinite(scores))
        found = align(
            [values[recording] for recording in recordings.tolist()],
            [beam.heard[recording] for recording in recordings.tolist()],
            [ids for (ids,) in beam.history.trace(nodes[recordings, ranks])],
            scores[recordings, ranks].tolist(),
        )
        bounds = np.searchsorted(recordings, np.arange(len(ends) + 1)).tolist()
        return [
            replace(found[first], alternatives=tuple(found[first + 1 : end]))
            for first, end in pairwise(bounds)
        ]


@dataclass
class _Frames:
    """What the search asks of a batch's log-probabilities, found for all frames at once."""

    values: NDArray[np.float32]
    """[B, T, V]."""
    tokens: Int
    """The tokens of each frame, the most probable first, [B, T, M]."""
    counts: Int
    """How many of them are tried, [B, T]."""
    blanks: Float
    """Log-probabilities of blank summed up to each frame, [B, T + 1]."""
    heard: tuple[Int, Int]
    """The next frame from each one on that is not passed over, [B, T + 1]: while no hotword is
    under way, and while one is."""

    @classmethod
    def of(cls, values: NDArray[np.float32], ends: Int, pruning: Pruning) -> _Frames:
        """Those of log-probabilities [B, T, V]."""
        best = values.max(-1, initial=-np.inf)
        most = min(pruning.tokens, values.shape[-1] - 1)
        order = np.argpartition(-values[..., :-1], most - 1, axis=-1)[..., :most]
        found = np.take_along_axis(values, order, -1)
        rank = np.argsort(-found, axis=-1, kind="stable")
        tokens = np.take_along_axis(order, rank, -1)
        counts = (found > best[..., None] - pruning.token_threshold).sum(-1)
        blank = values[..., -1].astype(np.float64)
        blanks = np.concatenate([np.zeros((len(values), 1)), np.cumsum(blank, 1)], 1)
        limits = (pruning.blank, pruning.blank_expecting)
        heard = tuple(_next_heard(blank, ends, limit) for limit in limits)
        return cls(values, tokens, counts, blanks, (heard[0], heard[1]))


def _next_heard(blank: Float, ends: Int, limit: float) -> Int:
    """The next frame from each one on where blank is less probable, or the recording ends."""
    count = blank.shape[1]
    with np.errstate(divide="ignore"):
        heard = blank < np.log(limit) if limit < 1 else np.ones(blank.shape, bool)
    frames = np.where(heard, np.arange(count), count)
    frames = np.concatenate([frames, np.full((len(blank), 1), count)], 1)
    following = np.minimum.accumulate(frames[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(following, ends[:, None])


# Keys of a slot without a sequence, and of what comes before the empty sequence.
_NOBODY, _NOTHING = np.uint64(0), np.uint64(1)


class _Beam:
    """The K best sequences of each of B recordings, frame by frame.

    A recording's slots are sequences [B, K]; those without one have a score of -inf.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        ends: Int,
        scorer: Scorer,
        size: int,
        pruning: Pruning,
    ) -> None:
        count = len(ends)
        self.history = History()
        self._frames = _Frames.of(values, ends, pruning)
        self._ends, self._scorer, self._size, self._pruning = ends, scorer, size, pruning
        self._rows = np.arange(count)[:, None]
        self._at = np.zeros(count, np.int64)
        self._steps: list[Int] = []
        self._passed = np.zeros(count)  # blanks of frames passed over, the same for all sequences
        # Log-probabilities of alignments that end in blank, and in the last token.
        self._in_blank = np.full((count, size), -np.inf)
        self._in_blank[:, 0] = 0.0
        self._in_token = np.full((count, size), -np.inf)
        self._added = np.zeros((count, size))
        self._states = np.tile(scorer.start(), (count, size, 1))
        self._keys = np.full((count, size), _NOBODY)
        self._keys[:, 0] = first_keys(count)
        self._parents = np.full((count, size), _NOTHING)
        self._last = np.full((count, size), values.shape[-1] - 1)
        self._nodes = np.full((count, size), -1)
        self._expecting = np.zeros(count, bool)

    @property
    def heard(self) -> list[Int]:
        """The frames of each recording that were not passed over."""
        steps = np.array(self._steps, np.int64).reshape(len(self._steps), len(self._ends))
        return [column[column < end] for column, end in zip(steps.T, self._ends, strict=True)]

    def best(self, n: int) -> tuple[Int, Float]:
        """Nodes and scores of the ``n`` best sequences of each recording, [B, n], best first."""
        total = np.logaddexp(self._in_blank, self._in_token) + self._added
        total += self._scorer.finish(self._flat_states()).reshape(total.shape)
        order = np.argsort(-total, axis=1, kind="stable")[:, :n]
        scores = np.take_along_axis(total, order, 1) + self._passed[:, None]
        return np.take_along_axis(self._nodes, order, 1), scores

    def _flat_states(self) -> Int:
        count, size, width = self._states.shape
        return self._states.reshape(count * size, width)

    def step(self) -> bool:
        """Takes each recording to its next frame; False when all are at their ends."""
        plain, expecting = self._frames.heard
        row = self._rows[:, 0]
        frames = np.where(self._expecting, expecting[row, self._at], plain[row, self._at])
        if (frames > self._at).any():
            self._pass_over(frames)
        if (frames >= self._ends).all():
            return False
        self._steps.append(frames)
        self._at = np.minimum(frames + 1, self._ends)
        self._hear(frames)
        return True

    def _pass_over(self, frames: Int) -> None:
        """All frames before these are blank."""
        row = self._rows[:, 0]
        blanks = self._frames.blanks
        self._passed += blanks[row, frames] - blanks[row, self._at]
        moved = (frames > self._at)[:, None]
        total = np.logaddexp(self._in_blank, self._in_token)
        self._in_blank = np.where(moved, total, self._in_blank)
        self._in_token = np.where(moved, -np.inf, self._in_token)

    def _hear(self, frames: Int) -> None:
        """One frame of each recording; those at their ends stay as they are."""
        row = self._rows[:, 0]
        waiting = frames >= self._ends
        frames = np.minimum(frames, self._frames.values.shape[1] - 1)
        frame = self._frames.values[row, frames].astype(np.float64)
        counts = self._frames.counts[row, frames]
        if waiting.any():
            frame[waiting] = -np.inf
            frame[waiting, -1] = 0.0
            counts = np.where(waiting, 0, counts)
        most = int(counts.max())
        tokens = self._frames.tokens[row, frames, :most]

        total = np.logaddexp(self._in_blank, self._in_token)
        in_blank = total + frame[:, -1:]
        in_token = self._in_token + frame[self._rows, self._last]
        repeats = tokens[:, None] == self._last[:, :, None]
        longer = np.where(repeats, self._in_blank[:, :, None], total[:, :, None])
        longer += frame[self._rows, tokens][:, None]
        if most:
            longer[
                np.broadcast_to((np.arange(most) >= counts[:, None])[:, None], longer.shape)
            ] = -np.inf
        self._merge(in_token, longer, total, frame, tokens)
        self._keep_best(in_blank, in_token, longer, tokens)

    def _merge(
        self, in_token: Float, longer: Float, total: Float, frame: Float, tokens: Int
    ) -> None:
        """Adds alignments that make a sequence of the beam out of another one to its own."""
        made = self._keys[:, :, None] == self._parents[:, None]
        if not made.any():
            return
        rows, parents, children = np.nonzero(made)
        last = self._last[rows, children]
        mass = np.where(
            self._last[rows, parents] == last, self._in_blank[rows, parents], total[rows, parents]
        )
        mass = mass + frame[rows, last]
        in_token[rows, children] = np.logaddexp(in_token[rows, children], mass)
        which, token = np.nonzero(tokens[rows] == last[:, None])
        longer[rows[which], parents[which], token] = -np.inf

    def _keep_best(self, in_blank: Float, in_token: Float, longer: Float, tokens: Int) -> None:
        """The K best of the sequences as they are and of those with one more token."""
        size, width = self._size, tokens.shape[1]
        ranks = np.concatenate(
            [
                np.logaddexp(in_blank, in_token) + self._added,
                (longer + self._added[:, :, None]).reshape(len(longer), -1),
            ],
            1,
        )
        limits = ranks.max(1, keepdims=True) - self._pruning.beam_threshold
        rows, places = np.nonzero(ranks[:, size:] > limits)
        parents = places // max(width, 1)
        chosen = tokens[rows, places % max(width, 1)]
        states, gains = self._scorer.advance(self._states[rows, parents], chosen)
        after = np.full(longer.shape, -1).reshape(len(longer), -1)
        after[rows, places] = np.arange(len(rows))
        ranks[:, size:][after < 0] = -np.inf
        ranks[rows, size + places] += gains

        if ranks.shape[1] > size:
            best = np.argpartition(-ranks, size - 1, axis=1)[:, :size]
        else:
            best = np.broadcast_to(np.arange(size), (len(ranks), size))
        scores = np.take_along_axis(ranks, best, 1)
        new = best >= size
        place = np.where(new, best - size, 0)
        source = np.where(new, place // max(width, 1), best)
        token = tokens[self._rows, place % max(width, 1)] if width else np.zeros_like(best)
        index = after[self._rows, place] if width else np.zeros_like(best)
        new &= scores > -np.inf

        old_keys = self._keys[self._rows, source]
        self._in_blank = np.where(new, -np.inf, in_blank[self._rows, source])
        self._in_token = np.where(new, 0.0, in_token[self._rows, source])
        self._added = self._added[self._rows, source]
        self._states = self._states[self._rows, source]
        self._keys, self._parents = old_keys, self._parents[self._rows, source]
        self._last = self._last[self._rows, source]
        self._nodes = self._nodes[self._rows, source]
        a, k = np.nonzero(new)
        if len(a):
            self._states[a, k] = states[index[a, k]]
            self._in_token[a, k] = longer.reshape(len(longer), -1)[a, place[a, k]]
            self._added[a, k] += gains[index[a, k]]
            self._parents[a, k] = old_keys[a, k]
            self._last[a, k] = token[a, k]
            self._keys[a, k] = extended_keys(old_keys[a, k], token[a, k])
            self._nodes[a, k] = self.history.add(self._nodes[a, k], token[a, k])
        dead = scores < scores.max(1, keepdims=True) - self._pruning.beam_threshold
        dead |= scores == -np.inf
        if dead.any():
            self._in_blank[dead] = self._in_token[dead] = -np.inf
            self._keys[dead], self._parents[dead] = _NOBODY, _NOTHING
        expecting = self._scorer.expects(self._flat_states()).reshape(dead.shape)
        self._expecting = (expecting & ~dead).any(1)
