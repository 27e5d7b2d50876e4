"""What tests of every tier share: a seeded generator, the packaged model and its recording."""

from pathlib import Path

import numpy as np
import pytest

import gigaam

ASSETS = Path(gigaam.__file__).parent / "assets"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same numbers in every test and every run."""
    return np.random.default_rng(20_240_401)


@pytest.fixture(scope="session")
def example() -> Path:
    """The packaged recording."""
    return ASSETS / "example.wav"


@pytest.fixture(scope="session")
def example_text() -> str:
    """What is said in the packaged recording, as it is written."""
    return (ASSETS / "example.txt").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="session")
def packaged_model() -> "gigaam.GigaAMASR":
    """The packaged recogniser; shared, so a test must not change it."""
    model = gigaam.load_model("tiny_ctc", device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    return model
