"""The held-out recordings of `recipes.tiny`, for tests that are skipped where they are missing."""

import os

import pytest

from recipes.tiny import long_recordings
from recipes.tiny.long_recordings import RATE, Spoken, write_long

__all__ = ["RATE", "Spoken", "held_out", "write_long"]


def held_out(split: str = "test") -> list[Spoken]:
    """The man's sentences and the woman's prompts of a split; skips if they are not installed."""
    try:
        return long_recordings.held_out(split)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
