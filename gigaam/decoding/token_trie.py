"""Sequences of tokens that share their beginnings, built level by level without a loop over them.

Shapes: P sequences, T tokens of all of them, E edges, N nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["TokenTrie"]


class TokenTrie:
    """A trie; its nodes are numbered level by level, so that a parent comes before its children.

    Attributes:
        keys: Of the edges, parent · number of tokens + token, ascending, int64 [E]. Edge number i
            leads to node ``first + i``.
        levels: The nodes of each depth from 1, as ranges.
        path: The node after each token of each sequence, one sequence after the other, int64 [T].
        last: The node where each sequence ends, int64 [P].
        n_nodes: N, those before ``first`` included.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], n_tokens: int, first: int) -> None:
        """The trie of these sequences.

        Args:
            sequences: Not empty ones.
            n_tokens: Above every token.
            first: Number of the first node below the root, which is node 0.
        """
        lengths = np.array([len(tokens) for tokens in sequences], np.int64)
        starts = np.cumsum(lengths) - lengths
        flat = np.array([token for tokens in sequences for token in tokens], np.int64)
        self.path = np.zeros(len(flat), np.int64)
        self.levels: list[range] = []
        self.n_nodes = first
        keys = []
        nodes = np.zeros(len(lengths), np.int64)
        for depth in range(max(lengths, default=0)):
            alive = np.flatnonzero(lengths > depth)
            position = starts[alive] + depth
            level, which = np.unique(nodes[alive] * n_tokens + flat[position], return_inverse=True)
            nodes[alive] = self.path[position] = self.n_nodes + which
            keys.append(level)
            self.levels.append(range(self.n_nodes, self.n_nodes + len(level)))
            self.n_nodes += len(level)
        self.keys = np.concatenate([np.zeros(0, np.int64), *keys])
        self.last = nodes
