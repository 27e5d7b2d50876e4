"""An n-gram model's opinion, token by token.

Shapes: C continuations, H hypotheses, S numbers of a state, W numbers of a model's state.
"""

from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.text import normalize_text
from gigaam.decoding.scoring import Scorer
from gigaam.decoding.tokenizer import WORD_START, Tokenizer, is_mark
from gigaam.errors import ArgumentError
from gigaam.ngrams.model import NGramModel, State
from gigaam.ngrams.prefix_tree import prefix_tree
from gigaam.ngrams.spelling_model import Alphabet

__all__ = ["PieceScorer", "WordScorer", "language_model_scorer"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]

_MOST_CACHED = 1 << 16


def language_model_scorer(
    tokenizer: Tokenizer, model: NGramModel, weight: float, word_bonus: float = 0.0
) -> Scorer:
    """A scorer that adds a language model's log-probabilities.

    Args:
        tokenizer: Whose tokens are scored. Models of words go with every tokenizer, models of
            pieces with the one that they were trained for.
        model: Words or pieces after those before them.
        weight: What log-probabilities are multiplied with.
        word_bonus: What each finished word gains: a model makes texts shorter than they are.

    Raises:
        ArgumentError: The model is for another tokenizer, or a number is not finite.
    """
    if not np.isfinite([weight, word_bonus]).all() or weight < 0:
        raise ArgumentError(
            f"lm_weight must be a number from 0 on, and word_bonus a number, not {weight!r} and "
            f"{word_bonus!r}"
        )
    kind = WordScorer if model.unit == "word" else PieceScorer
    return kind(tokenizer, model, weight, word_bonus)


class _ModelScorer:
    """What both kinds share."""

    def __init__(
        self, tokenizer: Tokenizer, model: NGramModel, weight: float, word_bonus: float
    ) -> None:
        self.lm_weight = float(weight)
        self._model, self._bonus = model, float(word_bonus)
        self._tokenizer = tokenizer

    def expects(self, states: Int) -> NDArray[np.bool_]:
        """False: a language model gives no bonus for single tokens, [H]."""
        return np.zeros(len(states), bool)


