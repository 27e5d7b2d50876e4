"""Tests of bulk runs write many small files, none of which has to outlive a loss of power."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _files_are_left_to_the_system() -> Iterator[None]:
    """Files are whole all the same; only waiting for the disk is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        yield
