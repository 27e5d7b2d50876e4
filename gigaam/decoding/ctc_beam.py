"""CTC prefix beam search (arXiv 1408.2873), under what scorers add.

Recordings are searched one by one, in plain Python: of the few sequences and tokens that a frame
has to choose among, numpy would take longer, even in batches.

Shapes: B recordings, M tokens tried at a frame, T frames, V classes (the last is blank).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, inf, log
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.alignment import align
from gigaam.decoding.hypotheses import Hypothesis, with_alternatives
from gigaam.decoding.log_probs import ArrayLogProbs, LogProbs, check_classes
from gigaam.decoding.nets import Emitting, EncodedT
from gigaam.decoding.prefixes import Prefixes
from gigaam.decoding.pruning import NOT_NUMBERS, Pruning
from gigaam.decoding.recombination import Recombination
from gigaam.decoding.scoring import Scorer
from gigaam.errors import ModelError

__all__ = ["CTCBeamDecoding"]

_IMPOSSIBLE = -690.0  # its exponential is still a number
_MOST = 600.0  # its exponential is one still, and next to it all else is nothing

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class CTCBeamDecoding:
    """The most probable token sequences, each summed over its alignments.

    Args:
        scorer: What is added to the nets' scores.
        beam_size: Sequences kept after each frame.
        n_best: Sequences returned.
        pruning: What is not tried.
        blank_id: The class that is no token; by default the last one, whichever that is.
    """

    def __init__(
        self,
        scorer: Scorer,
        beam_size: int,
        n_best: int,
        pruning: Pruning,
        blank_id: int | None = None,
    ) -> None:
        self._scorer = scorer
        self._beam_size = beam_size
        self._n_best = n_best
        self._pruning = pruning
        self._blank_id = blank_id

    def find(self, nets: Emitting[EncodedT], encoded: EncodedT) -> list[Hypothesis]:
        """The tokens of each recording of a batch that the nets encoded."""
        return self.search(nets.emissions(encoded), encoded.lengths)

    def search(
        self, log_probs: NDArray[np.floating] | LogProbs, lengths: Sequence[int] | NDArray[Any]
    ) -> list[Hypothesis]:
        """The tokens of each recording, with its other sequences as `Hypothesis.alternatives`.

        Args:
            log_probs: Log-probabilities, float32 [B, T, V].
            lengths: Frames of each recording, int [B]; what lies past them is ignored.
        """
        if isinstance(log_probs, np.ndarray):
            log_probs = ArrayLogProbs(log_probs)
        if self._blank_id is not None:
            check_classes(log_probs.classes, self._blank_id)
        values = log_probs.numpy()
        ends = np.asarray(lengths, np.int64).reshape(-1).tolist()
        return [self._find(own[:end]) for own, end in zip(values, ends, strict=True)]

    def _find(self, log_probs: NDArray[np.floating]) -> Hypothesis:
        """The tokens of one recording's frames [T, V]."""
        if np.isnan(log_probs.max(initial=_IMPOSSIBLE)):
            raise ModelError(NOT_NUMBERS)
        frames = _Frames(log_probs, self._pruning)
        beam = _Beam(frames, self._scorer, self._beam_size, self._n_best)
        heard = list(beam.run())
        sequences, scores = beam.best()
        found = align(
            np.maximum(log_probs, _IMPOSSIBLE), np.array(heard, np.int64), sequences, scores
        )
        return with_alternatives(found)


