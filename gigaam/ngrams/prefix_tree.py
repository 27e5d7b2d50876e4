"""The prefixes of a vocabulary's words: how probable it is that a word begins so.

Shapes: P prefixes (0 is the empty one), C continuations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.ngrams.model import SPECIAL, NGramModel
from gigaam.ngrams.spelling_model import Alphabet, SpellingModel, letters_of

__all__ = ["PrefixTree", "prefix_tree"]

_LONGEST_WORD = 100
"""Letters; longer ones are taken for unknown, as no recogniser writes them."""

Int = NDArray[np.int64]
Float = NDArray[np.float64]


class PrefixTree:
    """The prefixes of the words of a model, with what each promises.

    A word is one of the vocabulary, with its probability without a context, or an unknown one, with
    that of ``<unk>`` times that of its spelling. The probability of a prefix is the sum over all
    words that begin with it, so that it is the sum of those of the prefixes one letter longer and
    of the word that is just this prefix. All words together have the probability 1.

    Attributes:
        alphabet: Letters as numbers.
        spelling: Log-probabilities of letters, float64 [A, A, A].
        log_unknown: Log-probability that a word is unknown.
        ahead: Log-probabilities of prefixes, float64 [P].
        spelled: Log-probabilities of prefixes as beginnings of unknown words, given that a word is
            unknown, float64 [P].
        ends: Ids of the words that are just these prefixes, -1 for none, int64 [P].
        last_two: The last two letters of prefixes as one number, int64 [P].
    """

    def __init__(self, model: NGramModel) -> None:
        pairs = sorted(
            (word, index)
            for index, word in enumerate(model.words)
            if word not in SPECIAL and len(word) <= _LONGEST_WORD
        )
        words = [word for word, _ in pairs]
        ids = np.array([index for _, index in pairs], np.int64)
        unigrams = model.unigrams()
        masses = np.exp(unigrams[ids])
        unknown = float(np.exp(unigrams[model.unknown]))
        total = masses.sum() + unknown
        characters, starts = letters_of(words)
        self.alphabet = Alphabet(characters)
        letters = self.alphabet.numbers(characters)
        self.spelling = self._spelling_of(letters, starts, masses)
        self.log_unknown = float(np.log(unknown / total))
        # Words of letters that the alphabet lacks have no prefixes of their own: they are unknown.
        plain = np.ones(len(words), bool)
        np.logical_and.at(plain, np.repeat(np.arange(len(words)), np.diff(starts)), letters != 1)
        self._grow(letters, starts, plain, ids, masses / total)

    def _spelling_of(self, letters: Int, starts: Int, masses: Float) -> Float:
        """A spelling model of the rarer half of the words: unknown ones are like them."""
        rare = masses <= np.median(masses) if len(masses) else np.zeros(0, bool)
        kept = np.repeat(rare, np.diff(starts))
        bounds = np.concatenate([[0], np.cumsum(np.diff(starts)[rare])]).astype(np.int64)
        return SpellingModel(letters[kept], bounds, self.alphabet.size).table

    def _grow(
        self, letters: Int, starts: Int, plain: NDArray[Any], ids: Int, masses: Float
    ) -> None:
        """Makes the prefixes, letter by letter; the words are in the order of their letters."""
        size, lengths = self.alphabet.size, np.diff(starts)
        growing = np.flatnonzero(plain)
        nodes = np.zeros(len(growing), np.int64)
        parents, last, first_of_level = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], [0, 1]
        spelled, pairs = [np.zeros(1)], [np.zeros(1, np.int64)]
        word_nodes = np.zeros(len(ids), np.int64)
        depth = 0
        while len(growing):
            letter = letters[starts[growing] + depth]
            new = np.ones(len(growing), bool)
            new[1:] = (nodes[1:] != nodes[:-1]) | (letter[1:] != letter[:-1])
            before = nodes[new] - first_of_level[-2]
            parents.append(nodes[new])
            last.append(letter[new])
            pair = pairs[-1][before]
            step = self.spelling.reshape(-1, size)[pair, letter[new]]
            spelled.append(spelled[-1][before] + step)
            pairs.append(pair % size * size + letter[new])
            nodes = first_of_level[-1] + np.cumsum(new) - 1
            first_of_level.append(first_of_level[-1] + int(new.sum()))
            depth += 1
            ended = lengths[growing] == depth
            word_nodes[growing[ended]] = nodes[ended]
            growing, nodes = growing[~ended], nodes[~ended]
        self.spelled, self.last_two = np.concatenate(spelled), np.concatenate(pairs)
        self._children(np.concatenate(parents), np.concatenate(last))
        self.ends = np.full(len(self.spelled), -1)
        self.ends[word_nodes[plain]] = ids[plain]
        sums = np.zeros(len(self.spelled))
        sums[word_nodes[plain]] = masses[plain]
        for first, end in zip(first_of_level[-2:0:-1], first_of_level[:1:-1], strict=True):
            np.add.at(sums, np.concatenate(parents)[first:end], sums[first:end])
        self.ahead = np.log(sums + np.exp(self.log_unknown + self.spelled))
        self.ahead[0] = 0.0

    def _children(self, parents: Int, letters: Int) -> None:
        """Notes which letters follow each prefix, as bits, and where those prefixes begin."""
        self._followers = np.zeros(len(parents), np.uint64)
        bits = np.uint64(1) << letters[1:].astype(np.uint64)
        np.bitwise_or.at(self._followers, parents[1:], bits)
        counts = np.bincount(parents[1:], minlength=len(parents))
        self._first_child = np.cumsum(counts) - counts + 1

    def longer(self, prefixes: Int, letters: Int) -> Int:
        """Prefixes with one more letter each, [C]; -1 where no word begins so."""
        bits = np.uint64(1) << letters.astype(np.uint64)
        followers = self._followers[prefixes]
        rank = np.bitwise_count(followers & (bits - np.uint64(1)))
        return np.where(followers & bits, self._first_child[prefixes] + rank, -1)


def prefix_tree(model: NGramModel) -> PrefixTree:
    """The tree of a model's words, made once for a model."""
    made: PrefixTree | None = model.__dict__.get("_prefix_tree")
    if made is None:
        made = model.__dict__["_prefix_tree"] = PrefixTree(model)
    return made
