"""Variables of the environment, for a while: what is started meanwhile inherits them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["environment", "of_threads"]

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def of_threads(threads: int) -> dict[str, str]:
    """What tells libraries, when they are loaded, how many threads to have."""
    return dict.fromkeys(_THREADS, str(threads))


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """A block in which these variables are set; after it they are what they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
