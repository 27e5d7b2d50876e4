"""Recordings from open files are recognised as those from paths."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gigaam
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.runner import BatchRunner
from gigaam.recognition.scheduler import Priority
from gigaam.recognition.shared import SharedRecognition
from tests.waves import write_wav


@pytest.fixture(scope="module")
def runner(packaged_model: gigaam.GigaAMASR) -> BatchRunner:
    return BatchRunner(packaged_model, word_timestamps=True)


@pytest.fixture(scope="module", params=[1, 6])
def path(request: Any, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged recording, once or so often that it is long."""
    samples = np.tile(gigaam.load_audio(example).numpy(), request.param)
    return write_wav(tmp_path_factory.mktemp("runner") / "it.wav", samples)


def test_files_that_can_go_back(runner: BatchRunner, path: Path) -> None:
    (expected,) = runner.run([("path", path)])
    behind = io.BytesIO(b"before" + path.read_bytes())
    behind.seek(6)
    with open(path, "rb") as file:
        outcomes = list(runner.run([("file", file), ("behind", behind)]))
    assert [outcome.result for outcome in outcomes] == [expected.result] * 2
    assert [outcome.duration_s for outcome in outcomes] == [expected.duration_s] * 2


def test_a_file_whose_header_is_wrong_is_read_again(runner: BatchRunner, tmp_path: Path) -> None:
    samples = np.zeros(16_000 * 40, np.float32)
    data = bytearray(write_wav(tmp_path / "it.wav", samples).read_bytes())
    data[40:44] = (32_000).to_bytes(4, "little")  # a second, as it says
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gigaam.errors.AudioWarning)
        (outcome,) = runner.run([("it", io.BytesIO(bytes(data)))])
    assert not isinstance(outcome.result, Exception)


@pytest.mark.parametrize("is_measured", [True, False])
def test_one_that_was_measured(runner: BatchRunner, path: Path, is_measured: bool) -> None:
    (expected,) = runner.run([("path", path)])
    stated_s = gigaam.audio.duration_s(path) if is_measured else None
    outcome = runner.run_one(path, stated_s)
    assert str(getattr(outcome.result, "text", "")) == str(getattr(expected.result, "text", ""))


def test_a_shared_model_gives_the_same(packaged_model: gigaam.GigaAMASR, path: Path) -> None:
    shared = SharedRecognition(packaged_model, Batcher(), caller="somebody", priority=Priority.BULK)
    (expected,) = BatchRunner(packaged_model, word_timestamps=True).run([("it", path)])
    (outcome,) = BatchRunner(shared, word_timestamps=True).run([("it", path)])
    assert outcome.result == expected.result
    assert shared.recognizer().pass_of(True) == packaged_model.recognizer().pass_of(True)
