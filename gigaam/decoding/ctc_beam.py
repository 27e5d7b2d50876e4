"""CTC prefix beam search (arXiv 1408.2873) over batches, under what scorers add.

Shapes: B recordings, H sequences of all of them, M tokens tried at a frame, S numbers of a scorer's
state, T frames, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.alignment import align
from gigaam.decoding.hypotheses import Hypothesis, best_with_alternatives
from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs
from gigaam.decoding.nets import Emitting, EncodedT
from gigaam.decoding.prefixes import History, extended_keys, first_keys
from gigaam.decoding.pruning import NOT_NUMBERS, Pruning
from gigaam.decoding.ranking import best_of_each, highest_of_each
from gigaam.decoding.scoring import Scorer
from gigaam.errors import ModelError

__all__ = ["CTCBeamDecoding"]

_IMPOSSIBLE = np.float32(-1e4)

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
        ends = np.asarray(lengths, np.int64).reshape(-1)
        values = np.maximum(log_probs.numpy(), _IMPOSSIBLE)  # sums of -inf would be no numbers
        own = np.arange(values.shape[1]) < ends[:, None]
        if np.isnan(values.max(-1, initial=_IMPOSSIBLE)[own]).any():
            raise ModelError(NOT_NUMBERS)
        beam = _Beam(values, ends, self._scorer, self._beam_size, self._pruning)
        while beam.step():
            pass
        recordings, nodes, scores = beam.best(self._n_best)
        heard = beam.heard()
        found = align(
            [values[recording] for recording in recordings.tolist()],
            [heard[recording] for recording in recordings.tolist()],
            [ids for (ids,) in beam.history.trace(nodes)],
            scores.tolist(),
        )
        bounds = np.searchsorted(recordings, np.arange(len(ends) + 1)).tolist()
        return best_with_alternatives(found, bounds)


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


# Columns of what is known of each sequence.
_IN_BLANK, _IN_TOKEN, _ADDED = range(3)
_RECORDING, _LAST, _NODE, _KEY, _PARENT, _STATES = range(6)


class _Beam:
    """The best sequences of each recording, frame by frame.

    They lie in two arrays, one recording's after the other's. The masses, float64 [H, 3], are the
    log-probabilities of the alignments that end in blank and of those that end in the last token,
    and what the scorer added. The marks, int64 [H, 5 + S], are the recording, the last token (or
    blank), the node in the history, the sequence's key and that of it without its last token, and
    the scorer's state.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        ends: Int,
        scorer: Scorer,
        size: int,
        pruning: Pruning,
    ) -> None:
        count, _, classes = values.shape
        self.history = History()
        self._frames = _Frames.of(values, ends, pruning)
        self._ends, self._scorer, self._size, self._pruning = ends, scorer, size, pruning
        self._at = np.zeros(count, np.int64)
        self._heard: list[tuple[Int, Int]] = []
        self._passed = np.zeros(count)  # blanks of frames passed over, the same for all sequences
        self._expecting = np.zeros(count, bool)
        self._masses = np.tile([0.0, -np.inf, 0.0], (count, 1))
        self._marks = np.zeros((count, _STATES + scorer.size), np.int64)
        self._marks[:, _RECORDING] = np.arange(count)
        self._marks[:, _LAST] = classes - 1
        self._marks[:, _NODE] = -1
        self._marks[:, _KEY] = first_keys(count).view(np.int64)
        self._marks[:, _STATES:] = scorer.start()
        self._done = [(self._masses[:0], self._marks[:0])]
        self._set_aside(ends > 0)

    def heard(self) -> list[Int]:
        """The frames of each recording that were not passed over."""
        none = np.zeros(0, np.int64)
        recordings = np.concatenate([none, *(recordings for recordings, _ in self._heard)])
        frames = np.concatenate([none, *(frames for _, frames in self._heard)])
        order = np.argsort(recordings, kind="stable")
        bounds = np.searchsorted(recordings[order], np.arange(1, len(self._ends)))
        return np.split(frames[order], bounds)

    def best(self, n: int) -> tuple[Int, Int, Float]:
        """Recordings, nodes and scores of the ``n`` best sequences of each recording, in order."""
        masses, marks = (np.concatenate(each) for each in zip(*self._done, strict=True))
        recordings = marks[:, _RECORDING]
        scores = _scores(masses) + self._passed[recordings]
        scores += self._scorer.finish(marks[:, _STATES:])
        order = best_of_each(recordings, scores, n)
        return recordings[order], marks[order, _NODE], scores[order]

    def step(self) -> bool:
        """Takes each recording to its next frame; False when all are at their ends."""
        recordings = np.unique(self._marks[:, _RECORDING])
        if not len(recordings):
            return False
        plain, expecting = self._frames.heard
        at = self._at[recordings]
        frames = np.where(
            self._expecting[recordings], expecting[recordings, at], plain[recordings, at]
        )
        if (frames > at).any():
            self._pass_over(recordings, frames)
        goes_on = frames < self._ends[recordings]
        if not goes_on.all():
            recordings, frames = recordings[goes_on], frames[goes_on]
            unfinished = np.zeros(len(self._ends), bool)
            unfinished[recordings] = True
            self._set_aside(unfinished)
        if len(recordings):
            self._heard.append((recordings, frames))
            self._hear(recordings, frames)
            self._at[recordings] = frames + 1
        return True

    def _set_aside(self, unfinished: NDArray[np.bool_]) -> None:
        """The sequences of all other recordings."""
        goes_on = unfinished[self._marks[:, _RECORDING]]
        self._done.append((self._masses[~goes_on], self._marks[~goes_on]))
        self._masses, self._marks = self._masses[goes_on], self._marks[goes_on]

    def _pass_over(self, recordings: Int, frames: Int) -> None:
        """All frames before these are blank."""
        blanks, at = self._frames.blanks, self._at[recordings]
        self._passed[recordings] += blanks[recordings, frames] - blanks[recordings, at]
        moved = np.zeros(len(self._ends), bool)
        moved[recordings] = frames > at
        own = moved[self._marks[:, _RECORDING]]
        masses = self._masses
        masses[own, _IN_BLANK] = np.logaddexp(masses[own, _IN_BLANK], masses[own, _IN_TOKEN])
        masses[own, _IN_TOKEN] = -np.inf

    def _hear(self, recordings: Int, frames: Int) -> None:
        """One frame of each of these recordings."""
        in_blank, in_token, added = self._masses.T
        last = self._marks[:, _LAST]
        row = np.searchsorted(recordings, self._marks[:, _RECORDING])
        frame = self._frames.values[recordings, frames].astype(np.float64)
        counts = self._frames.counts[recordings, frames]
        tokens = self._frames.tokens[recordings, frames, : int(counts.max())][row]

        total = np.logaddexp(in_blank, in_token)
        repeated = frame[row, last]
        before = np.where(tokens == last[:, None], in_blank[:, None], total[:, None])
        longer = before + frame[row[:, None], tokens]
        longer[np.arange(tokens.shape[1]) >= counts[row][:, None]] = -np.inf
        kept = np.stack([total + frame[row, -1], in_token + repeated, added], 1)
        self._merge(kept, longer, total, tokens, repeated)
        self._keep_best(kept, longer, tokens)

    def _merge(
        self, kept: Float, longer: Float, total: Float, tokens: Int, repeated: Float
    ) -> None:
        """Adds alignments that make a sequence of the beam out of another one to its own."""
        keys, wanted = self._marks[:, _KEY], self._marks[:, _PARENT]
        order = np.argsort(keys)
        place = order[np.searchsorted(keys[order], wanted).clip(max=len(order) - 1)]
        children = np.flatnonzero(keys[place] == wanted)
        if not len(children):
            return
        parents, last = place[children], self._marks[children, _LAST]
        again = self._marks[parents, _LAST] == last
        mass = np.where(again, self._masses[parents, _IN_BLANK], total[parents])
        mass += repeated[children]
        kept[children, _IN_TOKEN] = np.logaddexp(kept[children, _IN_TOKEN], mass)
        which, column = np.nonzero(tokens[parents] == last[:, None])
        longer[parents[which], column] = -np.inf

    def _keep_best(self, kept: Float, longer: Float, tokens: Int) -> None:
        """The best of the sequences as they are and of those with one more token.

        Args:
            kept: Masses of the sequences as they are, after the frame, [H, 3].
            longer: Log-probabilities of their continuations, [H, M].
            tokens: The tokens of these, [H, M].
        """
        marks, count = self._marks, len(kept)
        scores = _scores(kept)
        reached = longer + kept[:, _ADDED, None]
        limits = self._limits(
            marks[:, _RECORDING], np.maximum(scores, reached.max(1, initial=-np.inf))
        )
        parents, column = np.nonzero(reached > limits[marks[:, _RECORDING]][:, None])
        chosen = tokens[parents, column]
        states, gains = self._scorer.advance(marks[parents, _STATES:], chosen)

        masses = np.empty((len(parents), 3))
        masses[:, _IN_BLANK] = -np.inf
        masses[:, _IN_TOKEN] = longer[parents, column]
        masses[:, _ADDED] = kept[parents, _ADDED] + gains
        masses = np.concatenate([kept, masses])
        marks = np.concatenate([marks, _grown(marks[parents], chosen, states)])
        scores = np.concatenate([scores, reached[parents, column] + gains])

        recordings = marks[:, _RECORDING]
        best = best_of_each(recordings, scores, self._size)
        best = best[scores[best] >= self._limits(recordings, scores)[recordings[best]]]
        self._masses, self._marks = masses[best], marks[best]
        new = np.flatnonzero(best >= count)
        self._marks[new, _NODE] = self.history.add(self._marks[new, _NODE], self._marks[new, _LAST])
        self._expecting[:] = False
        expecting = self._scorer.expects(self._marks[:, _STATES:])
        self._expecting[self._marks[expecting, _RECORDING]] = True

    def _limits(self, recordings: Int, scores: Float) -> Float:
        """The least score that is not too far below the best of each recording, [B]."""
        highest = highest_of_each(recordings, scores, len(self._ends))
        return highest - self._pruning.beam_threshold


def _scores(masses: Float) -> Float:
    scores: Float = np.logaddexp(masses[:, _IN_BLANK], masses[:, _IN_TOKEN]) + masses[:, _ADDED]
    return scores


def _grown(marks: Int, tokens: Int, states: Int) -> Int:
    """Marks of sequences with one more token each, still with their former nodes."""
    keys = marks[:, _KEY].copy()
    marks[:, _LAST] = tokens
    marks[:, _PARENT] = keys
    marks[:, _KEY] = extended_keys(keys.view(np.uint64), tokens).view(np.int64)
    marks[:, _STATES:] = states
    return marks
