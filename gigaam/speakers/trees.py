"""Average linkage and assignment by scipy, which is imported at use: most programs do without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_LEAVES", "assignment", "cosine_tree", "cut_at"]

MOST_LEAVES = 2000
"""Of one tree: what it takes to make one grows with their square."""

Tree = NDArray[np.float64]
Labels = NDArray[np.int32]


def cosine_tree(vectors: NDArray[np.float32]) -> Tree:
    """The tree of vectors [n, D], of which there are two at least, by one less their cosines."""
    from scipy.cluster.hierarchy import linkage  # type: ignore[import-untyped]

    found: Tree = linkage(vectors, "average", metric="cosine")
    return found


def cut_at(tree: Tree, distance: float) -> Labels:
    """The clusters that are further apart, from 1 on."""
    from scipy.cluster.hierarchy import fcluster

    found: Labels = fcluster(tree, distance, "distance")
    return found


def assignment(costs: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the cheapest assignment, of one to one."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    rows, columns = linear_sum_assignment(costs)
    return rows, columns
