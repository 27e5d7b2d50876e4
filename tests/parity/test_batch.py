"""A result never depends on what else is in the batch."""

import random

import numpy as np
import pytest
import torch

from gigaam.model import GigaAMASR
from tests.nets import CHARACTERS, random_asr

KINDS = ["v1_ctc", "v1_rnnt", "v2_ctc", "v2_rnnt", "v3_ctc", "v3_rnnt"]


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    """Sixteen recordings from 40 ms to 6 s, of different levels."""
    rng = np.random.default_rng(7)
    seconds = np.concatenate([[0.04, 0.3], rng.uniform(0.5, 6.0, 14)])
    return [
        (rng.uniform(0.01, 0.3) * rng.standard_normal(int(s * 16_000))).astype(np.float32)
        for s in seconds
    ]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> GigaAMASR:
    return random_asr(request.param)


def test_lists_give_what_single_calls_give(model: GigaAMASR, recordings, monkeypatch) -> None:
    alone = [model.transcribe(r, word_timestamps=True, input_rate=16_000) for r in recordings]
    assert sum(len(result.words) for result in alone) >= 16
    order = list(range(16))
    random.Random(3).shuffle(order)
    calls = []
    forward = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda *a: calls.append(len(a[1])) or forward(*a))
    together = model.transcribe(
        [recordings[i] for i in order], word_timestamps=True, batch_size=8, input_rate=16_000
    )
    assert len(calls) <= 4
    assert sum(calls) == 16
    for position, index in enumerate(order):
        assert together[position] == alone[index]
        for word, expected in zip(together[position].words, alone[index].words, strict=True):
            assert (word.text, word.start, word.end) == (
                expected.text,
                expected.start,
                expected.end,
            )
            assert word.confidence == pytest.approx(expected.confidence, abs=1e-4)


@pytest.mark.parametrize("padding", [0.0, 0.5])
def test_forward_ignores_padding(model: GigaAMASR, recordings, padding: float) -> None:
    lengths = torch.tensor([len(r) for r in recordings])
    batch = torch.full((16, int(lengths.max())), padding)
    for row, samples in enumerate(recordings):
        batch[row, : len(samples)] = torch.from_numpy(samples)
    with torch.inference_mode():
        encoded, frames = model(batch, lengths)
    for row, samples in enumerate(recordings):
        alone, count = model.embed_audio(samples, input_rate=16_000)
        assert frames[row] == count[0]
        assert frames.dtype == count.dtype == torch.int32
        torch.testing.assert_close(
            encoded[row, :, : frames[row]], alone[0, :, : frames[row]], atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("limit", [1, 700, 10**9])
def test_groups_of_a_batch_do_not_matter(
    model: GigaAMASR, recordings, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model.encode(recordings)
    monkeypatch.setattr("gigaam.encoder.GROUP_FRAMES", limit)
    found = model.encode(recordings)
    assert found.lengths.tolist() == expected.lengths.tolist()
    assert found.encoded.shape == expected.encoded.shape
    for row, frames in enumerate(expected.lengths):
        torch.testing.assert_close(
            found.encoded[row, :, :frames], expected.encoded[row, :, :frames], atol=1e-4, rtol=0
        )


def test_characters_are_those_of_the_published_models() -> None:
    assert len(CHARACTERS) == 33
    assert CHARACTERS[0] == " "
    assert "ё" not in CHARACTERS
