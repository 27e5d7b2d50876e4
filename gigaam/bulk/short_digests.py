"""Eight bytes that stand for a name: of ten million names, these fit into memory.

Two names may have the same ones by chance. Whoever asks which are there more than once has to look
at the names themselves, or to take two that only seem to be one as if they were.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["repeated", "short_digest"]


def short_digest(name: str) -> int:
    """Eight bytes that stand for a name, as a number."""
    content = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def repeated(digests: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those that are there more than once, each once, in order."""
    ordered = np.sort(digests)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