class _Frames:
    """What the search asks of a recording's log-probabilities, found for all frames at once.

    Attributes:
        pruning: What is not tried.
        count: T.
        classes: V.
        likeliest: Log-probability of each frame's best class, to which all others are relative,
            [T].
        blanks: Log-probabilities of blank summed up to each frame, [T + 1].
        heard: The next frame from each one on that is not passed over, [T + 1]: while no hotword
            is under way, and while one is.
    """

    def __init__(self, log_probs: NDArray[np.floating], pruning: Pruning) -> None:
        self.pruning = pruning
        self.count, self.classes = log_probs.shape
        blank = log_probs[:, -1].astype(np.float64)
        best = log_probs.max(-1, initial=_IMPOSSIBLE).astype(np.float64)
        self.likeliest: list[float] = best.tolist()
        self.blanks: list[float] = [0.0, *np.cumsum(np.maximum(blank, _IMPOSSIBLE)).tolist()]
        limits = pruning.blank, pruning.blank_expecting
        self.heard = [_next_heard(blank, limit) for limit in limits]
        frames = np.unique(self.heard[1])[:-1]
        self._row = dict(zip(frames.tolist(), range(len(frames)), strict=True))
        self._relative = np.maximum(log_probs[frames] - best[frames, None], _IMPOSSIBLE)
        most = min(pruning.tokens, log_probs.shape[-1] - 1)
        tokens, log_probs = ArrayLogProbs(self._relative[:, :-1]).top(most)
        counts = (log_probs > -pruning.token_threshold).sum(-1)
        self._tried = list(zip(tokens.tolist(), log_probs.tolist(), counts.tolist(), strict=True))

    def at(self, frame: int) -> tuple[list[float], list[tuple[int, float]]]:
        """Relative log-probabilities of all classes, and the tokens tried with theirs."""
        row = self._row[frame]
        tokens, log_probs, count = self._tried[row]
        tried = list(zip(tokens[:count], log_probs, strict=False))
        return self._relative[row].tolist(), tried


def _next_heard(blank: Float, limit: float) -> list[int]:
    """The next frame from each one on where blank is less probable, or their number."""
    count = len(blank)
    heard = blank < log(limit) if limit < 1 else np.ones(count, bool)
    frames = np.append(np.where(heard, np.arange(count), count), count)
    following: list[int] = np.minimum.accumulate(frames[::-1])[::-1].tolist()
    return following


_Candidate = tuple[float, int, int, float, float, float]
"""A score; a sequence and -1, or one and the token that it goes on with; its log-probability, and
which shares of it are of alignments that end in blank and in the last token."""


