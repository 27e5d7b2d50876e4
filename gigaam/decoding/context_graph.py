"""Hotwords as an automaton over tokens: what each token brings a hypothesis nearer to one.

A phrase is met where its tokens stand as whole words. While it is being spelled, a growing share of
its reward is lent; what turns out otherwise is taken back, and the word's end makes it final. So
the gains of a text add up to the rewards of the phrases in it, those inside others included.

Shapes: C continuations, H hypotheses, P spellings, T their tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.hotwords import Phrase
from gigaam.decoding.spelling import Speller
from gigaam.decoding.token_trie import TokenTrie
from gigaam.decoding.tokenizer import WORD_START, Tokenizer
from gigaam.errors import ArgumentError
from gigaam.quoting import brief

__all__ = ["ContextGraph", "phrase_reward"]

# Natural logarithms at weight 1, chosen on dev recordings, see dev/LOG.md: short words get little,
# as much else sounds like them.
_REWARD, _REWARD_PER_CHARACTER = -1.0, 1.6
# A word's first letters are those of many others: lending much for them leads astray.
_LENDING_EXPONENT = 1.5

# Where no phrase has begun: at a word's beginning, and, if spaces are tokens, inside of a word.
_ROOT, _IN_WORD, _FIRST_NODE = 0, 1, 2

_JOINING = "-'’_"  # punctuation that words have inside


def phrase_reward(n_characters: int) -> float:
    """What a phrase of weight 1 is worth where it stands in a text, in natural logarithms.

    Longer ones get more: the nets may be wrong about each letter, and are less likely to say such a
    phrase by chance.

    Args:
        n_characters: Of the phrase as the model writes it, without spaces.
    """
    return _REWARD + _REWARD_PER_CHARACTER * n_characters


class ContextGraph:
    """A `gigaam.decoding.scoring.Scorer` that rewards phrases.

    A phrase begins where a word begins: at the start, after a space, with a piece that has ``▁``.
    It ends where one ends: before a space, a word's first piece, a token that stands alone or
    punctuation, and at the end. There an unfinished phrase is worth nothing, even between two of
    its words: what it was lent is taken back. Spaces in a row are one.

    Attributes:
        unspellable: Phrases that the vocabulary lacks characters for, and that are left out.
        size: One number in a state, the node.
        lm_weight: 0, as it is no language model.
    """

    size = 1
    lm_weight = 0.0

    def __init__(self, tokenizer: Tokenizer, phrases: Iterable[Phrase], weight: float) -> None:
        """The automaton of these phrases.

        Args:
            tokenizer: Of the model whose tokens are to be scored.
            phrases: From `gigaam.decoding.hotwords.read_hotwords`.
            weight: Of all phrases, at least 0; a phrase is worth this times its own weight times
                `phrase_reward`.

        Raises:
            ArgumentError: The weight is out of range.
        """
        if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise ArgumentError(f"the weight of hotwords is a number from 0, not {brief(weight)}")
        speller = Speller(tokenizer)
        weights: dict[tuple[int, ...], float] = {}
        unspellable = []
        for phrase in phrases:
            ways = speller.spell(phrase.text)
            if not ways:
                unspellable.append(phrase.text)
            for tokens in ways:
                weights[tokens] = max(weight * phrase.weight, weights.get(tokens, 0.0))
        self.unspellable = tuple(unspellable)
        self._n_tokens = len(tokenizer)
        trie = TokenTrie(list(weights), self._n_tokens, _FIRST_NODE)
        self._set_edges(trie, tokenizer, speller.words_begin_with_pieces)
        self._set_rewards(trie, weights, tokenizer)

    def start(self) -> NDArray[np.int64]:
        """The state before the first token, [1]."""
        return np.array([_ROOT])

    def advance(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What one more token each does.

        Args:
            states: [C, 1].
            tokens: Never blank, [C].

        Returns:
            The states after them [C, 1], and what they gain [C]: what is lent now and was not
            before, which may be negative, and the rewards of phrases that end before the token.
        """
        before = states[:, 0]
        after = self._follow(before, tokens)
        gains = self._lent[after] - self._lent[before] + self._ends[tokens] * self._earned[before]
        return after[:, None], gains

    def finish(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the end of the recording gains, [H]: finished phrases count, others do not."""
        nodes = states[:, 0]
        return self._earned[nodes] - self._lent[nodes]

    def expects(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a phrase has begun, [H]."""
        return states[:, 0] >= _FIRST_NODE

    def _follow(self, nodes: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The nodes after one more token each: the longest beginning of a phrase that fits."""
        after, found = self._step(nodes, tokens)
        waiting = np.flatnonzero(~found & self._has_detour[nodes])
        while waiting.size:
            nodes = nodes.copy()
            nodes[waiting] = self._failure[nodes[waiting]]
            after[waiting], found = self._step(nodes[waiting], tokens[waiting])
            waiting = waiting[~found & self._has_detour[nodes[waiting]]]
        return after

    def _step(
        self, nodes: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where the edges lead, and whether there are such; else what no other phrase is met by."""
        keys = nodes * self._n_tokens + tokens
        edges = self._keys.searchsorted(keys)
        found = self._keys[edges] == keys
        resting = self._resting[self._resting_row[nodes] + tokens]
        return np.where(found, self._children[edges], resting), found

    def _set_edges(self, trie: TokenTrie, tokenizer: Tokenizer, pieces: bool) -> None:
        """Lays edges, and the failure links of the nodes, level by level."""
        size = self._n_tokens
        token_of = np.concatenate([np.full(_FIRST_NODE, -1), trie.keys % size])
        parent_of = np.concatenate([np.zeros(_FIRST_NODE, np.int64), trie.keys // size])
        spaces = np.flatnonzero([tokenizer.is_space(token) for token in range(size)])
        after_space = np.flatnonzero(np.isin(token_of, spaces))
        loops = (after_space[:, None] * size + spaces).ravel()  # spaces in a row are one
        keys = np.concatenate([trie.keys, loops])
        order = np.argsort(keys)
        children = np.concatenate(
            [np.arange(_FIRST_NODE, trie.n_nodes), np.repeat(after_space, len(spaces))]
        )
        self._keys = np.append(keys[order], np.iinfo(np.int64).max)
        self._children = np.append(children[order], _ROOT)

        lost = _ROOT if pieces else _IN_WORD
        resting = np.full((_FIRST_NODE, size), lost)
        resting[:, spaces] = _ROOT
        if trie.levels:
            beginning = np.array(trie.levels[0])
            resting[_ROOT, token_of[beginning]] = beginning
        self._resting = resting.ravel()
        self._resting_row = np.full(trie.n_nodes, 0 if pieces else size)
        self._resting_row[_ROOT] = self._resting_row[after_space] = 0

        self._failure = np.full(trie.n_nodes, lost)
        self._has_detour = np.zeros(trie.n_nodes, bool)
        for level in trie.levels[1:]:
            nodes = np.array(level)
            self._failure[nodes] = self._follow(self._failure[parent_of[nodes]], token_of[nodes])
            self._has_detour[nodes] = self._failure[nodes] >= _FIRST_NODE

    def _set_rewards(
        self, trie: TokenTrie, weights: dict[tuple[int, ...], float], tokenizer: Tokenizer
    ) -> None:
        """What is lent at the nodes, and what a word's end after them makes final."""
        self._ends = _word_ends(tokenizer).astype(float)
        self._lent, self._earned = np.zeros((2, trie.n_nodes))
        if not weights:
            return
        letters = np.array([len(piece.strip(f" {WORD_START}")) for piece in tokenizer.pieces])
        lengths = np.array([len(tokens) for tokens in weights])
        spelled = np.concatenate([letters[list(tokens)].cumsum() for tokens in weights])
        n_letters = spelled[lengths.cumsum() - 1]
        rewards = np.array(list(weights.values())) * [phrase_reward(n) for n in n_letters.tolist()]
        share = (spelled / np.repeat(n_letters, lengths).clip(1)) ** _LENDING_EXPONENT
        np.maximum.at(self._lent, trie.path, share * np.repeat(rewards, lengths))
        np.maximum.at(self._earned, trie.last, rewards)
        for level in trie.levels:
            nodes = np.array(level)
            self._lent[nodes] += self._lent[self._failure[nodes]]
            self._earned[nodes] += self._earned[self._failure[nodes]]


def _word_ends(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Before which tokens a word ends, [V]."""
    pieces = tokenizer.pieces
    return np.array(
        [
            tokenizer.is_space(token)
            or tokenizer.starts_word(token)
            or tokenizer.stands_alone(token)
            or (unicodedata.category(piece[0])[0] == "P" and piece[0] not in _JOINING)
            for token, piece in enumerate(pieces)
        ]
    )
