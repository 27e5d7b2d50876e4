"""The packaged models on the packaged recording: a human voice, held out of their training."""

import os
import shutil
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import gigaam
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.dataset.text import normalize_text

MAX_CER = 0.15
"""Of this sentence: 0.10 was seen, and other processors' rounding may change a character or two."""

WORDS_IN_SECOND_HALF = 5


@pytest.fixture(scope="module", params=["tiny_ctc", "tiny_rnnt"])
def model(request: pytest.FixtureRequest) -> gigaam.GigaAMASR:
    loaded = gigaam.load_model(request.param, device="cpu")
    assert isinstance(loaded, gigaam.GigaAMASR)
    return loaded


@pytest.fixture(scope="module")
def samples(example: Path) -> NDArray[np.float32]:
    return read_audio(example)


@pytest.fixture(scope="module")
def reference(example_text: str) -> str:
    return normalize_text(example_text)


@pytest.fixture(scope="module")
def recognised(model: gigaam.GigaAMASR, samples: NDArray[np.float32]) -> gigaam.TranscriptionResult:
    return model.transcribe(samples, word_timestamps=True, input_rate=SAMPLE_RATE)


def edits(reference: str, hypothesis: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, said in enumerate(hypothesis, 1):
            substituted = diagonal + (expected != said)
            diagonal, row[j] = row[j], min(substituted, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def cer(reference: str, hypothesis: str) -> float:
    return edits(reference, hypothesis) / len(reference)


def test_example_is_recognised(model: gigaam.GigaAMASR, example: Path, reference: str) -> None:
    text = model.transcribe(example)
    assert cer(reference, text) <= MAX_CER
    assert text.confidence > 0.5


def test_words_spell_the_text_in_order(
    recognised: gigaam.TranscriptionResult, samples: NDArray[np.float32]
) -> None:
    words = recognised.words
    assert words is not None
    assert " ".join(word.text for word in words) == recognised.text
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= len(samples) / SAMPLE_RATE
    assert all(0 < word.confidence <= 1 for word in words)


def test_at_half_level(
    model: gigaam.GigaAMASR, samples: NDArray[np.float32], reference: str
) -> None:
    text = model.transcribe(samples / 2, input_rate=SAMPLE_RATE)
    assert cer(reference, text) <= MAX_CER


def test_after_silence(
    model: gigaam.GigaAMASR,
    samples: NDArray[np.float32],
    recognised: gigaam.TranscriptionResult,
    reference: str,
) -> None:
    """The text stays, and the words come that much later."""
    silence = np.zeros(int(0.7 * SAMPLE_RATE), np.float32)
    later = model.transcribe(
        np.concatenate([silence, samples]), word_timestamps=True, input_rate=SAMPLE_RATE
    )
    assert cer(reference, later) <= MAX_CER
    assert later.words is not None
    assert recognised.words is not None
    assert later.words[-1].start - recognised.words[-1].start == pytest.approx(0.7, abs=0.15)


def test_second_half_alone(
    model: gigaam.GigaAMASR, samples: NDArray[np.float32], reference: str
) -> None:
    """A recording that begins in the middle of the sentence gives the words that are left."""
    left = model.transcribe(samples[len(samples) // 2 :], input_rate=SAMPLE_RATE).split()
    expected = reference.split()[-WORDS_IN_SECOND_HALF:]
    found = sum(block.size for block in SequenceMatcher(None, expected, left).get_matching_blocks())
    assert found >= 0.8 * len(expected)


def test_from_an_empty_directory_without_a_network(
    model: gigaam.GigaAMASR, example: Path, recognised: gigaam.TranscriptionResult, tmp_path: Path
) -> None:
    """No cache, no home, no way out: all that is needed is installed."""
    dead = "http://127.0.0.1:9"
    environment = os.environ | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), dead)
    environment |= {"HOME": str(tmp_path), "GIGAAM_CACHE": str(tmp_path / "cache")}
    environment |= {"PYTHONPATH": str(Path(gigaam.__file__).parents[1])}  # wherever it is installed
    command = [sys.executable, "-m", "gigaam", "transcribe", "--model", str(model.cfg.model_name)]
    command.append(str(example))
    namespace = ["unshare", "-rn"]
    if (
        shutil.which("unshare")
        and subprocess.run([*namespace, "true"], check=False).returncode == 0
    ):
        command = namespace + command
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert (done.stdout, done.stderr) == (f"{recognised}\n", "")
    assert not (tmp_path / "cache").exists()


def test_batches_give_what_single_calls_give(
    model: gigaam.GigaAMASR, samples: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen stretches of the recording, of different lengths, in no order."""
    rng = np.random.default_rng(1)
    starts = rng.integers(0, len(samples) // 2, 16)
    pieces = [
        samples[s : s + n] for s, n in zip(starts, rng.integers(800, 56_000, 16), strict=True)
    ]
    calls = []
    forward = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda *a: calls.append(len(a[1])) or forward(*a))
    together = model.transcribe(pieces, word_timestamps=True, batch_size=8, input_rate=SAMPLE_RATE)
    assert len(calls) <= 4
    for piece, result in zip(pieces, together, strict=True):
        alone = model.transcribe(piece, word_timestamps=True, input_rate=SAMPLE_RATE)
        assert result == alone
        assert [(w.text, w.start, w.end) for w in result.words] == [
            (w.text, w.start, w.end) for w in alone.words
        ]