class _Beam:
    """The best sequences of a recording, frame by frame.

    Attributes:
        prefixes: All sequences that were ever in the beam, or scored.
    """

    def __init__(self, frames: _Frames, scorer: Scorer, size: int, n_best: int) -> None:
        self._frames, self._size, self._n_best = frames, size, n_best
        self._threshold = frames.pruning.beam_threshold
        self.prefixes = Prefixes(scorer, frames.classes)
        self._recombination = Recombination(
            self.prefixes, frames.pruning.recombine, is_noted=n_best > 1
        )
        self._alive = [0]
        self._passed = 0.0  # what all sequences have in common
        self._step = 0
        # Of each prefix: its log-probability, the shares of it, the last step that it was in the
        # beam before.
        self._mass, self._in_blank, self._in_token, self._last = [0.0], [1.0], [0.0], [0]

    def run(self) -> Iterator[int]:
        """Searches; gives the frames that were not passed over."""
        at, blanks = 0, self._frames.blanks
        while True:
            frame = self._next(at)
            if frame > at:
                self._passed += blanks[frame] - blanks[at]
                for each in self._alive:
                    self._in_blank[each], self._in_token[each] = 1.0, 0.0
            if frame == self._frames.count:
                return
            self._hear(frame)
            yield frame
            at = frame + 1

    def best(self) -> tuple[list[Int], list[float]]:
        """The tokens of the best sequences and their scores, in order."""
        prefixes = self.prefixes
        ends = prefixes.scorer.finish(prefixes.states(self._alive)).tolist()
        scored = [
            (self._mass[each] + prefixes.added[each] + end + self._passed, each, None)
            for each, end in zip(self._alive, ends, strict=True)
        ]
        scored.sort(key=itemgetter(0), reverse=True)
        found = list(self._recombination.best(scored, self._n_best))
        spelled = [
            np.append(prefixes.spelled(each), np.array([token for token, _ in after], np.int64))
            for _, each, _, after in found
        ]
        return spelled, [score for score, *_ in found]

    def _next(self, at: int) -> int:
        """The first frame from this one on that is to be heard."""
        plain, expecting = (frames[at] for frames in self._frames.heard)
        prefixes = self.prefixes
        if plain == expecting or not prefixes.is_scored:
            return plain
        return expecting if prefixes.scorer.expects(prefixes.states(self._alive)).any() else plain

    def _hear(self, frame: int) -> None:
        """Takes the beam on by one frame."""
        log_probs, tried = self._frames.at(frame)
        self._passed += self._frames.likeliest[frame]
        candidates = self._kept(log_probs)
        candidates += self._longer(tried, max(map(itemgetter(0), candidates)))
        candidates.sort(key=itemgetter(0), reverse=True)
        limit = candidates[0][0] - self._threshold
        self._step += 1
        alive: list[int] = []
        self._recombination.begin(frame)
        for score, prefix, token, mass, in_blank, in_token in candidates:
            if score < limit or len(alive) == self._size:
                break
            sequence = prefix if token < 0 else self.prefixes.child(prefix, token)
            if not self._recombination.goes_on(sequence, score, None, in_blank > 0):
                continue
            self._make_room(sequence)
            if self._last[sequence] != self._step - 1:
                self.prefixes.born[sequence] = frame
            self._mass[sequence], self._last[sequence] = mass, self._step
            self._in_blank[sequence], self._in_token[sequence] = in_blank, in_token
            alive.append(sequence)
        self._alive = alive

    def _make_room(self, sequence: int) -> None:
        more = sequence + 1 - len(self._mass)
        if more > 0:
            for each in (self._mass, self._in_blank, self._in_token):
                each += [0.0] * more
            self._last += [-1] * more

    def _kept(self, log_probs: list[float]) -> list[_Candidate]:
        """The sequences as they are, after a frame with these log-probabilities [V].

        Among their alignments are those that make them out of another sequence of the beam.
        """
        masses, in_blanks, in_tokens = self._mass, self._in_blank, self._in_token
        parents, tokens, added = self.prefixes.parents, self.prefixes.tokens, self.prefixes.added
        candidates = []
        of_blank = exp(log_probs[-1])
        for each in self._alive:
            mass, in_blank, in_token = masses[each], of_blank, in_tokens[each]
            token, parent = tokens[each], parents[each]
            if in_token:
                in_token *= exp(log_probs[token])
            if parent >= 0 and self._last[parent] == self._step:
                arriving = masses[parent] + log_probs[token] - mass
                if tokens[parent] == token:
                    arriving += log(in_blanks[parent]) if in_blanks[parent] else -inf
                if arriving < _MOST:
                    in_token += exp(arriving)
                else:
                    mass, in_blank, in_token = mass + arriving, 0.0, 1.0
            total = in_blank + in_token
            mass += log(total)
            score = mass + added[each]
            candidates.append((score, each, -1, mass, in_blank / total, in_token / total))
        return candidates

    def _longer(self, tried: list[tuple[int, float]], best: float) -> list[_Candidate]:
        """The sequences with one more token, as far as they are not too improbable.

        Args:
            tried: Tokens and their log-probabilities, the most probable first.
            best: The highest score of the sequences as they are.
        """
        prefixes = self.prefixes
        limit, found = best - self._threshold, []
        for each in self._alive:
            last, mass, added = prefixes.tokens[each], self._mass[each], prefixes.added[each]
            for token, log_prob in tried:
                reached = mass + log_prob
                score = reached + added
                if score <= limit:
                    break
                if token == last:
                    in_blank = self._in_blank[each]
                    reached += log(in_blank) if in_blank else -inf
                    score = reached + added
                    if score <= limit:
                        continue
                child = prefixes.find(each, token)
                if 0 <= child < len(self._last) and self._last[child] == self._step:
                    continue  # one of those that are kept
                if score > best:
                    best, limit = score, score - self._threshold
                found.append((score, each, token, reached, 0.0, 1.0))
        found = [each for each in found if each[0] > limit]
        return self._scored(found) if prefixes.is_scored else found

    def _scored(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """The same longer sequences with what the scorer gives for their last tokens."""
        if not candidates:
            return []
        _, parents, tokens, masses, _, _ = zip(*candidates, strict=True)
        children = self.prefixes.children(parents, tokens)
        added = self.prefixes.added
        return [
            (mass + added[child], child, -1, mass, 0.0, 1.0)
            for child, mass in zip(children, masses, strict=True)
        ]
