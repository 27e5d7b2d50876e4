"""Which words of speech that goes on are settled.

A word is committed once two hypotheses in a row agree on it and all words before it, and it lies
clear of the edge, where the next sound may still change it: local agreement (Liu, Spanakis,
Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
Selection", Interspeech 2020), word by word. A word of which the model is not sure takes three
hypotheses and more sound after it: such words change most.

Words and positions are in seconds from the start of the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gigaam.recognition.words import DRIFT_S, middle_s, plain
from gigaam.types import Word

__all__ = ["Agreement"]

_SURE = 0.5  # probability of all letters of a word together
_DOUBTFUL_HYPOTHESES = 3
_DOUBTFUL_HOLD_BACK_S = 2.0
_BOUNDARIES = 64  # words of which it is kept where they end: more than fit into a window


class Agreement:
    """The words of one utterance, committed and tentative.

    Attributes:
        committed: Never taken back, until a final has told them.
        tentative: Those of the latest hypothesis that follow them.
    """

    def __init__(self, hold_back_s: float, longest_wait_s: float) -> None:
        """An utterance of which nothing was heard.

        Args:
            hold_back_s: A word that ends nearer than this to the edge is not committed.
            longest_wait_s: A word that ends further than this from the edge is, whether or not
                hypotheses agree on it.
        """
        self._hold_back_s = hold_back_s
        self._longest_wait_s = longest_wait_s
        self.committed: list[Word] = []
        self.tentative: list[Word] = []
        self._agreeing: list[int] = []  # hypotheses in a row that have each tentative word
        self._last: Word | None = None  # that was committed
        self._settled_to_s = 0.0
        self._ends: deque[float] = deque(maxlen=_BOUNDARIES)

    @property
    def end_s(self) -> float:
        """Where the last word ends, of all that were heard."""
        return self.tentative[-1].end if self.tentative else self._settled_to_s

    def hear(self, words: Sequence[Word], edge_s: float) -> None:
        """Take the next hypothesis.

        Args:
            words: In order; they may begin anywhere before the first that is not committed.
            edge_s: Where the sound ends that it is made of.
        """
        words = self._unsettled(words)
        agreeing = self._counted(words)
        n_settled = 0
        for word, count in zip(words, agreeing, strict=True):
            if not self._is_settled(word, count, edge_s):
                break
            n_settled += 1
        self._commit(words[:n_settled])
        self.tentative, self._agreeing = list(words[n_settled:]), agreeing[n_settled:]

    def drop_to(self, to_s: float) -> None:
        """Forget the words up to here, which a final has told."""
        self._settled_to_s = max(self._settled_to_s, to_s)
        self.committed = [word for word in self.committed if middle_s(word) >= to_s]
        n_told = sum(middle_s(word) < to_s for word in self.tentative)
        self.tentative, self._agreeing = self.tentative[n_told:], self._agreeing[n_told:]

    def boundary_s(self, context_s: float) -> float | None:
        """The end of a committed word that leaves so much of what is settled, if there is one."""
        ends = (end for end in reversed(self._ends) if end <= self._settled_to_s - context_s)
        return next(ends, None)

    def _counted(self, words: Sequence[Word]) -> list[int]:
        """Of each word, how many hypotheses in a row have it; this one counts."""
        counts = [1] * len(words)
        before = zip(self.tentative, self._agreeing, strict=True)
        for index, (word, (old, count)) in enumerate(zip(words, before, strict=False)):
            if _are_one(word, old):
                counts[index] = count + 1
        return counts

    def _is_settled(self, word: Word, n_agreeing: int, edge_s: float) -> bool:
        clear_s = edge_s - word.end
        if clear_s > self._longest_wait_s:
            return True
        if word.confidence ** len(word.text) >= _SURE:
            return n_agreeing >= 2 and clear_s >= self._hold_back_s
        least_s = max(self._hold_back_s, _DOUBTFUL_HOLD_BACK_S)
        return n_agreeing >= _DOUBTFUL_HYPOTHESES and clear_s >= least_s

    def _commit(self, words: Sequence[Word]) -> None:
        self.committed += words
        for word in words:
            self._last = word
            self._settled_to_s = max(self._settled_to_s, word.end)
            self._ends.append(word.end)

    def _unsettled(self, words: Sequence[Word]) -> Sequence[Word]:
        """The words that follow the settled ones."""
        settled_s, last = self._settled_to_s, self._last
        first = next((n for n, word in enumerate(words) if middle_s(word) > settled_s), len(words))
        if first < len(words) and last is not None:
            again = words[first]
            if plain(again) == plain(last) and again.start < last.end:
                first += 1
        return words[first:]


def _are_one(word: Word, other: Word) -> bool:
    """Whether two hypotheses have the same word at about the same place."""
    return plain(word) == plain(other) and abs(middle_s(word) - middle_s(other)) <= DRIFT_S