class WordScorer(_ModelScorer):
    """A model of words over tokens that are letters or pieces.

    Inside a word each letter gains what it makes the word more probable than it was, without a
    context; the end gains the rest, so that a word's gains add up to its log-probability after the
    words before it. A word that the model does not know has the probability of ``<unk>`` times that
    of its spelling. Words end at spaces, pieces that begin a word, and punctuation, which is not
    scored.

    A state is a state of the model, then the number of the prefix so far; for a prefix that no word
    of the vocabulary begins with, -1 less its last two letters.
    """

    def __init__(
        self, tokenizer: Tokenizer, model: NGramModel, weight: float, word_bonus: float
    ) -> None:
        super().__init__(tokenizer, model, weight, word_bonus)
        self._tree = prefix_tree(model)
        self._letters = self._tree.spelling.reshape(-1, self._tree.alphabet.size)
        self._steps = self._steps_of(tokenizer)
        self._lengths = (self._steps != _NOTHING).sum(1)
        self._width = len(model.start)
        self.size = self._width + 1
        self._words: dict[tuple[int, ...], tuple[float, State]] = {}

    def _steps_of(self, tokenizer: Tokenizer) -> Int:
        """What each token does: letters and ends of words, then nothing, [V, most]."""
        steps = [self._steps_of_piece(piece) for piece in tokenizer.pieces]
        for token in range(len(steps)):
            if tokenizer.stands_alone(token):
                steps[token] = [_END, Alphabet.other, _END]
        table = np.full((len(steps), max(map(len, steps), default=0)), _NOTHING)
        for row, each in zip(table, steps, strict=True):
            row[: len(each)] = each
        return table

    def _steps_of_piece(self, piece: str) -> list[int]:
        if is_mark(piece):
            return [Alphabet.other]
        steps: list[int] = []
        for character in piece:
            if character in (" ", WORD_START):
                steps.append(_END)
            elif letters := normalize_text(character):
                points = np.array([ord(letter) for letter in letters], np.uint32)
                steps += self._tree.alphabet.numbers(points).tolist()
            elif unicodedata.category(character).startswith("P"):
                steps.append(_END)
        return steps

    def start(self) -> Int:
        """The state at the beginning of a sentence, [S]."""
        return np.array([*self._model.start, 0], np.int64)

    def advance(self, states: Int, tokens: Int) -> tuple[Int, Float]:
        """What one more token each does: states [C, S] and gains [C]."""
        states = states.copy()
        gains = np.zeros(len(tokens))
        most = int(self._lengths[tokens].max(initial=0))
        steps = self._steps[tokens, :most]
        for column in steps.T:
            rows = np.flatnonzero(column >= 0)
            if len(rows):
                self._add_letters(states, gains, rows, column[rows])
            ends = np.flatnonzero(column == _END)
            if len(ends):
                self._end_words(states, gains, ends)
        return states, gains

    def _add_letters(self, states: Int, gains: Float, rows: Int, letters: Int) -> None:
        tree, prefixes = self._tree, states[rows, -1]
        inside = prefixes >= 0
        known = np.maximum(prefixes, 0)
        longer = tree.longer(known, letters)
        longer[~inside] = -1
        gained = tree.ahead[longer] - tree.ahead[known]
        if (left := longer < 0).any():
            last_two = np.where(inside, tree.last_two[known], -1 - prefixes)[left]
            spelled = self._letters[last_two, letters[left]]
            leaving = inside[left]
            here = known[left]
            until_now = tree.log_unknown + tree.spelled[here] - tree.ahead[here]
            gained[left] = spelled + np.where(leaving, until_now, 0.0)
            size = tree.alphabet.size
            longer[left] = -1 - (last_two % size * size + letters[left])
        states[rows, -1] = longer
        gains[rows] += self.lm_weight * gained

    def _end_words(self, states: Int, gains: Float, rows: Int) -> None:
        open_rows = rows[states[rows, -1] != 0]
        for row, state in zip(open_rows.tolist(), states[open_rows].tolist(), strict=True):
            key = tuple(state)
            found = self._words.get(key)
            if found is None:
                if len(self._words) >= _MOST_CACHED:
                    self._words.clear()
                found = self._words[key] = self._ended(key)
            gains[row] += found[0]
            states[row, :-1] = found[1]
            states[row, -1] = 0

    def _ended(self, state: tuple[int, ...]) -> tuple[float, State]:
        """What the end of the word in a state gains, and the model's state after it."""
        tree, prefix = self._tree, state[-1]
        word = int(tree.ends[prefix]) if prefix >= 0 else -1
        value, after = self._model.score(state[:-1], word if word >= 0 else self._model.unknown)
        if prefix >= 0:
            value -= float(tree.ahead[prefix])
            if word < 0:
                value += float(tree.spelled[prefix])
        else:
            value -= tree.log_unknown
        if word < 0:
            last_two = int(tree.last_two[prefix]) if prefix >= 0 else -1 - prefix
            value += float(self._letters[last_two, Alphabet.border])
        return self.lm_weight * value + self._bonus, after

    def finish(self, states: Int) -> Float:
        """What the ends of open words gain, [H]; that the sentence ends here gains nothing."""
        gains = np.zeros(len(states))
        self._end_words(states.copy(), gains, np.arange(len(states)))
        return gains


class PieceScorer(_ModelScorer):
    """A model of the pieces of a SentencePiece model: each token is a step.

    The bonus is gained where a word begins.
    """

    def __init__(
        self, tokenizer: Tokenizer, model: NGramModel, weight: float, word_bonus: float
    ) -> None:
        super().__init__(tokenizer, model, weight, word_bonus)
        digest = model.card.get("tokenizer")
        content = tokenizer.serialized
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            raise ArgumentError(
                "the language model counts the pieces of another model's tokenizer: train one for "
                "this model (gigaam lm --tokenizer), or one of words"
            )
        ids = [model.word_id(piece) for piece in tokenizer.pieces]
        self._ids = [model.unknown if each is None else each for each in ids]
        starts = [tokenizer.starts_word(token) for token in range(len(tokenizer))]
        self._bonuses = np.where(starts, self._bonus, 0.0)
        self.size = len(model.start)

    def start(self) -> Int:
        """The state at the beginning of a sentence, [S]."""
        return np.array(self._model.start, np.int64)

    def advance(self, states: Int, tokens: Int) -> tuple[Int, Float]:
        """What one more token each does: states [C, S] and gains [C]."""
        score, ids = self._model.score, self._ids
        found = [
            score(tuple(state), ids[token])
            for state, token in zip(states.tolist(), tokens.tolist(), strict=True)
        ]
        after = np.array([state for _, state in found], np.int64).reshape(states.shape)
        values = np.array([value for value, _ in found], np.float64)
        return after, self.lm_weight * values + self._bonuses[tokens]

    def finish(self, states: Int) -> Float:
        """Nothing, [H]: pieces are scored when they come."""
        return np.zeros(len(states))


_END, _NOTHING = -1, -2
